"""Writes to the region status table, which lose nobody's update."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from service.aws.dynamodb_write import CompareAndSet, Table
from service.models import Call, Now
from service.regions.known_accounts import KnownAccounts
from service.regions.status_reader import RegionStatusReader
from service.regions.status_rows import FullScanMark, Observation, merge, parse_row, to_attributes

__all__ = ["RegionStatusTable"]

_MAX_ATTEMPTS: Final = 20


class RegionStatusTable(RegionStatusReader):
    """Reads and writes region status."""

    def __init__(self, table: Table | None, now: Now, *, cache_s: float, timeout_s: float) -> None:
        super().__init__(table, cache_s=cache_s, timeout_s=timeout_s)
        self._writable = table
        self._now = now

    async def record(
        self,
        region: str,
        observations: Iterable[Observation],
        *,
        requests: Mapping[str, datetime] | None = None,
        known_accounts: KnownAccounts | None = None,
        full_scan_mark: FullScanMark | None = None,
    ) -> None:
        """Fold looks into a region's row.

        The write holds only if nobody wrote since the read; else it is done again on what is there now. So two syncs at
        once end as one would, in whatever order they come.

        Raises:
            AwsError: the row could not be read or written, or was contended for too long.
        """
        if self._writable is None:
            return
        folded = tuple(observations)
        update = CompareAndSet(
            self._writable,
            {"region": region},
            unchanged=("lastUpdated",),  # every writer renews it, earlier versions too
            attempts=_MAX_ATTEMPTS,
            call=Call("dynamodb", "UpdateItem", "hub", region),
            subject=f"the row of {region}",
        )
        while True:
            item = await update.read()
            held = parse_row(item) if item else None
            counted = await known_accounts.refreshed_for(held.accounts if held else ()) if known_accounts else None
            everyone = counted.accounts if counted else None
            row = merge(held, region, folded, requests=requests, everyone=everyone, full_scan_mark=full_scan_mark)
            if await update.write(to_attributes(row, now=self._now())):
                return
