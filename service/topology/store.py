"""What a sync needs to keep topology, with or without a table of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from service.aws.dynamodb import Item
from service.inventory.table import ItemKey
from service.topology.kept import Wanted
from service.topology.lineage import LineageReader

__all__ = ["TopologyStore"]


class TopologyStore(Protocol):
    """Keeps topology; `TopologyTable` describes the methods, `ItemTopology` is what works without a topology table."""

    keeps_names: ClassVar[bool]
    lineages: LineageReader

    async def topologies(self, wanted: Wanted) -> dict[str, Item]:
        """Return the recorded topologies by lineage ARN."""
        ...

    async def capture(self, topology: Mapping[str, Any]) -> Item:
        """Record a topology unless there is one; return the recorded one."""
        ...

    async def complete_topology(
        self,
        lineage: str,
        item_key: ItemKey,
        configuration: Mapping[str, Any],
        template: str | None,
        source_template: Mapping[str, Any] | None = None,
        *,
        settled: bool,
    ) -> Item:
        """Add details that are missing, and return the topology."""
        ...

    async def fill_origin(
        self, lineage: str, item_key: ItemKey, values_of: Callable[[Item], Mapping[str, Any]]
    ) -> Item:
        """Set the missing attributes of an origin, and return the topology; empty if nothing is recorded."""
        ...

    async def add_history(self, lineage: str, entry_of: Callable[[Item], Mapping[str, Any] | None]) -> bool:
        """Append an entry to the history of a topology; return whether something was written."""
        ...

    async def put_name_items(self, name_items: Sequence[Item]) -> None:
        """Put name items."""
        ...

    async def keep_originals(self, lineage: str, item_key: ItemKey) -> None:
        """Make sure that the originals on an item outlive it."""
        ...

    def item_attributes(self, topology: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the item of a server has of its topology beside the usual copy."""
        ...
