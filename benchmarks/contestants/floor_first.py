"""Lower bound of a first inventory sync: the same DRS calls under the same limits, and the same items, nothing else.

Nothing is known, so every region of every account is asked. A scope that has servers costs its pages, its templates,
one DescribeInstances for each region they came from, and as many GetReplicationConfiguration calls as a run may make.
Each server is written as an inventory item, a topology item and one item for each of its names: the first 25 in a call,
the others 100. It has no models, checks, retries, leases or reports, and a second run would write everything again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import aiohttp
from botocore.credentials import Credentials

from benchmarks.contestants.floor import BATCH, Scope, digest_of, inventory_item, origin_tags, typed
from benchmarks.contestants.limited_client import LimitedClient
from benchmarks.contestants.signed_client import HOME
from service.partitions import partition_of
from service.settings import Settings, load_settings

__all__ = ["topology_items"]

_TRANSACTION: Final = 100  # maximum of TransactWriteItems

Record = Mapping[str, Any]


def _names(server: Record) -> set[str]:
    hints = server["sourceProperties"]["identificationHints"]
    named = (server["sourceServerID"], server.get("recoveryInstanceId"), *map(hints.get, _HINTS))
    return {str(name).lower() for name in named if name}


_HINTS: Final = ("awsInstanceID", "hostname", "fqdn")


def topology_items(server: Record, templates: Sequence[Record], configuration: Record | None) -> list[dict[str, Any]]:
    """Return the topology item of a server, and the items that lead to it from each name."""
    arn, origin = server["arn"], server["sourceCloudProperties"]
    topology = {
        "pk": arn,
        "sk": "TOPOLOGY",
        "originalAccountId": server["stagingArea"]["stagingAccountID"],
        "originalReplicationRegion": arn.split(":")[3],
        "originalSourceAccountId": origin["originAccountID"],
        "originalSourceRegion": origin["originRegion"],
        "originalAvailabilityZone": origin["originAvailabilityZone"],
        "originalInstanceId": server["sourceProperties"]["identificationHints"]["awsInstanceID"],
        "originalEnvironment": "AWS",
        "captureMethod": "first_sight",
        "topologyLastUpdated": str(time.time()),
    }
    if configuration:
        topology["originalReplicationConfiguration"] = configuration
    if len(templates) == 1:
        topology["originalReplicationConfigurationTemplateId"] = templates[0]["replicationConfigurationTemplateID"]
    aliases = [{"pk": f"id#{name}", "sk": f"LINEAGE#{arn}", "lineageArn": arn} for name in _names(server)]
    return [topology, *aliases]


class _FirstSync:
    def __init__(self, client: LimitedClient, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._source_templates: dict[Scope, asyncio.Task[list[Any]]] = {}

    async def sync(self, scope: Scope, keys: Credentials) -> int:
        """Sync one scope; return the number of its servers."""
        client = self._client
        servers = await client.servers(scope.region, keys)
        if not servers:
            return 0
        # As many at a time as the engine: a call that waits has reserved its turn at the rate of that moment.
        at_once = asyncio.Semaphore(self._settings.drs_calls_at_once)

        async def configuration_of(server_id: str) -> Any:  # noqa: ANN401 - JSON
            async with at_once:
                return await client.drs(
                    "GetReplicationConfiguration", scope.region, keys, {"sourceServerID": server_id}
                )

        asked = servers[: self._settings.topology_reads_per_scope]
        tags, templates, configurations, _ = await asyncio.gather(
            origin_tags(client, servers, keys),
            client.drs_list("DescribeReplicationConfigurationTemplates", scope.region, keys, maxResults=200),
            asyncio.gather(*(configuration_of(each["sourceServerID"]) for each in asked)),
            self._templates_of_sources(servers, keys),
        )
        known = {each["sourceServerID"]: each for each in configurations}
        topology = [
            typed(item)["M"]
            for each in servers
            for item in topology_items(each, templates, known.get(each["sourceServerID"]))
        ]
        await self._put_topology(topology)
        await self._put_inventory(servers, scope, tags)
        return len(servers)

    async def _templates_of_sources(self, servers: Sequence[Record], keys: Credentials) -> None:
        """Read the templates of the scopes that the servers came from, each once, as a sync does."""
        origins = {
            Scope(each["sourceCloudProperties"]["originAccountID"], each["sourceCloudProperties"]["originRegion"])
            for each in servers
        }
        for origin in origins - self._source_templates.keys():
            listed = self._client.drs_list(
                "DescribeReplicationConfigurationTemplates", origin.region, keys, maxResults=200
            )
            self._source_templates[origin] = asyncio.ensure_future(listed)
        await asyncio.gather(*(self._source_templates[origin] for origin in origins))

    async def _put_topology(self, items: Sequence[Record]) -> None:
        table = os.environ["SOURCE_SERVER_TOPOLOGY_TABLE"]
        puts = [
            {"Put": {"TableName": table, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}}
            for item in items
        ]
        await asyncio.gather(
            *(
                self._client.table("TransactWriteItems", {"TransactItems": puts[at : at + _TRANSACTION]})
                for at in range(0, len(puts), _TRANSACTION)
            )
        )

    async def _put_inventory(self, servers: Sequence[Record], scope: Scope, tags: Mapping[str, Any]) -> None:
        table = os.environ["SOURCE_SERVER_INVENTORY_TABLE"]
        puts = []
        for each in servers:
            own = tags.get(each["sourceProperties"]["identificationHints"].get("awsInstanceID", ""), {})
            puts.append({"PutRequest": {"Item": inventory_item(each, scope, digest_of(each, own), own)}})
        batches = (puts[at : at + BATCH] for at in range(0, len(puts), BATCH))
        await asyncio.gather(
            *(self._client.table("BatchWriteItem", {"RequestItems": {table: batch}}) for batch in batches)
        )


async def _work() -> int:
    settings = load_settings()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=settings.calls_at_once)) as session:
        client = LimitedClient(session, settings)
        first = _FirstSync(client, settings)
        accounts = (await client.table("Scan", {"TableName": os.environ["TARGET_ACCOUNTS_TABLE"]}))["Items"]
        records = {each["accountId"]["S"]: each for each in accounts}
        keys: dict[str, asyncio.Task[Credentials]] = {}
        at_once = asyncio.Semaphore(settings.scopes_at_once)

        async def sync(scope: Scope) -> int:
            async with at_once:
                if scope.account not in keys:
                    keys[scope.account] = asyncio.ensure_future(client.assume_role(records[scope.account]))
                return await first.sync(scope, await keys[scope.account])

        regions = settings.drs_regions or partition_of(HOME).drs_regions
        scopes = [Scope(account, region) for account in records for region in regions]
        counts = dict(zip(scopes, await asyncio.gather(*map(sync, scopes)), strict=True))
        rows = [
            {
                "TableName": os.environ["DRS_REGION_STATUS_TABLE"],
                "Key": {"region": {"S": region}},
                "UpdateExpression": "SET floorChecked = :now",
                "ExpressionAttributeValues": {":now": {"N": str(int(time.time()))}},
            }
            for region in {scope.region for scope, count in counts.items() if count}
        ]
        await asyncio.gather(*(client.table("UpdateItem", each) for each in rows))
        return sum(counts.values())


def main() -> None:
    """Sync once, as the first run of a process does; print its wall and CPU seconds and the number of servers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=["inventory"])
    parser.parse_args()
    began, cpu = time.perf_counter(), time.process_time()
    servers = asyncio.run(_work())
    seconds = {"seconds": [time.perf_counter() - began], "cpu_seconds": [time.process_time() - cpu]}
    print(json.dumps({**seconds, "serversWritten": servers, "complete": True}))


if __name__ == "__main__":
    main()
