"""Target accounts table: single records, and changes to their staging accounts.

Records have other writers too, so every change is a compare-and-set of the lists it changes, and unknown members are
kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import anyio

from service.accounts.records import staging_records
from service.accounts.staging import StagingChange, StagingRecords
from service.aws.dynamodb import Item
from service.aws.dynamodb_write import Table
from service.errors import AwsError, RefusalError
from service.models import Call, iso

__all__ = ["TargetAccountsTable"]

_MAX_ROUNDS: Final = 10


class TargetAccountsTable:
    """Reads single records and changes their staging accounts."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def get(self, account_id: str) -> Item | None:
        """Return the record of a target account, None when there is none. Raises AwsError."""
        return await self._table.get({"accountId": account_id})

    async def change_staging(self, account_id: str, change: StagingChange, *, now: datetime) -> Sequence[Item]:
        """Change the staging accounts of a target account, and return them as stored.

        `change` is called again when another writer came first. Nothing is written when it returns what it was given.

        Raises:
            RefusalError: there is no such target account, or `change` raised it.
            AwsError: the table could not be read or written, or every attempt met another writer.
        """
        wanted: tuple[StagingRecords, StagingRecords] | None = None
        for attempt in range(_MAX_ROUNDS):
            item = await self.get(account_id)
            if item is None:
                raise RefusalError(
                    "TARGET_ACCOUNT_NOT_FOUND", f"there is no target account {account_id}; add it first", status=404
                )
            held = (staging_records(item), staging_records(item, "removedStagingAccounts"))
            if held == wanted:  # our write succeeded, but its response was lost and the retry failed the condition
                return held[0]
            wanted = change([*held[0]], [*held[1]])
            if wanted == held or await self._put(account_id, item, *wanted, now):
                return wanted[0]
            await anyio.sleep(min(1.0, 0.02 * 2**attempt))
        raise AwsError(
            "TransactionConflictException",
            f"the record of {account_id} was written by others {_MAX_ROUNDS} times in a row",
            Call("dynamodb", "UpdateItem", account_id, ""),
        )

    async def _put(
        self, account_id: str, held: Mapping[str, Any], wanted: StagingRecords, gone: StagingRecords, now: datetime
    ) -> bool:
        parts, values = [], {}
        for name, label in (("stagingAccounts", "held"), ("removedStagingAccounts", "gone")):
            if name in held:
                parts.append(f"#{name} = :{label}")
                values[label] = held[name]
            else:
                parts.append(f"attribute_not_exists( #{name} )")
        assign = {"stagingAccounts": wanted, "removedStagingAccounts": gone or None, "updatedAt": iso(now)}
        return await self._table.update_if(
            {"accountId": account_id}, assign, " AND ".join(["attribute_exists( #accountId )", *parts]), values
        )
