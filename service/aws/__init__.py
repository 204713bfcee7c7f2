"""AWS clients: the only package that imports the SDK. Signs, rate limits, retries and counts every call."""
