"""Originals in the inventory table: topology items of earlier versions, and copies on items of servers. Read-only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from service.aws.dynamodb import Item, TableReader
from service.inventory.table import ItemKey
from service.topology.keys import TOPOLOGY, from_inventory, topology_key
from service.topology.merge import merged
from service.topology.original import RECORDED_ATTRIBUTES, stored_originals

__all__ = ["Kept", "KeptOriginals", "Wanted", "copy_on_item", "server_item_key"]

Wanted = Mapping[str, Collection[ItemKey]]
"""Lineages, each with the keys of inventory items that may have a copy of its originals; the first one that has counts.
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the inventory table has of one lineage.

    Attributes:
        topology: topology item of an earlier version, None if there is none.
        copy: the originals on the item of a server, as a topology item; None if there are none.
    """

    topology: Item | None = None
    copy: Item | None = None

    @property
    def record(self) -> Item | None:
        """Both in one record; the topology item takes precedence. None if neither exists."""
        if self.topology is None or self.copy is None:
            return self.topology or self.copy
        return merged(self.topology, self.copy)


def server_item_key(lineage: str) -> ItemKey:
    """Return the key of the inventory item of the server that a lineage is named by."""
    return ItemKey(lineage, (lineage.split(":") + [""] * 5)[4])


def copy_on_item(item: Mapping[str, Any], lineage: str) -> Item | None:
    """Return the originals on an item as the topology of its lineage; None unless a sync of ours wrote all of them.

    Other writers store some originals; `capture` takes these when it records the rest.
    """
    if not (item.get("lineageArn") and item.get("topologyLastUpdated")):
        return None
    recorded = {name: item[name] for name in RECORDED_ATTRIBUTES if item.get(name) is not None}
    return {**topology_key(lineage), **recorded, **stored_originals(item)}


class KeptOriginals:
    """Reads originals from the inventory table."""

    def __init__(self, inventory: TableReader) -> None:
        self._inventory = inventory

    async def read(self, wanted: Wanted) -> dict[str, Kept]:
        """Return what the table has of lineages, consistently; without those it knows nothing of. Raises AwsError."""
        keys = {ItemKey(lineage, TOPOLOGY) for lineage in wanted}
        keys |= {key for item_keys in wanted.values() for key in item_keys}
        items = await self._inventory.get_many(
            {"sourceServerArn": arn, "stagingAccountId": account} for arn, account in sorted(keys) if account
        )
        by_key = {ItemKey(item["sourceServerArn"], item["stagingAccountId"]): item for item in items}
        found = {lineage: _kept(lineage, item_keys, by_key) for lineage, item_keys in wanted.items()}
        return {lineage: kept for lineage, kept in found.items() if kept.record is not None}


def _kept(lineage: str, item_keys: Collection[ItemKey], by_key: Mapping[ItemKey, Item]) -> Kept:
    stored = by_key.get(ItemKey(lineage, TOPOLOGY))
    copies = (copy_on_item(by_key[key], lineage) for key in item_keys if key in by_key)
    return Kept(from_inventory(stored) if stored else None, next((copy for copy in copies if copy), None))
