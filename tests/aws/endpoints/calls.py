"""One call of each service, as this package makes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from service.aws.client import AccountSession, AwsClient

__all__ = ["CALLS", "call", "call_each"]

CALLS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "drs": ("DescribeSourceServers", {}),
    "sts": ("GetCallerIdentity", {}),
    "ec2": ("DescribeInstances", {}),
    "dynamodb": ("Scan", {"TableName": "table"}),
    "events": ("DescribeRule", {"Name": "rule"}),
    "lambda": ("Invoke", {"FunctionName": "function", "InvocationType": "Event"}),
}


async def call(aws_client: AwsClient | AccountSession, service: str, region: str) -> dict[str, Any]:
    """Make the call of a service in a region; a client uses the hub's credentials."""
    session = aws_client.hub() if isinstance(aws_client, AwsClient) else aws_client
    operation, params = CALLS[service]
    return await session.call(service, operation, params, region=region)


async def call_each(aws_client: AwsClient, services: Iterable[str], region: str) -> None:
    """Make the call of each of these services."""
    for service in services:
        await call(aws_client, service, region)
