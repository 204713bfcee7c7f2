"""Lower bound: the fewest requests that keep the inventory correct, on a bare signed HTTP client.

It has no models, checks, retries, rate limits or reports. It reads the tables, assumes each account's role once, lists
each scope that has servers, reads their instances, hashes each server with its tags (which is needed to notice a
change), compares with the table, and writes missing items and one row per region. It captures no topology and finds no
new region, so it is a bound to compare with and not a usable sync.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from xml.etree import ElementTree as ET

import aiohttp
import orjson
from botocore.credentials import Credentials

from benchmarks.contestants.signed_client import SignedClient
from service.regions.status_codec import unpack

__all__ = ["BATCH", "Scope", "active_scopes", "digest_of", "instance_tags", "inventory_item", "origin_tags", "typed"]

BATCH: Final = 25  # maximum of BatchWriteItem


class Scope(NamedTuple):
    """One account in one region."""

    account: str
    region: str


def typed(value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Return a JSON value as a DynamoDB attribute value."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | float():
            return {"N": str(value)}
        case dict():
            return {"M": {name: typed(member) for name, member in value.items()}}
        case _:
            return {"L": [typed(member) for member in value]}


def instance_tags(answer: bytes) -> dict[str, dict[str, str]]:
    """Return the tags of each instance in a DescribeInstances response."""
    root = ET.fromstring(answer)  # noqa: S314 - AWS's own, or our own loopback's
    space = root.tag[: root.tag.find("}") + 1]
    return {
        instance.findtext(f"{space}instanceId", ""): {
            tag.findtext(f"{space}key", ""): tag.findtext(f"{space}value", "")
            for tag in instance.iterfind(f"{space}tagSet/{space}item")
        }
        for instance in root.iterfind(f"{space}reservationSet/{space}item/{space}instancesSet/{space}item")
    }


def digest_of(server: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    """Return the hash of a server and its instance's tags, by which a change is noticed."""
    return hashlib.blake2b(orjson.dumps([server, tags], option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def inventory_item(server: Mapping[str, Any], scope: Scope, digest: str, tags: Mapping[str, str]) -> dict[str, Any]:
    """Return the inventory item of a server with its hash and its instance's tags, in DynamoDB's format."""
    extra = {
        "contentHash": digest,
        "sourceTags": tags,
        "sourceServerArn": server["arn"],
        "stagingAccountId": server["stagingArea"]["stagingAccountID"],
        "sourceAccountId": scope.account,
        "replicationRegion": scope.region,
    }
    item: dict[str, Any] = typed({**server, **extra})["M"]
    return item


async def active_scopes(client: SignedClient, accounts: Sequence[Mapping[str, Any]]) -> list[Scope]:
    """Return the scopes that have servers, by region status."""
    rows = (await client.table("Scan", {"TableName": os.environ["DRS_REGION_STATUS_TABLE"]}))["Items"]
    return [
        Scope(account["accountId"]["S"], row["region"]["S"])
        for row in rows
        for counts in [_counts(row)]
        for account in accounts
        if counts.get(account["accountId"]["S"])
    ]


def _counts(row: Mapping[str, Any]) -> dict[str, int]:
    """Return the number of servers by account in a row of region status, of few accounts or of many."""
    mapped = {
        account_id: int(entry["M"].get("serverCount", {}).get("N", 0))
        for account_id, entry in row.get("accounts", {}).get("M", {}).items()
    }
    packed = unpack(row.get("accountsPacked", {}).get("S"))
    return mapped | {account_id: entry.get("serverCount", 0) for account_id, entry in packed.items()}


async def origin_tags(
    client: SignedClient, servers: Sequence[Mapping[str, Any]], keys: Credentials
) -> dict[str, dict[str, str]]:
    """Read the tags of the instances that servers replicate from, by instance id."""
    by_origin: dict[str, list[str]] = {}
    for server in servers:
        instance_id = server["sourceProperties"]["identificationHints"].get("awsInstanceID")
        if instance_id:
            by_origin.setdefault(server["sourceCloudProperties"]["originRegion"], []).append(instance_id)
    queries = [
        client.query(
            "ec2",
            region,
            keys,
            Action="DescribeInstances",
            Version="2016-11-15",
            **{f"InstanceId.{number}": each for number, each in enumerate(ids, 1)},
        )
        for region, ids in by_origin.items()
    ]
    return {name: each for answer in await asyncio.gather(*queries) for name, each in instance_tags(answer).items()}


async def _sync(client: SignedClient, scope: Scope, keys: Credentials) -> int:
    inventory = os.environ["SOURCE_SERVER_INVENTORY_TABLE"]
    of_scope = {
        "TableName": inventory,
        "IndexName": "ReplicationRegionIndex",
        "KeyConditionExpression": "replicationRegion = :region",
        "FilterExpression": "#account = :account",
        "ExpressionAttributeNames": {"#account": "_queryAccount"},
        "ExpressionAttributeValues": {":region": {"S": scope.region}, ":account": {"S": scope.account}},
        "ProjectionExpression": "sourceServerArn, contentHash",
    }
    servers, stored = await asyncio.gather(client.servers(scope.region, keys), client.table("Query", of_scope))
    tags = await origin_tags(client, servers, keys)
    known = {each["sourceServerArn"]["S"] for each in stored["Items"]}
    items = []
    for server in servers:
        own = tags.get(server["sourceProperties"]["identificationHints"].get("awsInstanceID", ""), {})
        digest = digest_of(server, own)
        # The engine's hash differs from this one, so a server that has an item counts as unchanged.
        if server["arn"] not in known:
            items.append({"PutRequest": {"Item": inventory_item(server, scope, digest, own)}})
    batches = [items[at : at + BATCH] for at in range(0, len(items), BATCH)]
    await asyncio.gather(*(client.table("BatchWriteItem", {"RequestItems": {inventory: each}}) for each in batches))
    return len(servers)


async def _work() -> int:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:
        client = SignedClient(session)
        accounts = (await client.table("Scan", {"TableName": os.environ["TARGET_ACCOUNTS_TABLE"]}))["Items"]
        scopes = await active_scopes(client, accounts)
        keys = dict(
            zip(
                (each["accountId"]["S"] for each in accounts),
                await asyncio.gather(*(client.assume_role(each) for each in accounts)),
                strict=True,
            )
        )
        counts = await asyncio.gather(*(_sync(client, scope, keys[scope.account]) for scope in scopes))
        status = os.environ["DRS_REGION_STATUS_TABLE"]
        rows = [
            {
                "TableName": status,
                "Key": {"region": {"S": region}},
                "UpdateExpression": "SET floorChecked = :now",
                "ExpressionAttributeValues": {":now": {"N": str(int(time.time()))}},
            }
            for region in {scope.region for scope in scopes}
        ]
        await asyncio.gather(*(client.table("UpdateItem", each) for each in rows))
        return sum(counts)


def main() -> None:
    """Sync the inventory several times on new connections; print wall and CPU seconds of each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=["inventory"])
    parser.add_argument("--times", type=int, default=1)
    seconds, cpu_seconds, servers = list[float](), list[float](), 0
    for _ in range(parser.parse_args().times):
        began, cpu = time.perf_counter(), time.process_time()
        servers = asyncio.run(_work())
        seconds.append(time.perf_counter() - began)
        cpu_seconds.append(time.process_time() - cpu)
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "servers": servers, "complete": True}))


if __name__ == "__main__":
    main()
