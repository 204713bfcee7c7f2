"""Live pages: the estate as an HTTP server for people. It reads only, through the query side."""
