"""Independent AWS endpoint for benchmarks: computed responses of STS, DRS, EC2 and DynamoDB for any estate size."""
