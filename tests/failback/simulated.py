"""One lineage in the simulated AWS, the syncs that record where its server came from, and the queries that tell it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any, Final

from service.aws.attribute_values import decode, encode
from service.context import SyncRequest
from service.models import Shard
from service.queries.failback.facts import Facts
from service.queries.failback.query import FailbackQuery
from tests.simulation.aws import SimulatedAws
from tests.simulation.clock import VirtualLoop
from tests.simulation.failback import RECOVERY, SOURCE, SimulatedLineage
from tests.simulation.fault_injection import FaultInjector
from tests.simulation.host import Host, settings
from tests.simulation.promises import Promises

__all__ = ["ACCOUNT", "INVENTORY", "OWN", "SimulatedFailback"]

ACCOUNT: Final = "777000000003"
INVENTORY: Final = "source_server_inventory_table"
OWN: Final = "source_server_topology_table"


class SimulatedFailback:
    """One server of `ACCOUNT`. Made within a virtual loop; each sync and query is a new process.

    Args:
        others: further accounts.
        source_account: account of the original machine.
    """

    def __init__(self, *others: str, source_account: str = ACCOUNT) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.loop, self.rng = loop, random.Random(1)  # noqa: S311 - not a secret
        self.aws = SimulatedAws(loop, self.rng, (ACCOUNT, *others), (SOURCE, RECOVERY), staging_of={})
        self.failback = SimulatedLineage(self.aws, ACCOUNT, source_account)
        self.lineage = self.failback.arn

    def host(self, **changes: Any) -> Host:
        """Start a process with these settings."""
        chosen = settings(drs_regions=self.aws.regions, **changes)
        return Host("host", self.aws, FaultInjector(self.rng, latency_s=0.01), Promises(), chosen=chosen)

    async def sync(self, host: Host | None = None, *, shard: Shard | None = None, **changes: Any) -> dict[str, Any]:
        """Run an inventory sync in a process, by default a new one with these settings."""
        request = SyncRequest(regions=self.aws.regions, shard=shard)
        return await (host or self.host(**changes)).run("inventory", request)

    def query(self, host: Host | None = None, **changes: Any) -> FailbackQuery:
        """Return the failback query in a process, by default a new one with these settings."""
        host = host or self.host(**changes)
        return FailbackQuery(host.aws_client, host.settings, host.status_reader(), host.now)

    async def facts(self, name: str, host: Host | None = None, **changes: Any) -> Facts:
        """Return the facts of the server with this name."""
        return (await self.query(host, **changes).facts(name)).facts

    # Tables, as somebody other than the engine reads and writes them

    def items(self, table: str) -> list[dict[str, Any]]:
        """Return the items of a table."""
        return [decode(item) for item in self.aws.dynamodb.tables[table].items.values()]

    def servers(self) -> dict[str, dict[str, Any]]:
        """Return the inventory items of servers by ARN."""
        items = (item for item in self.items(INVENTORY) if item["stagingAccountId"].isdigit())
        return {item["sourceServerArn"]: item for item in items}

    def left(self) -> list[str]:
        """Return the sort keys of the inventory items that are no servers."""
        kinds = (item["stagingAccountId"] for item in self.items(INVENTORY))
        return sorted(kind for kind in kinds if not kind.isdigit())

    def own(self, lineage: str, kind: str = "TOPOLOGY") -> dict[str, Any]:
        """Return an item of the topology table; empty if there is none."""
        item = self.aws.dynamodb.tables[OWN].items.get((lineage, kind))
        return decode(item) if item else {}

    def put(self, item: Mapping[str, Any], table: str = INVENTORY) -> None:
        """Put an item."""
        self.aws.dynamodb.serve("PutItem", {"TableName": table, "Item": encode(item)})

    def delete(self, item: Mapping[str, Any], table: str) -> None:
        """Delete an item."""
        del self.aws.dynamodb.tables[table].items[self.aws.dynamodb.tables[table].keys.of(encode(item))]
