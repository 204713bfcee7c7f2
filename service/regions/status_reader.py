"""Reader of the region status table, with a cache that all callers share."""

from __future__ import annotations

import anyio

from service.aws.attribute_values import Item
from service.aws.dynamodb import TableReader
from service.errors import AwsError
from service.models import Now, Scope
from service.regions.selection import StatusUnavailable
from service.regions.status_entry import AccountEntry
from service.regions.status_rows import RegionRow, parse_entry_in, parse_row
from service.tenure import Tenure

__all__ = ["RegionStatusReader"]


class RegionStatusReader:
    """Reads and caches region status. Create one per process, so that all callers share the cache.

    Nothing tells one process that another has written: what it caches is older than the table for `cache_s` at most.

    Args:
        table: the table, None when its name is not set.
        now: wall clock; a function that Lambda has frozen sees by it how old its cache is.
        cache_s: seconds that the rows stay cached, counted from the begin of the read.
        timeout_s: seconds after which a read counts as failed.
    """

    def __init__(self, table: TableReader | None, now: Now, *, cache_s: float, timeout_s: float) -> None:
        self._table = table
        self._now = now
        self._cache_s = cache_s
        self._timeout_s = timeout_s
        self._read_lock = anyio.Lock()
        self._cached: tuple[Tenure, tuple[RegionRow, ...]] | None = None
        self._invalidations = 0

    async def rows(self) -> tuple[RegionRow, ...] | StatusUnavailable:
        """Read every row, all pages. Concurrent callers share one read, and its result is cached for `cache_s` seconds.

        A failed read raises nothing: it returns the reason, which is not cached.
        """
        if self._table is None:
            return StatusUnavailable("DRS_REGION_STATUS_TABLE is not set")
        async with self._read_lock:
            if self._cached is not None and self._cached[0].is_sure:
                return self._cached[1]
            tenure, invalidations = Tenure(self._cache_s, self._now), self._invalidations
            items = await self._items(self._table)
            if isinstance(items, StatusUnavailable):
                return items
            rows = tuple(map(parse_row, items))
            if invalidations == self._invalidations:  # otherwise a page may have been read before what was written
                self._cached = (tenure, rows)
            return rows

    async def entry(self, scope: Scope) -> AccountEntry | None:
        """Read the entry of a scope as it is now, past the cache; None when there is none. Raises AwsError."""
        if self._table is None:
            return None
        item = await self._table.get({"region": scope.region})
        return parse_entry_in(item, scope.account_id) if item else None

    def invalidate(self) -> None:
        """Drop the cached rows, so that the next caller reads the table."""
        self._cached = None
        self._invalidations += 1

    async def _items(self, table: TableReader) -> list[Item] | StatusUnavailable:
        """Read every item, past the cache. One without its key is no row: without it, its servers would look gone."""
        try:
            with anyio.fail_after(self._timeout_s):
                items = [item async for item in table.scan()]
            if not all(isinstance(item.get("region"), str) for item in items):
                raise table.malformed("Scan", "an item is missing region")
        except TimeoutError:
            return StatusUnavailable(f"the region status table took longer than {self._timeout_s:g} s")
        except AwsError as error:
            return StatusUnavailable(f"the region status table could not be read: {error.code}: {error.message}")
        return items
