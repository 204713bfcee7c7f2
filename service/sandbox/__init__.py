"""An AWS that has Elastic Disaster Recovery, for trying and testing drs-sync without an AWS account."""
