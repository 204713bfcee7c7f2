"""The floor: the fewest requests that keep the inventory true, on a bare signed HTTP client.

No models, no checks, no retries, no pace, nothing reported: what remains is what AWS itself asks for. It reads the
tables, enters each account once, lists each scope that has servers, reads their instances, hashes each server with its
tags as whoever wants to notice a change must, compares with what the table holds, and writes what is missing and one
row per region. It captures no topology and finds no new region, so it is a bound to measure against and no way to run.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import aiohttp
import orjson
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_PAGE: Final = 200
_BATCH: Final = 25  # BatchWriteItem's most
_HOME: Final = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
_KEYS: Final = re.compile(rb"<(AccessKeyId|SecretAccessKey|SessionToken)>([^<]+)<")


class _Scope(NamedTuple):
    account: str
    region: str


class _Goal(NamedTuple):
    service: str
    region: str
    keys: Credentials
    path: str = "/"


class _Wire:
    """Signed requests over one pool of connections."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._url = os.environ["AWS_ENDPOINT_URL"].rstrip("/")
        self.hub = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])

    async def send(self, goal: _Goal, body: bytes, headers: Mapping[str, str]) -> bytes:
        request = AWSRequest("POST", self._url + goal.path, dict(headers), body)
        SigV4Auth(goal.keys, goal.service, goal.region).add_auth(request)
        async with self._session.post(self._url + goal.path, data=body, headers=dict(request.headers)) as answer:
            return await answer.read()

    async def table(self, operation: str, body: Any) -> Any:  # noqa: ANN401 - JSON
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{operation}"}
        return orjson.loads(await self.send(_Goal("dynamodb", _HOME, self.hub), orjson.dumps(body), headers))

    async def query(self, service: str, region: str, keys: Credentials, **asked: str) -> bytes:
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        return await self.send(_Goal(service, region, keys), urlencode(asked).encode(), headers)

    async def enter(self, role: Mapping[str, Any]) -> Credentials:
        asked = {"RoleArn": role["roleArn"]["S"], "ExternalId": role["externalId"]["S"], "RoleSessionName": "floor"}
        said = await self.query("sts", _HOME, self.hub, Action="AssumeRole", Version="2011-06-15", **asked)
        found = {name.decode(): value.decode() for name, value in _KEYS.findall(said)}
        return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])

    async def servers(self, region: str, keys: Credentials) -> list[Any]:
        found: list[Any] = []
        asked: dict[str, Any] = {"maxResults": _PAGE}
        while True:
            body, headers = orjson.dumps(asked), {"Content-Type": "application/json"}
            said = orjson.loads(await self.send(_Goal("drs", region, keys, "/DescribeSourceServers"), body, headers))
            found += said.get("items", ())
            if not said.get("nextToken"):
                return found
            asked["nextToken"] = said["nextToken"]


def _typed(value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Write a JSON value as DynamoDB does."""
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
            return {"M": {name: _typed(member) for name, member in value.items()}}
        case _:
            return {"L": [_typed(member) for member in value]}


def _tags(answer: bytes) -> dict[str, dict[str, str]]:
    """Read the tags of each instance out of a DescribeInstances answer."""
    root = ET.fromstring(answer)  # noqa: S314 - AWS's own, or our own loopback's
    space = root.tag[: root.tag.find("}") + 1]
    return {
        instance.findtext(f"{space}instanceId", ""): {
            tag.findtext(f"{space}key", ""): tag.findtext(f"{space}value", "")
            for tag in instance.iterfind(f"{space}tagSet/{space}item")
        }
        for instance in root.iterfind(f"{space}reservationSet/{space}item/{space}instancesSet/{space}item")
    }


def _digest(server: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    return hashlib.blake2b(orjson.dumps([server, tags], option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def _item(server: Mapping[str, Any], scope: _Scope, digest: str, tags: Mapping[str, str]) -> dict[str, Any]:
    extra = {
        "contentHash": digest,
        "sourceTags": tags,
        "sourceServerArn": server["arn"],
        "stagingAccountId": server["stagingArea"]["stagingAccountID"],
        "sourceAccountId": scope.account,
        "replicationRegion": scope.region,
    }
    written: dict[str, Any] = _typed({**server, **extra})["M"]
    return written


async def _scopes(wire: _Wire, accounts: Sequence[Mapping[str, Any]]) -> list[_Scope]:
    rows = (await wire.table("Scan", {"TableName": os.environ["DRS_REGION_STATUS_TABLE"]}))["Items"]
    return [
        _Scope(account["accountId"]["S"], row["region"]["S"])
        for row in rows
        for account in accounts
        if int(
            row.get("accounts", {}).get("M", {}).get(account["accountId"]["S"], {}).get("M", {})
            .get("serverCount", {}).get("N", 0)
        )
    ]  # fmt: skip


async def _sync(wire: _Wire, scope: _Scope, keys: Credentials) -> int:
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
    servers, held = await asyncio.gather(wire.servers(scope.region, keys), wire.table("Query", of_scope))
    by_origin: dict[str, list[str]] = {}
    for server in servers:
        found = server["sourceProperties"]["identificationHints"].get("awsInstanceID")
        if found:
            by_origin.setdefault(server["sourceCloudProperties"]["originRegion"], []).append(found)
    asked = [
        wire.query(
            "ec2",
            region,
            keys,
            Action="DescribeInstances",
            Version="2016-11-15",
            **{f"InstanceId.{number}": each for number, each in enumerate(ids, 1)},
        )
        for region, ids in by_origin.items()
    ]
    tags = {name: each for answer in await asyncio.gather(*asked) for name, each in _tags(answer).items()}
    known = {each["sourceServerArn"]["S"] for each in held["Items"]}
    items = []
    for server in servers:
        own = tags.get(server["sourceProperties"]["identificationHints"].get("awsInstanceID", ""), {})
        digest = _digest(server, own)
        # What the engine wrote has the engine's hash, another one: a server that is there counts as unchanged.
        if server["arn"] not in known:
            items.append({"PutRequest": {"Item": _item(server, scope, digest, own)}})
    batches = [items[at : at + _BATCH] for at in range(0, len(items), _BATCH)]
    await asyncio.gather(*(wire.table("BatchWriteItem", {"RequestItems": {inventory: each}}) for each in batches))
    return len(servers)


async def _work() -> int:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:
        wire = _Wire(session)
        accounts = (await wire.table("Scan", {"TableName": os.environ["TARGET_ACCOUNTS_TABLE"]}))["Items"]
        scopes = await _scopes(wire, accounts)
        keys = dict(
            zip(
                (each["accountId"]["S"] for each in accounts),
                await asyncio.gather(*(wire.enter(each) for each in accounts)),
                strict=True,
            )
        )
        counts = await asyncio.gather(*(_sync(wire, scope, keys[scope.account]) for scope in scopes))
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
        await asyncio.gather(*(wire.table("UpdateItem", each) for each in rows))
        return sum(counts)


def main() -> None:
    """Sync the inventory some times, each on connections of its own; print wall and CPU seconds of each."""
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
