"""Writer of the region status table: read, merge, conditional write, so that no concurrent update is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

from service.aws.attribute_values import Item
from service.aws.dynamodb_write import CompareAndSet, Table
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

__all__ = ["RegionStatusTable"]

_MAX_ATTEMPTS: Final = 20
_ROWS_AT_ONCE: Final = 8


class RegionStatusTable(RegionStatusReader):
    """Reads and writes region status."""

    def __init__(self, table: Table | None, now: Now, *, cache_s: float, timeout_s: float) -> None:
        super().__init__(table, now, cache_s=cache_s, timeout_s=timeout_s)
        self._writable = table

    async def record(
        self,
        region: str,
        observations: Iterable[Observation],
        *,
        scan_requests: Mapping[str, datetime] | None = None,
        known_accounts: KnownAccounts | None = None,
        full_scan_mark: FullScanMark | None = None,
    ) -> None:
        """Merge scan results into the row of a region, as far as they may settle it (see `admissible`).

        The write is conditional on the row being unchanged since it was read; otherwise it is repeated on the current
        row. So concurrent syncs give the same result as one after the other, in either order.

        Args:
            region: the region.
            observations: results of the scans.
            scan_requests: accounts whose scope is to be scanned, and since when.
            known_accounts: the target accounts, entries of others are removed; None when they are not known.
            full_scan_mark: begin or end of a full scan.

        Raises:
            AwsError: the row could not be read or written, or every attempt met another writer.
        """
        if self._writable is None:
            return
        all_observations = tuple(observations)
        update = _update_of(self._writable, region, "UpdateItem")
        while True:
            item = await update.read()
            stored = parse_row(item) if item else None
            known = await known_accounts.recheck(stored.accounts if stored else ()) if known_accounts else None
            row = merge(
                stored,
                region,
                admissible(stored, all_observations),
                scan_requests=scan_requests,
                all_accounts=known.accounts if known else None,
                full_scan_mark=full_scan_mark,
            )
            if await update.write(to_attributes(row, now=self._now())):
                return

    async def mark_all_checked(self) -> tuple[RegionRow, ...]:
        """Move `lastChecked` of every row to now, and change nothing else: a sync of the whole inventory has ended.

        Other readers look at one row, whichever comes first, and take its `lastChecked` as the age of the inventory.

        Returns:
            The rows as they were read.

        Raises:
            AwsError: the rows could not be read, or one could not be written; the others may be.
        """
        table = self._writable
        if table is None:
            return ()
        items = await self._items(table)
        if isinstance(items, StatusUnavailable):
            raise AwsError("RegionStatusUnavailable", items.reason, Call("dynamodb", "Scan", "hub", ""))

        async def mark(item: Item) -> None:
            await self._mark_checked(table, item)

        async with fan_out(items, mark, concurrency=_ROWS_AT_ONCE) as written:
            async for _ in written:
                pass
        self.invalidate()
        return tuple(map(parse_row, items))

    async def _mark_checked(self, table: Table, found: Item) -> None:
        """Mark a row that was just read; it is read again only where somebody has written it since."""
        update = _update_of(table, found["region"], "UpdateItem", known=found)
        while (item := await update.read()) is not None:
            now = self._now()
            if await update.write(checked_attributes(parse_row(item), checked_at=now, now=now)):
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
        unchanged=("lastUpdated",),  # every writer renews it, earlier versions too
        attempts=_MAX_ATTEMPTS,
        call=Call("dynamodb", operation, "hub", region),
        subject=f"the row of {region}",
        known=known,
    )
