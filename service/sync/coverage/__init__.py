"""The coverage sync: EC2 instances that no source server protects."""
