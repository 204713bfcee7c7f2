"""Which accounts there are and how to reach them."""
