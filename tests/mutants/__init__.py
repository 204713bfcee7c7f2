"""Planted bugs: small changes of the code, each of which takes one promise away, and the tests that must notice."""
