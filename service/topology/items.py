"""Topology without a table of its own: the items of the inventory keep the originals, and nothing else is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from service.aws.conditional_write import fill
from service.aws.dynamodb import Item
from service.aws.dynamodb_write import CompareAndSet, Table, WriteConflictError
from service.errors import AwsError
from service.inventory.table import ItemKey
from service.models import Call
from service.topology.kept import KeptOriginals, Wanted, copy_on_item, server_item_key
from service.topology.keys import inventory_key, topology_key
from service.topology.lineage import LineageReader
from service.topology.origin import ORIGIN
from service.topology.original import COPIED, RECORDED_ATTRIBUTES
from service.topology.store import Completion

__all__ = ["ItemTopology"]

_ATTEMPTS: Final = 4
_BESIDE_COPY: Final = tuple(name for name in RECORDED_ATTRIBUTES if name not in COPIED)


class ItemTopology:
    """Originals on the items of the inventory table; no history, no names. All methods raise AwsError.

    Topology items and names of earlier versions are read, and stay as they are until there is a topology table.
    """

    keeps_names: ClassVar[bool] = False

    def __init__(self, inventory: Table) -> None:
        self._inventory = inventory
        self._kept = KeptOriginals(inventory)
        self.lineages = LineageReader(inventory)

    async def topologies(self, wanted: Wanted) -> dict[str, Item]:
        """Return the known originals by lineage ARN, each as a topology item."""
        found = await self._kept.read(wanted)
        return {lineage: record for lineage, kept in found.items() if (record := kept.record) is not None}

    async def capture(self, topologies: Sequence[Mapping[str, Any]]) -> dict[str, Item | AwsError]:
        """Return the topologies; the items of their servers, which are written after this, will have them."""
        return {str(each["pk"]): dict(each) for each in topologies}

    async def complete(self, completions: Sequence[Completion]) -> dict[str, Item | AwsError]:
        """Add what is missing to the originals on items; as `TopologyTable.complete`."""
        by_key = {each.item_key: each for each in completions}
        writes = [
            fill(key.attributes, each.found, "attribute_exists( #sourceServerArn )") for key, each in by_key.items()
        ]
        outcomes = zip(by_key.values(), await self._inventory.write_each(writes), strict=True)
        refused = {each.lineage: outcome for each, outcome in outcomes if isinstance(outcome, AwsError)}
        stored = await self.topologies({each.lineage: (key,) for key, each in by_key.items()})
        return {each.lineage: refused.get(each.lineage) or stored.get(each.lineage, {}) for each in completions}

    async def fill_origin(
        self, lineage: str, item_key: ItemKey, values_of: Callable[[Item], Mapping[str, Any]]
    ) -> Item:
        """Set what is missing of an origin on the item of its server; as `TopologyTable.fill_origin`."""
        update = CompareAndSet(
            self._inventory,
            item_key.attributes,
            unchanged=ORIGIN,
            attempts=_ATTEMPTS,
            call=Call("dynamodb", "UpdateItem", "hub", ""),
            subject=f"the origin of {lineage}",
        )
        known = (await self.topologies({lineage: (item_key,)})).get(lineage, {})
        try:
            while True:
                copy = copy_on_item(await update.read() or {}, lineage)
                topology = {**(copy or {}), **known}
                values = values_of(topology) if copy else {}
                if not values or await update.write(values):
                    return {**topology, **values}
        except WriteConflictError:
            return dict(known)

    async def add_history(
        self,
        lineage: str,  # noqa: ARG002 - no history is kept
        entry_of: Callable[[Item], Mapping[str, Any] | None],  # noqa: ARG002
    ) -> bool:
        """Write nothing."""
        return False

    async def put_name_items(self, name_items: Sequence[Item]) -> None:
        """Write nothing."""

    async def keep_originals(self, lineage: str, item_key: ItemKey) -> None:
        """Keep the originals of a server whose item is about to be removed, in a topology item of the inventory table.

        It is the one item that this class writes beside those of servers: losing the originals would be worse.
        """
        others = () if item_key.arn == lineage else (server_item_key(lineage),)
        found = (await self._kept.read({lineage: (*others, item_key)})).get(lineage)
        if found is None or found.topology is not None or found.copy is None:
            return
        if others and await self._has_originals(others[0], lineage):
            return
        attributes = {name: value for name, value in found.copy.items() if name not in topology_key(lineage)}
        await self._inventory.put_if(
            {**inventory_key(topology_key(lineage)), **attributes}, "attribute_not_exists( #sourceServerArn )"
        )

    async def _has_originals(self, item_key: ItemKey, lineage: str) -> bool:
        item = await self._inventory.get(item_key.attributes)
        return copy_on_item(item or {}, lineage) is not None

    def item_attributes(self, topology: Mapping[str, Any]) -> dict[str, Any]:
        """Return the attributes of a topology that the item of its server has beside the usual copy."""
        return {name: topology[name] for name in _BESIDE_COPY if topology.get(name) is not None}
