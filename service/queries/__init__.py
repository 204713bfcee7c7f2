"""Queries about servers, answered from the inventory where it is fresh and from DRS where it is not. Reads only."""
