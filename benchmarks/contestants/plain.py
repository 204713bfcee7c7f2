"""Simple script with the plain SDK: every region, one client per role and region, item by item.

It assumes the role again for each region, as scripts of this kind do, and writes without comparing first.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import boto3

from service.partitions import partition_of

__all__ = ["REGIONS", "Account", "accounts", "extend_all", "extended_of", "inventory_of", "tag_all"]

REGIONS: Final = partition_of("us-east-1").drs_regions
"""The regions that drs-sync scans, too."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account, with its staging accounts if it is a target."""

    account_id: str
    role_arn: str
    external_id: str
    staging: tuple[Account, ...] = ()

    def client(self, service: str, region: str) -> Any:  # noqa: ANN401 - SDK clients have no static type
        """Return a client with credentials of the account's role."""
        sts = boto3.client("sts")
        answer = sts.assume_role(RoleArn=self.role_arn, RoleSessionName="plain", ExternalId=self.external_id)
        keys = answer["Credentials"]
        return boto3.client(
            service,
            region_name=region,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )


def accounts() -> list[Account]:
    """Return the target accounts."""
    table = boto3.resource("dynamodb").Table(os.environ["TARGET_ACCOUNTS_TABLE"])
    return [_account(row) for row in table.scan()["Items"]]


def _account(row: Mapping[str, Any]) -> Account:
    staging = tuple(_account(each) for each in row.get("stagingAccounts", ()))
    return Account(row["accountId"], row["roleArn"], row["externalId"], staging)


def _servers(drs: Any, **params: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    try:
        pages = drs.get_paginator("describe_source_servers").paginate(**params)
        return [server for page in pages for server in page["items"]]
    except drs.exceptions.UninitializedAccountException:
        return []


def inventory_of(account: Account, region: str) -> int:
    """Put every server of a region into the inventory with its instance's tags; return their number."""
    servers = _servers(account.client("drs", region))
    table = boto3.resource("dynamodb").Table(os.environ["SOURCE_SERVER_INVENTORY_TABLE"])
    with table.batch_writer() as batch:
        for server in servers:
            batch.put_item(Item=_item(server, _tags_of(account, [server]), account, region))
    return len(servers)


def _tags_of(account: Account, servers: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    cloud = servers[0]["sourceCloudProperties"]
    ids = [server["sourceProperties"]["identificationHints"]["awsInstanceID"] for server in servers]
    found = account.client("ec2", cloud["originRegion"]).describe_instances(InstanceIds=ids)
    instances = (each for reservation in found["Reservations"] for each in reservation["Instances"])
    return {tag["Key"]: tag["Value"] for each in instances for tag in each.get("Tags", ())}


def _item(server: Mapping[str, Any], tags: Mapping[str, str], account: Account, region: str) -> dict[str, Any]:
    return {
        **{name: value for name, value in server.items() if not isinstance(value, float)},
        "sourceServerArn": server["arn"],
        "stagingAccountId": server["stagingArea"]["stagingAccountID"],
        "sourceAccountId": account.account_id,
        "replicationRegion": region,
        "lastUpdated": datetime.now(UTC).isoformat(),
        "tags": {**server["tags"], **tags},
        "ramBytes": Decimal(server["sourceProperties"]["ramBytes"]),
    }


def extended_of(account: Account, region: str) -> list[dict[str, Any]]:
    """Return the extended servers of a target in a region."""
    found = _servers(account.client("drs", region))
    return [server for server in found if server["stagingArea"]["status"] == "EXTENDED"]


def _missing(target: Account, staging: Account, region: str) -> Iterator[str]:
    there = {server["stagingArea"].get("stagingSourceServerArn") for server in extended_of(target, region)}
    yield from (s["arn"] for s in _servers(staging.client("drs", region)) if s["arn"] not in there)


def extend_all(targets: Sequence[Account], *, sample: int) -> dict[str, float]:
    """Find the servers to extend in all regions, extend the first few, and extrapolate the time for all."""
    began = time.perf_counter()
    todo = [
        (target, region, arn)
        for target in targets
        for staging in target.staging
        for region in REGIONS
        for arn in _missing(target, staging, region)
    ]
    scan_s, began = time.perf_counter() - began, time.perf_counter()
    done = todo[:sample]
    for target, region, arn in done:
        target.client("drs", region).create_extended_source_server(sourceServerArn=arn)
    return _extrapolated(scan_s, time.perf_counter() - began, len(done), len(todo))


def tag_all(targets: Sequence[Account], *, sample: int) -> dict[str, float]:
    """Find the servers in all regions, tag the first few with three calls each, and extrapolate the time for all."""
    began = time.perf_counter()
    todo = [
        (target, region, server)
        for target in targets
        for region in REGIONS
        for server in _servers(target.client("drs", region))
    ]
    scan_s, began = time.perf_counter() - began, time.perf_counter()
    done = todo[:sample]
    clients = {(target.account_id, region): target.client("drs", region) for target, region, _ in done}
    for target, region, server in done:
        tags = _tags_of(target, [server])
        drs = clients[target.account_id, region]
        drs.tag_resource(resourceArn=server["arn"], tags=tags)
        drs.update_launch_configuration(sourceServerID=server["sourceServerID"], copyTags=True)
    return _extrapolated(scan_s, time.perf_counter() - began, len(done), len(todo))


def _extrapolated(scan_s: float, write_s: float, done: int, todo: int) -> dict[str, float]:
    """Extrapolate the writes to all servers; the scan was complete."""
    total_s = scan_s + (write_s / done * todo if done else 0.0)
    return {"servers": todo, "sampled": done, "scan_s": scan_s, "extrapolated_s": total_s}
