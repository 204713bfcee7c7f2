"""Carrying everything over that earlier versions left in the inventory table, a bounded number of pages at a time.

The position is kept in the topology table after each page that was carried over completely. So a run that is killed, or
two at once, repeat at most a page; no page is passed over.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from service.aws.dynamodb import Item
from service.aws.dynamodb_write import Table
from service.errors import AwsError
from service.fanout import fan_out
from service.models import Now, iso, parse_iso
from service.topology.carrier import Carrier
from service.topology.keys import CARRY_OVER, IN_INVENTORY, TOPOLOGY, from_inventory, is_topology

__all__ = ["CarryOver"]

_log: Final = logging.getLogger(__name__)
_CARRIED_AT_ONCE: Final = 8
_STAGING_INDEX: Final = "StagingAccountIndex"
_MAX_LEFT: Final = 200  # per run


@dataclass(frozen=True, slots=True)
class _State:
    """How far the inventory table was searched: key of the last page, and when the last page was done."""

    position: Mapping[str, Any] | None = None
    done_at: datetime | None = None


class CarryOver:
    """Searches the inventory table for items of earlier versions. All methods raise AwsError."""

    def __init__(self, own: Table, inventory: Table, now: Now) -> None:
        self._own = own
        self._inventory = inventory
        self._now = now
        self._carrier = Carrier(own, inventory)

    async def run(self, *, pages: int, has_carried: bool = False) -> int:
        """Carry over what is on the next pages; nothing once the whole table was searched.

        A version that runs beside this one may write such items later, and so does a run that cannot use the topology
        table. So topology items that an index shows are carried over by each run, and the search starts again when a
        run has carried one over.

        Args:
            pages: maximum number of pages to read.
            has_carried: this run has carried over an item that a scan needed.

        Returns:
            How many items were carried over.
        """
        state = await self._state()
        if state.done_at is not None:
            if not await self._carry_left() and not has_carried:
                return 0
            state = _State()
        carried = 0
        for _ in range(pages):
            condition, values = IN_INVENTORY
            found, position = await self._inventory.scan_page(condition, values, start=state.position)
            items = [item for each in found if (item := from_inventory(each)) is not None]
            await self._carry(items)
            carried += len(items)
            state = _State(position, None if position else self._now())
            await self._store(state)
            if position is None:
                break
        if carried or state.done_at:
            _log.info("topology carried over", extra={"items": carried, "done": state.done_at is not None})
        return carried

    async def _carry_left(self) -> bool:
        """Carry over topology items that the index shows, up to a maximum; return whether there were any."""
        items: list[Item] = []
        async for item in self._inventory.query("#stagingAccountId = :kind", {"kind": TOPOLOGY}, index=_STAGING_INDEX):
            found = from_inventory(item)
            items += [found] if found is not None else []
            if len(items) >= _MAX_LEFT:
                break
        return await self._carry_topologies(items)

    async def _carry(self, items: Sequence[Item]) -> None:
        names = [item for item in items if not is_topology(item)]
        if names:
            await self._carrier.names(names)
        await self._carry_topologies([item for item in items if is_topology(item)])

    async def _carry_topologies(self, topologies: Sequence[Item]) -> bool:
        """Carry topology items over; return whether any was."""
        async with fan_out(topologies, self._carry_topology, concurrency=_CARRIED_AT_ONCE) as done:
            return any([carried async for carried in done])

    async def _carry_topology(self, item: Item) -> bool:
        """Carry one topology item over; return whether DynamoDB takes it."""
        try:
            await self._carrier.topology(item)
        except AwsError as error:
            if error.code != "ValidationException":
                raise
            # DynamoDB refuses this one item whenever it is sent; it stays where it is, and is read there.
            _log.warning("topology not carried over", extra={"lineage": item["pk"], "why": error.message})
            return False
        return True

    async def _state(self) -> _State:
        item = await self._own.get(CARRY_OVER) or {}
        if item.get("table") != self._inventory.name:  # another inventory table has to be searched from its begin
            return _State()
        position = item.get("position")
        is_key = isinstance(position, Mapping) and all(isinstance(each, str) for each in position.values())
        return _State(position if is_key else None, parse_iso(item.get("doneAt")))

    async def _store(self, state: _State) -> None:
        done_at = iso(state.done_at) if state.done_at else None
        item = {**CARRY_OVER, "table": self._inventory.name, "position": state.position, "doneAt": done_at}
        await self._own.put_many([item])
