"""How fast drs-sync is, and beside what: scenarios as data, contestants in processes of their own."""
