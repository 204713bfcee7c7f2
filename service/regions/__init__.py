"""Region status: the table with one row per region, and the selection of the scopes to scan."""
