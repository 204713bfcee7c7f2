"""Benchmarks of drs-sync and of simple alternatives: scenarios as data, each contestant in a process of its own."""
