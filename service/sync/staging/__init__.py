"""The staging sync: extends into each target what its staging accounts replicate."""
