"""Network faults between this process and AWS, on real sockets."""
