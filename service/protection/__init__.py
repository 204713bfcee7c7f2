"""Which EC2 instances no source server protects: the decision, and its summary per account and region."""
