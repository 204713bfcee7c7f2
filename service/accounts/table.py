"""Target accounts table: single records, added and removed, and changes to their staging accounts.

Records have other writers too, so every change is a compare-and-set of the lists it changes, and unknown members are
kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from service.accounts.records import staging_records
from service.accounts.registration import add_fix
from service.accounts.staging import StagingChange, StagingRecords
from service.aws.dynamodb import Item
from service.aws.dynamodb_write import CompareAndSet, Table
from service.errors import RefusalError
from service.models import Call, iso

__all__ = ["TargetAccountsTable"]

_MAX_ATTEMPTS: Final = 10


class TargetAccountsTable:
    """Reads, adds and removes single records, and changes their staging accounts."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def get(self, account_id: str) -> Item | None:
        """Return the record of a target account, None when there is none. Raises AwsError."""
        return await self._table.get({"accountId": account_id})

    async def add(self, record: Item) -> None:
        """Add the record of a target account that has none.

        Raises:
            RefusalError: the account has a record; it stays as it is.
            AwsError: the table could not be read or written.
        """
        account_id = str(record["accountId"])
        if await self._table.put_if(record, "attribute_not_exists( #accountId )"):
            return
        # The response of a write that succeeded may have been lost; its retry then finds the own record.
        if await self.get(account_id) != record:
            raise RefusalError(
                "TARGET_ACCOUNT_EXISTS",
                f"{account_id} is a target account already. Fix: to change its record, remove it first: "
                f"drs-sync accounts remove {account_id}",
                status=409,
            )

    async def remove(self, account_id: str) -> Item:
        """Remove a record, and return it as it was.

        Raises:
            RefusalError: there is none.
            AwsError: the table could not be read or written.
        """
        record = await self.get(account_id)
        if record is None:
            raise RefusalError("TARGET_ACCOUNT_NOT_FOUND", f"there is no target account {account_id}", status=404)
        await self._table.delete_many([{"accountId": account_id}])
        return record

    async def change_staging(self, account_id: str, change: StagingChange, *, now: datetime) -> Sequence[Item]:
        """Change the staging accounts of a target account, and return them as stored.

        `change` is called again when another writer came first. Nothing is written when it returns what it was given.

        Raises:
            RefusalError: there is no such target account, or `change` raised it.
            AwsError: the table could not be read or written, or every attempt met another writer.
        """
        update = CompareAndSet(
            self._table,
            {"accountId": account_id},
            unchanged=("stagingAccounts", "removedStagingAccounts"),
            attempts=_MAX_ATTEMPTS,
            call=Call("dynamodb", "UpdateItem", account_id, ""),
            subject=f"the record of {account_id}",
        )
        wanted: tuple[StagingRecords, StagingRecords] | None = None
        while True:
            item = await update.read()
            if item is None:
                raise RefusalError(
                    "TARGET_ACCOUNT_NOT_FOUND",
                    f"there is no target account {account_id}. {add_fix(account_id)}",
                    status=404,
                )
            current = (staging_records(item), staging_records(item, "removedStagingAccounts"))
            if current == wanted:  # the last write succeeded but its response was lost, and its retry met a conflict
                return current[0]
            wanted = change([*current[0]], [*current[1]])
            attributes = {"stagingAccounts": wanted[0], "removedStagingAccounts": wanted[1] or None}
            if wanted == current or await update.write({**attributes, "updatedAt": iso(now)}):
                return wanted[0]
