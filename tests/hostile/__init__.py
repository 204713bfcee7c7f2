"""Hostile input, and what must not get out."""
