"""Lower bounds of the tag and staging syncs: the fewest requests that do the job, on a bare signed HTTP client.

They read the tables, assume each account's role once, list, compare and write, under the engine's own rate limits and
with as many scopes at a time. They have no models, checks, retries or reports, do not look for staging accounts that no
record names, and the tag sync takes no lock: bounds to compare with and not usable syncs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
from botocore.credentials import Credentials

from benchmarks.contestants.floor import Scope, active_scopes, instance_tags
from benchmarks.contestants.limited_client import LimitedClient
from benchmarks.contestants.signed_client import PAGE, SignedClient
from service.settings import load_settings

_EXTENSIBLE: int = 300  # maximum of ListExtensibleSourceServers


async def _tag(client: SignedClient, scope: Scope, keys: Credentials, _: Mapping[str, Any]) -> int:
    """Tag what differs, and turn on what launch settings lack, except where that is remembered."""
    table = os.environ["TAG_SYNC_CONFIG_TABLE"]
    key = {"accountId": {"S": f"_launch_settings#{scope.account}#{scope.region}"}}
    servers, stored = await asyncio.gather(
        client.servers(scope.region, keys), client.table("GetItem", {"TableName": table, "Key": key})
    )
    settled = {each["S"] for each in stored.get("Item", {}).get("settled", {}).get("L", ())}
    by_origin: defaultdict[str, list[str]] = defaultdict(list)
    for server in servers:
        hints = server["sourceProperties"]["identificationHints"]
        by_origin[server["sourceCloudProperties"]["originRegion"]].append(hints["awsInstanceID"])
    tags: dict[str, dict[str, str]] = {}
    for region, ids in by_origin.items():
        for at in range(0, len(ids), PAGE):
            values = {f"Filter.1.Value.{number}": each for number, each in enumerate(ids[at : at + PAGE], 1)}
            filters = {"Filter.1.Name": "instance-id", **values}
            answer = await client.query(
                "ec2", region, keys, Action="DescribeInstances", Version="2016-11-15", MaxResults="1000", **filters
            )
            tags |= instance_tags(answer)

    async def settle(server: Mapping[str, Any]) -> None:
        server_id = {"sourceServerID": server["sourceServerID"]}
        if server["sourceServerID"] not in settled:
            configuration = await client.drs("GetLaunchConfiguration", scope.region, keys, server_id)
            if not configuration["copyTags"]:
                await client.drs("UpdateLaunchConfiguration", scope.region, keys, {**server_id, "copyTags": True})
        wanted = tags[server["sourceProperties"]["identificationHints"]["awsInstanceID"]]
        changes = {name: value for name, value in wanted.items() if server["tags"].get(name) != value}
        if changes:
            await client.drs(f"tags/{quote(server['arn'], safe='')}", scope.region, keys, {"tags": changes})

    await asyncio.gather(*map(settle, servers))
    present = {server["sourceServerID"] for server in servers}
    if settled != present:
        item = {**key, "settled": {"L": [{"S": each} for each in sorted(present)]}}
        await client.table("PutItem", {"TableName": table, "Item": item})
    return len(servers)


async def _extend(client: SignedClient, scope: Scope, keys: Credentials, record: Mapping[str, Any]) -> int:
    """Extend what the staging accounts of a target have and it lacks."""
    extended = 0
    for staging in record.get("stagingAccounts", {}).get("L", ()):
        staging_id = staging["M"]["accountId"]["S"]
        found = await client.drs_list(
            "ListExtensibleSourceServers", scope.region, keys, stagingAccountID=staging_id, maxResults=_EXTENSIBLE
        )
        arns = [{"sourceServerArn": each["arn"]} for each in found]
        await asyncio.gather(*(client.drs("CreateExtendedSourceServer", scope.region, keys, each) for each in arns))
        extended += len(arns)
    return extended


_Job = Callable[[SignedClient, Scope, Credentials, Mapping[str, Any]], Awaitable[int]]
_JOBS: Mapping[str, _Job] = {"tags": _tag, "staging": _extend}


async def _work(job: str) -> tuple[int, int]:
    settings = load_settings()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=settings.calls_at_once)) as session:
        client = LimitedClient(session, settings)
        accounts = (await client.table("Scan", {"TableName": os.environ["TARGET_ACCOUNTS_TABLE"]}))["Items"]
        records = {each["accountId"]["S"]: each for each in accounts}
        scopes = await active_scopes(client, accounts)
        keys: dict[str, asyncio.Task[Credentials]] = {}
        at_once = asyncio.Semaphore(settings.scopes_at_once)

        async def sync(scope: Scope) -> int:
            async with at_once:
                record = records[scope.account]
                if scope.account not in keys:
                    keys[scope.account] = asyncio.ensure_future(client.assume_role(record))
                return await _JOBS[job](client, scope, await keys[scope.account], record)

        return len(scopes), sum(await asyncio.gather(*map(sync, scopes)))


def main() -> None:
    """Do the job several times on new connections; print wall and CPU seconds of each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=list(_JOBS))
    parser.add_argument("--times", type=int, default=1)
    options = parser.parse_args()
    seconds, cpu_seconds, scopes, servers = list[float](), list[float](), 0, 0
    for _ in range(options.times):
        began, cpu = time.perf_counter(), time.process_time()
        scopes, servers = asyncio.run(_work(options.job))
        seconds.append(time.perf_counter() - began)
        cpu_seconds.append(time.process_time() - cpu)
    figures = {"scopes_scanned": scopes, "cpu_ms_per_scope": 1000 * min(cpu_seconds) / max(1, scopes)}
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "servers": servers, **figures}))


if __name__ == "__main__":
    main()
