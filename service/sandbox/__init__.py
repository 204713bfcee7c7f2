"""Local AWS emulator with Elastic Disaster Recovery (DRS), to try and test drs-sync without an AWS account."""
