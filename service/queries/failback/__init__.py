"""Failback: where a server came from, which failback method applies, and the commands that bring it back."""
