"""drs-sync: a true picture of AWS Elastic Disaster Recovery across many accounts and regions."""
