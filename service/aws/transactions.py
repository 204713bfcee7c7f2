"""Conditional writes of many items in few calls: transactions of which each refused write costs only itself.

TransactWriteItems is the one operation of DynamoDB that takes many writes with conditions. It carries out all of them
or none, and costs twice the write units. Here the writes have nothing to do with each other, so those that were not
refused are sent again without the refused ones. BatchWriteItem has no conditions and takes 25; the PartiQL statements
that have some take 25 too, and a permission of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import anyio

from service.aws.conditional_write import ConditionalWrite
from service.aws.dynamodb import TableReader
from service.errors import AwsError, CancellationReason
from service.fanout import fan_out
from service.models import Call

__all__ = ["Outcome", "write_each", "write_one"]

Outcome = bool | AwsError
"""What came of a write: whether its condition held, or the error with which DynamoDB refuses it whenever it is sent."""

_WRITES_PER_CALL: Final = 100  # TransactWriteItems' own limit
_CALLS_AT_ONCE: Final = 4
_MAX_ROUNDS: Final = 8
_BACKOFF_S: Final = 0.05
_MAX_BACKOFF_S: Final = 2.0
_OPERATION: Final = "TransactWriteItems"
_REFUSED: Final = "ConditionalCheckFailedException"
_CANCELLED: Final = "TransactionCanceledException"
_INVALID: Final = "ValidationException"
_INVALID_ITEM: Final = frozenset({"ValidationError", "ItemCollectionSizeLimitExceeded"})


async def write_one(table: TableReader, write: ConditionalWrite) -> Mapping[str, Any] | None:
    """Carry out one write; return the response, or None if its condition did not hold. Raises AwsError."""
    try:
        return await table.call(write.operation, write.params)
    except AwsError as error:
        if error.code == _REFUSED:
            return None
        raise


async def write_each(table: TableReader, writes: Sequence[ConditionalWrite]) -> list[Outcome]:
    """Carry out writes of different items of a table; return what came of each, in their order.

    Raises:
        AwsError: some could not be written; others may be.
    """
    outcomes: dict[int, Outcome] = {}
    numbers = range(len(writes))
    chunks = [numbers[start : start + _WRITES_PER_CALL] for start in numbers[::_WRITES_PER_CALL]]

    async def write_chunk(chunk: Sequence[int]) -> dict[int, Outcome]:
        return await _Chunk(table, {number: writes[number] for number in chunk}).write()

    async with fan_out(chunks, write_chunk, concurrency=_CALLS_AT_ONCE) as done:
        async for found in done:
            outcomes |= found
    return [outcomes[number] for number in numbers]


class _Chunk:
    """The writes of one call, and of those that follow when it is cancelled."""

    def __init__(self, table: TableReader, writes: dict[int, ConditionalWrite]) -> None:
        self._table = table
        self._writes = writes
        self._outcomes: dict[int, Outcome] = {}
        self._rounds = 0

    async def write(self) -> dict[int, Outcome]:
        parts = [list(self._writes)]
        while parts:
            part = parts.pop()
            if len(part) == 1:
                self._outcomes[part[0]] = await self._write_alone(self._writes[part[0]])
                continue
            try:
                entries = [self._writes[number].in_transaction(self._table.name) for number in part]
                await self._table.call(_OPERATION, {"TransactItems": entries}, named=False)
            except AwsError as error:
                if error.code == _CANCELLED:
                    parts += await self._without_refused(part, error)
                elif error.code == _INVALID:  # about one of them, or the size of all
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]
                else:
                    raise
            else:
                self._outcomes.update(dict.fromkeys(part, True))
        return self._outcomes

    async def _write_alone(self, write: ConditionalWrite) -> Outcome:
        """Carry out one write by itself, which costs half of what it does in a transaction."""
        try:
            return await write_one(self._table, write) is not None
        except AwsError as error:
            if error.code == _INVALID:
                return error
            raise

    async def _without_refused(self, part: Sequence[int], error: AwsError) -> list[list[int]]:
        """Note what came of the writes that were refused for good; return the others, to be sent again.

        Raises:
            AwsError: eight calls in a row were cancelled because of other writers, or of the table's capacity.
        """
        reasons = error.reasons
        if len(reasons) != len(part):
            reasons = (CancellationReason(),) * len(part)
        refused = {
            number: outcome
            for number, reason in zip(part, reasons, strict=True)
            if (outcome := _refusal(reason, error.call)) is not None
        }
        self._outcomes |= refused
        rest = [number for number in part if number not in refused]
        if not refused:
            await self._next_round(error)
        return [rest] if rest else []

    async def _next_round(self, error: AwsError) -> None:
        if self._rounds >= _MAX_ROUNDS:
            codes = ", ".join(sorted({reason.code for reason in error.reasons if reason.code})) or "no reason given"
            message = f"table {self._table.name} cancelled {_MAX_ROUNDS + 1} transactions in a row: {codes}"
            raise AwsError("TransactionConflictException", message, error.call)
        await anyio.sleep(min(_MAX_BACKOFF_S, _BACKOFF_S * 2**self._rounds))
        self._rounds += 1


def _refusal(reason: CancellationReason, call: Call) -> Outcome | None:
    """Return what came of a write that was refused for good; None for one that can be sent again."""
    if reason.code == "ConditionalCheckFailed":
        return False
    return AwsError(_INVALID, reason.message, call) if reason.code in _INVALID_ITEM else None
