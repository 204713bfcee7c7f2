"""Failback: where a server came from, and what to type to send it back."""
