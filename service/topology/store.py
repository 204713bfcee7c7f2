"""What a sync needs to keep topology, with or without a table of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from service.aws.dynamodb import Item
from service.errors import AwsError
from service.inventory.table import ItemKey
from service.topology.kept import Wanted
from service.topology.lineage import LineageReader

__all__ = ["Completion", "TopologyStore"]


@dataclass(frozen=True, slots=True)
class Completion:
    """What a read found that a topology lacks.

    Attributes:
        lineage: ARN of the lineage.
        item_key: key of the inventory item of the server.
        found: attributes of the topology, at least one; those that it has already keep their values.
    """

    lineage: str
    item_key: ItemKey
    found: Mapping[str, Any]


class TopologyStore(Protocol):
    """Keeps topology; `TopologyTable` describes the methods, `ItemTopology` is what works without a topology table."""

    keeps_names: ClassVar[bool]
    lineages: LineageReader

    async def topologies(self, wanted: Wanted) -> dict[str, Item]:
        """Return the recorded topologies by lineage ARN."""
        ...

    async def capture(self, topologies: Sequence[Mapping[str, Any]]) -> dict[str, Item | AwsError]:
        """Record topologies, each unless there is one; return the recorded one, or why it was refused, by lineage."""
        ...

    async def complete(self, completions: Sequence[Completion]) -> dict[str, Item | AwsError]:
        """Add what is missing; return the topology, or why the addition was refused, by lineage."""
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
