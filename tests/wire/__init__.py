"""What can go wrong between this process and AWS, on real sockets."""
