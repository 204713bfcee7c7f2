"""Tests of hostile input, and of secrets that must not appear in any output."""
