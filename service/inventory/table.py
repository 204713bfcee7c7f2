"""The source server inventory table: what a scope holds, batches of changed items, topology written once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from service.aws.dynamodb import Item
from service.aws.dynamodb_write import Table
from service.fanout import fan_out
from service.inventory import history
from service.inventory.lineage import LineageReader
from service.inventory.reading import facts_of
from service.inventory.servers import InstanceFacts
from service.inventory.topology import TEMPLATE_SETTLED, topology_key
from service.models import Scope, iso, parse_iso

__all__ = ["Held", "InventoryTable", "ItemKey"]

_REGION_INDEX: Final = "ReplicationRegionIndex"
_WANTED: Final = (
    "sourceServerArn",
    "stagingAccountId",
    "contentHash",
    "lastUpdated",
    "sourceTags",
    "ec2NetworkConfig",
    "topologyComplete",
    "topologyLastUpdated",
    "originalSourceRegion",
    "originalAccountId",
    "originalReplicationConfigurationTemplateId",
    "originalReplicationConfigTemplateId",
    "lineageArn",
    "lineageNames",
)
_BATCH: Final = 25  # BatchWriteItem's own limit
_BATCHES_AT_ONCE: Final = 8
_HISTORY_TRIES: Final = 4


class ItemKey(NamedTuple):
    """Primary key of an inventory item."""

    arn: str
    staging_account: str


@dataclass(frozen=True, slots=True)
class Held:
    """What the table holds of a server, as far as a sync needs it."""

    digest: str
    updated_at: datetime | None
    facts: InstanceFacts | None
    topology_complete: bool
    item: Mapping[str, Any]


class InventoryTable:
    """The inventory, by scope."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.names = LineageReader(table)

    async def held(self, scope: Scope, *, partition: str) -> dict[ItemKey, Held]:
        """Give what the table holds of one (account, region).

        The ARN names both, so a prefix of the index's sort key finds the scope. The index may lag behind writes of the
        last seconds: a server missed here is only written again.

        Raises:
            AwsError: the table could not be read.
        """
        prefix = f"arn:{partition}:drs:{scope.region}:{scope.account_id}:source-server/"
        found: dict[ItemKey, Held] = {}
        async for item in self._table.query(
            "#replicationRegion = :region AND begins_with( #sourceServerArn , :prefix)",
            {"region": scope.region, "prefix": prefix},
            index=_REGION_INDEX,
            only=_WANTED,
        ):
            found[ItemKey(item["sourceServerArn"], item["stagingAccountId"])] = _held(item)
        return found

    async def write(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Put whole items in batches. Raises AwsError when some could not be written."""
        await self._table.put_many(items)

    async def remember(self, bookkeeping: Sequence[Mapping[str, Any]]) -> None:
        """Put bookkeeping items, several batches at once. Raises AwsError when some could not be written.

        Servers of one lineage share names, and a batch that holds a key twice is refused as a whole.
        """
        items = list({(item["sourceServerArn"], item["stagingAccountId"]): item for item in bookkeeping}.values())
        batches = [items[start : start + _BATCH] for start in range(0, len(items), _BATCH)]
        async with fan_out(batches, self._table.put_many, concurrency=_BATCHES_AT_ONCE) as done:
            async for _ in done:
                pass

    async def check(self) -> None:
        """Make sure that the table is there with the keys expected. Raises AwsError."""
        await self._table.get(topology_key("-"))

    async def remove(self, key: ItemKey, *, scanned_at: datetime) -> bool:
        """Remove a server that a complete look did not show, unless it was written after that look began."""
        return await self._table.delete_if(
            {"sourceServerArn": key.arn, "stagingAccountId": key.staging_account},
            "#writtenAt < :looked OR ( attribute_not_exists( #writtenAt ) AND "
            "( attribute_not_exists( #lastUpdated ) OR #lastUpdated < :looked ))",
            {"looked": iso(scanned_at)},
        )

    async def topologies(self, lineages: Collection[str]) -> dict[str, Item]:
        """Give the topology items that exist, by lineage ARN."""
        items = await self._table.get_many(topology_key(lineage) for lineage in sorted(set(lineages)))
        return {item["sourceServerArn"]: item for item in items}

    async def capture(self, topology: Mapping[str, Any]) -> Item:
        """Write a topology once; give what the table holds afterwards, be it ours or an earlier one."""
        if await self._table.put_if(topology, "attribute_not_exists( #sourceServerArn )"):
            return dict(topology)
        return await self._table.get(topology_key(topology["sourceServerArn"])) or dict(topology)

    async def complete_topology(
        self,
        lineage: str,
        configuration: Mapping[str, Any],
        template: str | None,
        source_template: Mapping[str, Any] | None = None,
        *,
        settled: bool,
    ) -> Item:
        """Add configuration, template id and the source side's template to a topology that has none of it yet.

        What it has stays as it is.

        Args:
            lineage: ARN of the lineage.
            configuration: replication configuration of the server.
            template: id of its template, None when none can be named.
            source_template: default template of the source side.
            settled: no later run can tell more of the template.
        """
        key = topology_key(lineage)
        found = {
            "originalReplicationConfiguration": configuration,
            "originalReplicationConfigurationTemplateId": template,
            TEMPLATE_SETTLED: (settled and template is None) or None,
            "sourceSideTemplate": source_template,
        }
        known = {name: value for name, value in found.items() if value is not None}
        await self._table.fill(key, known, "attribute_exists( #sourceServerArn )")
        return await self._table.get(key) or {}

    async def add_history(self, lineage: str, entry_of: Callable[[Item], Mapping[str, Any] | None]) -> bool:
        """Append to the history of a topology, if there is one; its originals stay as they are.

        Another run may append meanwhile: then what it wrote is read, and `entry_of` decides anew what there is to add.
        Tells whether something was written.
        """
        key = topology_key(lineage)
        for _ in range(_HISTORY_TRIES):
            topology = await self._table.get(key)
            entry = entry_of(topology) if topology is not None else None
            if topology is None or entry is None:
                return False
            before = topology.get(history.ATTRIBUTE)
            unchanged = (
                f"attribute_not_exists( #{history.ATTRIBUTE} )"
                if before is None
                else (f"#{history.ATTRIBUTE} = :before")
            )
            entries = history.appended(history.history_of(topology), dict(entry))
            condition = f"attribute_exists( #sourceServerArn ) AND {unchanged}"
            values = {} if before is None else {"before": before}
            if await self._table.update_if(key, {history.ATTRIBUTE: entries}, condition, values):
                return True
        return False

    async def refresh_copy(self, key: ItemKey, copies: Mapping[str, Any]) -> None:
        """Bring the topology attributes of an inventory item up to date, if the item is still there."""
        await self._table.update_if(
            {"sourceServerArn": key.arn, "stagingAccountId": key.staging_account},
            copies,
            "attribute_exists( #sourceServerArn )",
        )


def _held(item: Mapping[str, Any]) -> Held:
    return Held(
        digest=str(item.get("contentHash") or ""),
        updated_at=parse_iso(item.get("lastUpdated")),
        facts=facts_of(item),
        topology_complete=item.get("topologyComplete") is True,
        item=item,
    )
