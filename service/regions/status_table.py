"""The region status table: one shared read a minute, and writes that lose nobody's update."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import anyio

from service.aws.dynamodb import Table
from service.errors import AwsError
from service.models import Call, Now
from service.regions.choose import Unreadable
from service.regions.rows import Note, RegionRow, Sweep, fold, parse_row, to_attributes

__all__ = ["RegionStatusTable"]

_MOST_ROUNDS: Final = 20


class RegionStatusTable:
    """Reads and writes region status. Keep one per process: the cached read is shared by all its callers.

    Args:
        table: the table, None when no name is set.
        now: the wall clock.
        cache_s: how long one read serves.
        timeout_s: a read that takes longer counts as failed.
    """

    def __init__(self, table: Table | None, now: Now, *, cache_s: float, timeout_s: float) -> None:
        self._table = table
        self._now = now
        self._cache_s = cache_s
        self._timeout_s = timeout_s
        self._reading = anyio.Lock()
        self._cached: tuple[float, tuple[RegionRow, ...]] | None = None

    async def rows(self) -> tuple[RegionRow, ...] | Unreadable:
        """Read every row, all pages; at most one read is under way, and it serves all callers for `cache_s` seconds.

        A table that cannot be read is no error: the answer then says why. It is not cached.
        """
        if self._table is None:
            return Unreadable("DRS_REGION_STATUS_TABLE is not set")
        async with self._reading:
            if self._cached is not None and anyio.current_time() - self._cached[0] < self._cache_s:
                return self._cached[1]
            try:
                with anyio.fail_after(self._timeout_s):
                    rows = tuple([parse_row(item) async for item in self._table.scan() if _names_a_region(item)])
            except TimeoutError:
                return Unreadable(f"the region status table took longer than {self._timeout_s:g} s")
            except AwsError as error:
                return Unreadable(f"the region status table could not be read: {error.code}: {error.message}")
            self._cached = (anyio.current_time(), rows)
            return rows

    def invalidate(self) -> None:
        """Make the next caller read anew."""
        self._cached = None

    async def record(
        self,
        region: str,
        notes: Iterable[Note],
        *,
        requests: Mapping[str, datetime] | None = None,
        known_accounts: frozenset[str] | None = None,
        sweep: Sweep | None = None,
    ) -> None:
        """Fold looks into a region's row.

        The write holds only if nobody wrote since the read; else it is done again on what is there now. So two syncs at
        once end as one would, in whatever order they come.

        Raises:
            AwsError: the row could not be read or written, or was contended for too long.
        """
        if self._table is None:
            return
        folded = tuple(notes)
        for attempt in range(_MOST_ROUNDS):
            item = await self._table.get({"region": region})
            held = parse_row(item) if item else None
            row = fold(held, region, folded, requests=requests, known_accounts=known_accounts, sweep=sweep)
            condition, values = _unchanged(item)
            attributes = to_attributes(row, now=self._now())
            if await self._table.update_if({"region": region}, attributes, condition, values):
                return
            await anyio.sleep(random.uniform(0, min(1.0, 0.02 * 2**attempt)))  # noqa: S311 - jitter
        raise AwsError(
            "TransactionConflictException",
            f"the row of {region} was written by others {_MOST_ROUNDS} times in a row",
            Call("dynamodb", "UpdateItem", "hub", region),
        )


def _names_a_region(item: Mapping[str, object]) -> bool:
    return isinstance(item.get("region"), str)


def _unchanged(item: Mapping[str, object] | None) -> tuple[str, dict[str, object]]:
    """Say in DynamoDB's words that the row is still what was read: every writer, old ones too, renews its time."""
    if item is None:
        return "attribute_not_exists(#region)", {}
    if item.get("lastUpdated") is None:
        return "attribute_not_exists(#lastUpdated)", {}
    return "#lastUpdated = :held", {"held": item["lastUpdated"]}
