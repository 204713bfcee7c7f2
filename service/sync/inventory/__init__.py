"""The inventory sync: source servers into the inventory table, and region status with them."""
