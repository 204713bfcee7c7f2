"""Writer of the region status table: read, merge, conditional write, so that no concurrent update is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from service.aws.attribute_values import Item
from service.aws.conditional_write import ConditionalWrite, unchanged, update
from service.aws.dynamodb_write import CompareAndSet, Table
from service.aws.transactions import Outcome
from service.errors import AwsError
from service.fanout import fan_out
from service.models import Call, Now
from service.regions.known_accounts import KnownAccounts
from service.regions.selection import StatusUnavailable
from service.regions.status_guard import admissible
from service.regions.status_reader import RegionStatusReader
from service.regions.status_rows import (
    FullScanMark,
    Observation,
    RegionRow,
    checked_attributes,
    merge,
    parse_row,
    to_attributes,
)

__all__ = ["Recording", "RegionStatusTable"]

_MAX_ATTEMPTS: Final = 20
_ROWS_AT_ONCE: Final = 8
_UNCHANGED: Final = ("lastUpdated",)  # every writer renews it, earlier versions too
_MAX_BYTES: Final = 4096  # of a row in a transaction, where it costs twice the write units


_NewAttributes = Callable[[Item | None], Awaitable[dict[str, Any] | None]]
"""Returns the attributes to set in a row as it is, None for nothing."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What is to be merged into the row of a region.

    Attributes:
        observations: results of scans; they settle what `admissible` lets them settle.
        scan_requests: accounts whose scope is to be scanned, and since when.
        known_accounts: the target accounts, entries of others are removed; None when they are not known.
        full_scan_mark: begin or end of a full scan.
    """

    observations: Sequence[Observation] = ()
    scan_requests: Mapping[str, datetime] | None = None
    known_accounts: KnownAccounts | None = None
    full_scan_mark: FullScanMark | None = None


class RegionStatusTable(RegionStatusReader):
    """Reads and writes region status."""

    def __init__(self, table: Table | None, now: Now, *, cache_s: float, timeout_s: float) -> None:
        super().__init__(table, now, cache_s=cache_s, timeout_s=timeout_s)
        self._writable = table

    async def record(self, region: str, recording: Recording) -> None:
        """Merge a recording into the row of a region.

        The write is conditional on the row being unchanged since it was read; otherwise it is repeated on the current
        row. So concurrent syncs give the same result as one after the other, in either order.

        Raises:
            AwsError: the row could not be read or written, or every attempt met another writer.
        """
        if self._writable is not None:
            await self._rewrite(self._writable, region, self._merging(region, recording))

    async def record_all(self, recordings: Mapping[str, Recording]) -> dict[str, AwsError]:
        """Merge recordings into the rows of several regions, as `record` does, in as few calls as possible.

        Returns:
            The regions whose rows could not be written, with the error.

        Raises:
            AwsError: the rows could not be read; nothing was written.
        """
        table = self._writable
        if table is None or not recordings:
            return {}
        found: dict[str, Item | None] = dict.fromkeys(recordings)
        if len(found) == 1:
            found = {region: await table.get({"region": region}) for region in found}
        else:
            found |= {item["region"]: item for item in await table.get_many({"region": each} for each in recordings)}
        return await self._rewrite_all(
            table, found, {region: self._merging(region, each) for region, each in recordings.items()}
        )

    async def mark_all_checked(self) -> tuple[RegionRow, ...]:
        """Move `lastChecked` of every row to now, and change nothing else: a sync of the whole inventory has ended.

        Other readers look at one row, whichever comes first, and take its `lastChecked` as the age of the inventory.

        Returns:
            The rows as they were read.

        Raises:
            AwsError: the rows could not be read, or one could not be written; the others are.
        """
        table = self._writable
        if table is None:
            return ()
        items = await self._items(table)
        if isinstance(items, StatusUnavailable):
            raise AwsError("RegionStatusUnavailable", items.reason, Call("dynamodb", "Scan", "hub", ""))
        found: dict[str, Item | None] = {item["region"]: item for item in items}
        refused = await self._rewrite_all(table, found, dict.fromkeys(found, self._marked))
        self.invalidate()
        for error in refused.values():
            raise error
        return tuple(map(parse_row, items))

    async def _marked(self, item: Item | None) -> dict[str, Any] | None:
        """Return what marks a row as checked; nothing for one that has been removed."""
        now = self._now()
        return checked_attributes(parse_row(item), checked_at=now, now=now) if item is not None else None

    def _merging(self, region: str, recording: Recording) -> _NewAttributes:
        async def merged(item: Item | None) -> dict[str, Any]:
            stored = parse_row(item) if item else None
            known = recording.known_accounts
            rechecked = await known.recheck(stored.accounts if stored else ()) if known else None
            row = merge(
                stored,
                region,
                admissible(stored, recording.observations),
                scan_requests=recording.scan_requests,
                all_accounts=rechecked.accounts if rechecked else None,
                full_scan_mark=recording.full_scan_mark,
            )
            return to_attributes(row, now=self._now())

        return merged

    async def _rewrite_all(
        self, table: Table, found: Mapping[str, Item | None], changes: Mapping[str, _NewAttributes]
    ) -> dict[str, AwsError]:
        """Change rows that were just read: small ones in one call, large ones, and those written since, one by one."""
        small: dict[str, ConditionalWrite] = {}
        for region, item in found.items():
            if not _is_small(item or {}):
                continue  # what changes is found out where it is written
            attributes = await changes[region](item)
            if attributes is not None and _is_small(attributes):
                key = {"region": region}
                small[region] = update(key, attributes, *unchanged(key, item, _UNCHANGED))
        outcomes: dict[str, Outcome] = {}
        try:
            outcomes = dict(zip(small, await table.write_each([*small.values()]), strict=True))
        except AwsError as error:
            outcomes = dict.fromkeys(small, error)
        refused = {region: outcome for region, outcome in outcomes.items() if isinstance(outcome, AwsError)}

        async def rewrite(region: str) -> None:
            known = found[region] if region not in small else None
            try:
                await self._rewrite(table, region, changes[region], known=known)
            except AwsError as error:
                refused[region] = error

        rest = [region for region in found if outcomes.get(region, False) is False]
        async with fan_out(rest, rewrite, concurrency=_ROWS_AT_ONCE) as written:
            async for _ in written:
                pass
        return refused

    async def _rewrite(self, table: Table, region: str, change: _NewAttributes, *, known: Item | None = None) -> None:
        """Change a row as long as others change it meanwhile; nothing if there is nothing to change any more."""
        update_of_row = _update_of(table, region, "UpdateItem", known=known)
        while (attributes := await change(await update_of_row.read())) is not None:
            if await update_of_row.write(attributes):
                return

    async def drop(self, region: str, may_drop: Callable[[RegionRow], bool]) -> bool:
        """Delete the row of a region; return False if `may_drop` refuses it as it is now. A missing row is no error.

        Raises:
            AwsError: the row could not be read or deleted, or every attempt met another writer.
        """
        if self._writable is None:
            return True
        update = _update_of(self._writable, region, "DeleteItem")
        while (item := await update.read()) is not None:
            if not may_drop(parse_row(item)):
                return False
            if await update.delete():
                break
        self.invalidate()
        return True


def _update_of(table: Table, region: str, operation: str, *, known: Item | None = None) -> CompareAndSet:
    return CompareAndSet(
        table,
        {"region": region},
        unchanged=_UNCHANGED,
        attempts=_MAX_ATTEMPTS,
        call=Call("dynamodb", operation, "hub", region),
        subject=f"the row of {region}",
        known=known,
    )


def _is_small(attributes: Mapping[str, Any]) -> bool:
    return len(orjson.dumps(attributes, default=str, option=orjson.OPT_NON_STR_KEYS)) <= _MAX_BYTES
