"""Lambda events in, replies out."""
