"""What is known of source servers: the inventory table and the original topology."""
