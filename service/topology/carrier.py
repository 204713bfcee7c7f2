"""Carrying single items of earlier versions over from the inventory table into the topology table.

Each is written to the topology table, read there again, and only then removed from the inventory table, if it has not
changed there meanwhile. So at every moment what is known can be read from at least one of the two tables, and a
process that is killed, or two at once, lose nothing: the next one finds the item and does the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from service.aws.conditional_write import put
from service.aws.dynamodb import Item
from service.aws.dynamodb_write import CompareAndSet, Table, WriteConflictError
from service.errors import AwsError
from service.models import Call
from service.topology import history
from service.topology.keys import from_inventory, inventory_key, key_of, topology_key
from service.topology.merge import is_contained, lacking, merged_history, unchanged_condition

__all__ = ["Carrier", "history_update", "put_names"]

_log: Final = logging.getLogger(__name__)
_ATTEMPTS: Final = 4


async def put_names(table: Table, found: Sequence[Item]) -> None:
    """Put name items, without a condition: each is always written with the same content. Raises AwsError.

    In transactions, which take four times as many as a batch: a server has four or five names.
    """
    # Servers of one lineage share names, and DynamoDB refuses a call that contains a key twice.
    unique = {tuple(key_of(item).values()): item for item in found}
    outcomes = await table.write_each([put(item) for item in unique.values()])
    refused = next((outcome for outcome in outcomes if isinstance(outcome, AwsError)), None)
    if refused is not None:
        raise refused


def history_update(own: Table, lineage: str) -> CompareAndSet:
    """Return the update of the history of a topology, which fails if others change it all the time."""
    return CompareAndSet(
        own,
        topology_key(lineage),
        unchanged=(history.ATTRIBUTE,),
        attempts=_ATTEMPTS,
        call=Call("dynamodb", "UpdateItem", "hub", ""),
        subject=f"the history of {lineage}",
    )


class Carrier:
    """Carries items from the inventory table into the topology table. All methods raise AwsError."""

    def __init__(self, own: Table, inventory: Table) -> None:
        self._own = own
        self._inventory = inventory

    async def topology(self, found: Item) -> Item:
        """Carry one topology item over; return what the topology table has of it then.

        It stays in the inventory table, to be carried over again, if others write it there all the time.
        """
        for _ in range(_ATTEMPTS):
            stored = await self.record(found)
            condition, values = unchanged_condition(found)
            if await self._inventory.delete_if(inventory_key(found), condition, values):
                return stored
            again = from_inventory(await self._inventory.get(inventory_key(found)) or {})
            if again is None:
                return stored  # another run has removed it
            found = again
        _log.warning("topology not removed from the inventory table", extra={"lineage": found["pk"]})
        return await self.record(found)

    async def record(self, found: Item) -> Item:
        """Write what the topology table lacks of a record, and return what it has then; a consistent read confirms it.

        Raises:
            WriteConflictError: others changed it all the time.
        """
        key = key_of(found)
        if not await self._own.put_if(found, "attribute_not_exists( #pk )"):
            missing = lacking(await self._own.get(key) or {}, found)
            if missing:
                await self._own.fill(key, missing, "attribute_exists( #pk )")
            await self._merge_history(found)
        stored = await self._own.get(key)
        if stored is None or not is_contained(found, stored):
            raise WriteConflictError(
                "TransactionConflictException",
                f"the topology of {found['pk']} was changed by others",
                Call("dynamodb", "GetItem", "hub", ""),
            )
        return stored

    async def _merge_history(self, found: Item) -> None:
        update = history_update(self._own, str(found["pk"]))
        while True:
            own = await update.read()
            if own is None or is_contained(found, own):
                return
            if await update.write({history.ATTRIBUTE: merged_history(own, found)}):
                return

    async def names(self, found: Sequence[Item]) -> None:
        """Carry name items over. Each is always written with the same content, so no condition is needed."""
        await put_names(self._own, found)
        confirmed = {tuple(key_of(item).values()) for item in await self._own.get_many(map(key_of, found))}
        await self._inventory.delete_many(
            inventory_key(item) for item in found if tuple(key_of(item).values()) in confirmed
        )
