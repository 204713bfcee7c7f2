"""Contestants: programs that do one job against the AWS endpoint of their environment and print JSON."""
