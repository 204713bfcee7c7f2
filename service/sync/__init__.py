"""The syncs: each scans its scopes, compares, writes what differs, and reports."""
