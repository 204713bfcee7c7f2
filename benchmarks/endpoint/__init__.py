"""An independent AWS for benchmarks: STS, DRS, EC2 and DynamoDB answered from arithmetic, of any size, in no memory."""
