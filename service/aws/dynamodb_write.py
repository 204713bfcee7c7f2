"""DynamoDB writes: batches, conditional writes, optimistic locking. The query side is forbidden to import them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import anyio

from service.aws import conditional_write
from service.aws.attribute_values import Item, decode, encode
from service.aws.conditional_write import ConditionalWrite
from service.aws.dynamodb import TableReader
from service.aws.transactions import Outcome, write_each, write_one
from service.errors import AwsError
from service.models import Call

__all__ = ["CompareAndSet", "Table", "WriteConflictError"]

_BATCH_WRITE: Final = 25  # BatchWriteItem's own limit
_CONFLICT_BACKOFF_S: Final = 0.02
_MAX_CONFLICT_BACKOFF_S: Final = 1.0


class WriteConflictError(AwsError):
    """Another writer changed the item between each read and the write that followed it."""


class Table(TableReader):
    """Reads and writes of one table in the hub. All methods raise AwsError."""

    async def put_many(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Put whole items in batches of 25; unprocessed items are sent again with backoff.

        Raises:
            AwsError: some items could not be written; the others were.
        """
        await self._write_many([{"PutRequest": {"Item": encode(item)}} for item in items])

    async def delete_many(self, keys: Iterable[Mapping[str, Any]]) -> None:
        """Delete items in batches of 25; those that do not exist are no error.

        Raises:
            AwsError: some items could not be deleted; the others were.
        """
        await self._write_many([{"DeleteRequest": {"Key": encode(key)}} for key in keys])

    async def _write_many(self, pending: list[dict[str, Any]]) -> None:
        rounds = 0
        while pending:
            chunk, pending = pending[:_BATCH_WRITE], pending[_BATCH_WRITE:]
            response = await self.call("BatchWriteItem", {"RequestItems": {self.name: chunk}}, named=False)
            unprocessed = self.unprocessed("BatchWriteItem", response, "UnprocessedItems")
            if unprocessed:
                rounds = await self.next_round("BatchWriteItem", 0 if len(unprocessed) < len(chunk) else rounds)
                pending = [*unprocessed, *pending]

    async def put_if(self, item: Mapping[str, Any], condition: str, values: Mapping[str, Any] | None = None) -> bool:
        """Put an item if a condition holds; return whether it did."""
        return await write_one(self, conditional_write.put(item, condition, values)) is not None

    async def delete_if(self, key: Mapping[str, Any], condition: str, values: Mapping[str, Any]) -> bool:
        """Delete an item if a condition holds; return whether it did."""
        return await write_one(self, conditional_write.delete(key, condition, values)) is not None

    async def update_if(
        self, key: Mapping[str, Any], assign: Mapping[str, Any], condition: str, values: Mapping[str, Any] | None = None
    ) -> bool:
        """Set attributes of an item (None removes one) if a condition holds; return whether it did."""
        return await write_one(self, conditional_write.update(key, assign, condition, values)) is not None

    async def advance(
        self,
        key: Mapping[str, Any],
        assign: Mapping[str, Any],
        counter: str,
        condition: str,
        values: Mapping[str, Any],
        *,
        base: int,
    ) -> int | None:
        """Set attributes as `update_if` does, and increment the number `counter`, which starts at `base`.

        Returns:
            The new number; None if the condition did not hold.
        """
        response = await write_one(self, conditional_write.advance(key, assign, counter, condition, values, base=base))
        if response is None:
            return None
        try:
            return int(decode(response["Attributes"])[counter])
        except (AttributeError, LookupError, TypeError, ValueError):
            raise self.malformed("UpdateItem", f"response is missing the new {counter}") from None

    async def fill(self, key: Mapping[str, Any], assign: Mapping[str, Any], condition: str) -> bool:
        """Set only those attributes that the item does not have yet, if a condition holds; return whether it did."""
        return await write_one(self, conditional_write.fill(key, assign, condition)) is not None

    async def write_each(self, writes: Sequence[ConditionalWrite]) -> list[Outcome]:
        """Carry out writes of different items, up to 100 in one call; one that is refused does not keep the others.

        Returns:
            For each write True; False if its condition did not hold; the error if DynamoDB refuses this item whenever
            it is sent, such as one above 400 KB.

        Raises:
            AwsError: some could not be written; others may be.
        """
        return await write_each(self, writes)


class CompareAndSet:
    """Optimistic locking: read an item, and write it only if nobody changed it since; else do it again.

    A loop of `await read()` and `await write(...)`, left when a write succeeds or when there is nothing to write:

        while True:
            item = await update.read()
            if await update.write(changed(item)):
                break

    Args:
        table: the table of the item.
        key: the item's key.
        unchanged: attributes that must still have the value that was read, or still be missing.
        attempts: reads before it fails.
        call: operation, account and region that the error names.
        subject: the item in words, for the error's text.
        known: the item as it was just read, which saves the first read.
    """

    def __init__(
        self,
        table: Table,
        key: Mapping[str, Any],
        *,
        unchanged: Sequence[str],
        attempts: int,
        call: Call,
        subject: str,
        known: Item | None = None,
    ) -> None:
        self._table = table
        self._key = key
        self._unchanged = unchanged
        self._attempts = attempts
        self._call = call
        self._subject = subject
        self._reads = 0
        self._known = known
        self._item: Item | None = None

    async def read(self) -> Item | None:
        """Read the item, consistently; None when there is none. From the second read on, after a backoff with jitter.

        Raises:
            AwsError: the item could not be read.
            WriteConflictError: it was changed between read and write in every attempt.
        """
        if self._reads >= self._attempts:
            raise WriteConflictError(
                "TransactionConflictException",
                f"{self._subject} was written by others {self._attempts} times in a row",
                self._call,
            )
        if self._reads:
            limit_s = min(_MAX_CONFLICT_BACKOFF_S, _CONFLICT_BACKOFF_S * 2 ** (self._reads - 1))
            await anyio.sleep(random.uniform(0, limit_s))  # noqa: S311 - jitter, not a secret
        self._reads += 1
        self._item = self._known or await self._table.get(self._key)
        self._known = None
        return self._item

    async def write(self, attributes: Mapping[str, Any]) -> bool:
        """Set attributes (None removes one) if the item is as it was read; return whether it was. Raises AwsError."""
        return await self._table.update_if(self._key, attributes, *self._is_unchanged())

    async def delete(self) -> bool:
        """Delete the item if it is as it was read; return whether it was. Raises AwsError."""
        return await self._table.delete_if(self._key, *self._is_unchanged())

    def _is_unchanged(self) -> tuple[str, dict[str, Any]]:
        """Return the condition that the item is as it was read, with the values in it."""
        return conditional_write.unchanged(self._key, self._item, self._unchanged)
