"""The region status table: one shared read a minute, shared by all its callers."""

from __future__ import annotations

from collections.abc import Mapping

import anyio

from service.aws.dynamodb import TableReader
from service.errors import AwsError
from service.regions.selection import StatusUnavailable
from service.regions.status_rows import RegionRow, parse_row

__all__ = ["RegionStatusReader"]


class RegionStatusReader:
    """Reads region status. Keep one per process: the cached read is shared by all its callers.

    Args:
        table: the table, None when no name is set.
        cache_s: how long one read serves.
        timeout_s: a read that takes longer counts as failed.
    """

    def __init__(self, table: TableReader | None, *, cache_s: float, timeout_s: float) -> None:
        self._table = table
        self._cache_s = cache_s
        self._timeout_s = timeout_s
        self._reading = anyio.Lock()
        self._cached: tuple[float, tuple[RegionRow, ...]] | None = None

    async def rows(self) -> tuple[RegionRow, ...] | StatusUnavailable:
        """Read every row, all pages; at most one read is under way, and it serves all callers for `cache_s` seconds.

        A table that cannot be read is no error: the answer then says why. It is not cached.
        """
        if self._table is None:
            return StatusUnavailable("DRS_REGION_STATUS_TABLE is not set")
        async with self._reading:
            if self._cached is not None and anyio.current_time() - self._cached[0] < self._cache_s:
                return self._cached[1]
            try:
                with anyio.fail_after(self._timeout_s):
                    rows = tuple([parse_row(item) async for item in self._table.scan() if _names_a_region(item)])
            except TimeoutError:
                return StatusUnavailable(f"the region status table took longer than {self._timeout_s:g} s")
            except AwsError as error:
                return StatusUnavailable(f"the region status table could not be read: {error.code}: {error.message}")
            self._cached = (anyio.current_time(), rows)
            return rows

    def invalidate(self) -> None:
        """Make the next caller read anew."""
        self._cached = None


def _names_a_region(item: Mapping[str, object]) -> bool:
    return isinstance(item.get("region"), str)
