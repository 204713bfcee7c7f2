"""Writer of the region status table: read, merge, conditional write, so that no concurrent update is lost."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import anyio

from service.aws.dynamodb_write import Table
from service.errors import AwsError
from service.models import Call, Now
from service.regions.known_accounts import KnownAccounts
from service.regions.status_reader import RegionStatusReader
from service.regions.status_rows import FullScanMark, Observation, merge, parse_row, to_attributes

__all__ = ["RegionStatusTable"]

_MAX_ROUNDS: Final = 20


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
        scan_requests: Mapping[str, datetime] | None = None,
        known_accounts: KnownAccounts | None = None,
        full_scan_mark: FullScanMark | None = None,
    ) -> None:
        """Merge scan results into the row of a region.

        The write is conditional on the row being unchanged since it was read; otherwise it is repeated on the current
        row. So concurrent syncs give the same result as one after the other, in either order.

        Args:
            region: the region.
            observations: results of the scans.
            scan_requests: accounts whose scope a server elsewhere refers to, and when that was found.
            known_accounts: the target accounts, entries of others are removed; None when they are not known.
            full_scan_mark: begin or end of a full scan.

        Raises:
            AwsError: the row could not be read or written, or every attempt met another writer.
        """
        if self._writable is None:
            return
        folded = tuple(observations)
        for attempt in range(_MAX_ROUNDS):
            item = await self._writable.get({"region": region})
            held = parse_row(item) if item else None
            counted = await known_accounts.recheck(held.accounts if held else ()) if known_accounts else None
            all_accounts = counted.accounts if counted else None
            row = merge(
                held,
                region,
                folded,
                scan_requests=scan_requests,
                all_accounts=all_accounts,
                full_scan_mark=full_scan_mark,
            )
            condition, values = _unchanged(item)
            attributes = to_attributes(row, now=self._now())
            if await self._writable.update_if({"region": region}, attributes, condition, values):
                return
            await anyio.sleep(random.uniform(0, min(1.0, 0.02 * 2**attempt)))  # noqa: S311 - jitter
        raise AwsError(
            "TransactionConflictException",
            f"the row of {region} was written by others {_MAX_ROUNDS} times in a row",
            Call("dynamodb", "UpdateItem", "hub", region),
        )


def _unchanged(item: Mapping[str, object] | None) -> tuple[str, dict[str, object]]:
    """Return a condition that holds while the row is unchanged: every writer, legacy ones too, sets lastUpdated."""
    if item is None:
        return "attribute_not_exists(#region)", {}
    if item.get("lastUpdated") is None:
        return "attribute_not_exists(#lastUpdated)", {}
    return "#lastUpdated = :held", {"held": item["lastUpdated"]}
