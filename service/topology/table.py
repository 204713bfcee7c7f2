"""Topology table: originals recorded once, completed later, with a bounded history, and found by any name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final

from service.aws.conditional_write import fill, put
from service.aws.dynamodb import Item
from service.aws.dynamodb_write import CompareAndSet, Table, WriteConflictError
from service.errors import AwsError
from service.fanout import fan_out
from service.inventory.table import ItemKey
from service.models import Call
from service.topology import history
from service.topology.carrier import Carrier, history_update, put_names
from service.topology.kept import Kept, KeptOriginals, Wanted
from service.topology.keys import topology_key
from service.topology.lineage import LineageReader
from service.topology.merge import is_contained
from service.topology.origin import ORIGIN
from service.topology.store import Completion

__all__ = ["TopologyTable"]

_ATTEMPTS: Final = 4
_CARRIED_AT_ONCE: Final = 8


class TopologyTable:
    """Topology items and name items in the topology table. All methods raise AwsError if a read or write fails.

    What an earlier version left in the inventory table is carried over when it is read.

    Args:
        own: the topology table.
        inventory: the inventory table.
        keeps_earlier: the inventory table may have something that an earlier version left.

    Attributes:
        has_carried: something was carried over by this object.
        keeps_names: whether name items are kept.
    """

    keeps_names: ClassVar[bool] = True

    def __init__(self, own: Table, inventory: Table, *, keeps_earlier: bool = True) -> None:
        self._keeps_earlier = keeps_earlier
        self._own = own
        self._kept = KeptOriginals(inventory)
        self._carrier = Carrier(own, inventory)
        self.lineages = LineageReader(inventory, own)
        self.has_carried = False

    async def topologies(self, wanted: Wanted) -> dict[str, Item]:
        """Return the existing topology items by lineage ARN."""
        found = await self._read(sorted(wanted))
        missing = {lineage: item_keys for lineage, item_keys in wanted.items() if lineage not in found}
        kept = await self._kept.read(missing) if missing and self._keeps_earlier else {}
        async with fan_out(list(kept.values()), self._carry, concurrency=_CARRIED_AT_ONCE) as carried:
            async for item in carried:
                found[str(item["pk"])] = item
        return found

    async def _carry(self, kept: Kept) -> Item:
        stored: Item = {}
        if kept.topology is not None:
            stored = await self._carrier.topology(kept.topology)
            self.has_carried = True
        if kept.copy is None or (stored and is_contained(kept.copy, stored)):
            return stored
        return await self._carrier.record(kept.copy)

    async def capture(self, topologies: Sequence[Mapping[str, Any]]) -> dict[str, Item | AwsError]:
        """Write topology items, each unless there is one.

        Returns:
            For each lineage the item that is stored, whichever it is; the error of one that DynamoDB refuses.
        """
        by_lineage = {str(each["pk"]): dict(each) for each in topologies}
        writes = [put(each, "attribute_not_exists( #pk )") for each in by_lineage.values()]
        outcomes = dict(zip(by_lineage, await self._own.write_each(writes), strict=True))
        stored = await self._read([lineage for lineage, outcome in outcomes.items() if outcome is False])
        return {
            lineage: outcome if isinstance(outcome, AwsError) else stored.get(lineage, by_lineage[lineage])
            for lineage, outcome in outcomes.items()
        }

    async def complete(self, completions: Sequence[Completion]) -> dict[str, Item | AwsError]:
        """Add what topologies lack; existing values are kept. Items of the inventory are not written.

        Returns:
            For each lineage its topology as it is then, empty if there is none; the error of one that DynamoDB refuses.
        """
        by_lineage = {each.lineage: each for each in completions}  # servers of one lineage complete one item
        writes = [
            fill(topology_key(lineage), each.found, "attribute_exists( #pk )") for lineage, each in by_lineage.items()
        ]
        outcomes = dict(zip(by_lineage, await self._own.write_each(writes), strict=True))
        stored = await self._read([lineage for lineage, outcome in outcomes.items() if outcome is True])
        return {
            lineage: outcome if isinstance(outcome, AwsError) else stored.get(lineage, {})
            for lineage, outcome in outcomes.items()
        }

    async def _read(self, lineages: Iterable[str]) -> dict[str, Item]:
        items = await self._own.get_many(topology_key(lineage) for lineage in lineages)
        return {str(item["pk"]): item for item in items}

    async def fill_origin(
        self,
        lineage: str,
        item_key: ItemKey,
        values_of: Callable[[Item], Mapping[str, Any]],
    ) -> Item:
        """Set the attributes of the origin that `values_of` finds missing in a topology; return the item as it is then.

        If another run fills it at the same time, the item is read again and `values_of` is called with the new content,
        so that a known value never changes and all values come from one report. A later run does what this one cannot.
        """
        update = CompareAndSet(
            self._own,
            topology_key(lineage),
            unchanged=ORIGIN,
            attempts=_ATTEMPTS,
            call=Call("dynamodb", "UpdateItem", "hub", ""),
            subject=f"the origin of {lineage}",
        )
        topology: Item = {}
        try:
            while True:
                found = await update.read()
                if found is None and await self.topologies({lineage: (item_key,)}):
                    continue  # carried over by this call
                topology = found or {}
                values = values_of(topology) if topology else {}
                if not values or await update.write(values):
                    return {**topology, **values}
        except WriteConflictError:
            return topology

    async def add_history(self, lineage: str, entry_of: Callable[[Item], Mapping[str, Any] | None]) -> bool:
        """Append an entry to the history of a topology, if there is one. Returns whether something was written.

        If another run appends at the same time, the item is read again and `entry_of` is called with the new content.
        """
        update = history_update(self._own, lineage)
        try:
            while True:
                topology = await update.read()
                if topology is None and await self.topologies({lineage: ()}):
                    continue  # carried over by this call
                entry = entry_of(topology) if topology is not None else None
                if topology is None or entry is None:
                    return False
                entries = history.append_entry(history.history_of(topology), dict(entry))
                if await update.write({history.ATTRIBUTE: entries}):
                    return True
        except WriteConflictError:
            return False

    async def put_name_items(self, name_items: Sequence[Item]) -> None:
        """Put name items."""
        await put_names(self._own, name_items)

    async def keep_originals(self, lineage: str, item_key: ItemKey) -> None:
        """Make sure that originals on the item of a server outlive it; it is about to be removed."""
        await self.topologies({lineage: (item_key,)})

    def item_attributes(self, topology: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - see `ItemTopology`
        """Return the attributes of a topology that the item of its server has beside the usual copy: none."""
        return {}
