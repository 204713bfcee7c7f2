"""The tag sync: EC2 tags to DRS source servers."""
