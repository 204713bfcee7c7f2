"""Table of topology items: written once, completed later, with a bounded history, and found by any name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from service.aws.dynamodb import Item
from service.aws.dynamodb_write import CompareAndSet, Table, WriteConflictError
from service.fanout import fan_out
from service.models import Call
from service.topology import history
from service.topology.lineage import LineageReader
from service.topology.origin import ORIGIN
from service.topology.original import TEMPLATE_SETTLED, topology_key

__all__ = ["TopologyTable"]

_BATCH: Final = 25  # BatchWriteItem's own limit
_BATCHES_AT_ONCE: Final = 8
_ATTEMPTS: Final = 4


class TopologyTable:
    """Topology items and name items of the inventory table. All methods raise AwsError if a read or write fails."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.lineages = LineageReader(table)

    async def topologies(self, lineages: Collection[str]) -> dict[str, Item]:
        """Return the existing topology items by lineage ARN."""
        items = await self._table.get_many(topology_key(lineage) for lineage in sorted(set(lineages)))
        return {item["sourceServerArn"]: item for item in items}

    async def capture(self, topology: Mapping[str, Any]) -> Item:
        """Write a topology item unless there is one; return the stored item, whichever it is."""
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
        """Add configuration, template id and the template of the source side to a topology; existing values are kept.

        Args:
            lineage: ARN of the lineage.
            configuration: replication configuration of the server.
            template: id of its template, None if unknown.
            source_template: default template of the source side.
            settled: no later sync can find the template.
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

    async def fill_origin(self, lineage: str, values_of: Callable[[Item], Mapping[str, Any]]) -> Item:
        """Set the attributes of the origin that `values_of` finds missing in a topology; return the item as it is then.

        If another run fills it at the same time, the item is read again and `values_of` is called with the new content,
        so that a known value never changes and all values come from one report. A later run does what this one cannot.
        """
        update = CompareAndSet(
            self._table,
            topology_key(lineage),
            unchanged=ORIGIN,
            attempts=_ATTEMPTS,
            call=Call("dynamodb", "UpdateItem", "hub", ""),
            subject=f"the origin of {lineage}",
        )
        topology: Item = {}
        try:
            while True:
                topology = await update.read() or {}
                values = values_of(topology) if topology else {}
                if not values or await update.write(values):
                    return {**topology, **values}
        except WriteConflictError:
            return topology

    async def add_history(self, lineage: str, entry_of: Callable[[Item], Mapping[str, Any] | None]) -> bool:
        """Append an entry to the history of a topology, if there is one. Returns whether something was written.

        If another run appends at the same time, the item is read again and `entry_of` is called with the new content.
        """
        update = CompareAndSet(
            self._table,
            topology_key(lineage),
            unchanged=(history.ATTRIBUTE,),
            attempts=_ATTEMPTS,
            call=Call("dynamodb", "UpdateItem", "hub", ""),
            subject=f"the history of {lineage}",
        )
        try:
            while True:
                topology = await update.read()
                entry = entry_of(topology) if topology is not None else None
                if topology is None or entry is None:
                    return False
                entries = history.append_entry(history.history_of(topology), dict(entry))
                if await update.write({history.ATTRIBUTE: entries}):
                    return True
        except WriteConflictError:
            return False

    async def put_name_items(self, name_items: Sequence[Mapping[str, Any]]) -> None:
        """Put name items, several batches at once.

        Servers of one lineage share names, and DynamoDB rejects a batch that contains a key twice, so each key is put
        once.
        """
        items = list({(item["sourceServerArn"], item["stagingAccountId"]): item for item in name_items}.values())
        batches = [items[start : start + _BATCH] for start in range(0, len(items), _BATCH)]
        async with fan_out(batches, self._table.put_many, concurrency=_BATCHES_AT_ONCE) as done:
            async for _ in done:
                pass
