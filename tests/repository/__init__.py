"""The files that a visitor of the repository meets first."""
