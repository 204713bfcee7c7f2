"""Target accounts and staging accounts: their records, roles and sessions."""
