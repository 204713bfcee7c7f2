"""The original replication topology of servers: recorded once, kept for failback."""
