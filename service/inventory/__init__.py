"""Source servers: DRS records, inventory items, and the inventory table."""
