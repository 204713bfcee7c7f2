"""The work: look, compare, write, report."""
