"""Scan requests of many scopes: those of a region that come up together are written to its row as one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Self

import anyio

from service.models import Scope
from service.regions.status_writer import Recording, RegionStatusTable

__all__ = ["ScanRequests", "WriteRequests"]

WriteRequests = Callable[[str, Mapping[str, datetime]], Awaitable[None]]
"""Has later runs scan accounts in a region, each from a time on. Raises AwsError."""


class ScanRequests:
    """Requests scans of scopes.

    A row holds an entry for each account, and its writers exclude each other: a write per scope would cost the square
    of the number of accounts. So a request that comes up during a write waits, and the next write carries all that
    wait.

    Args:
        write: writes the requests of one region.
    """

    def __init__(self, write: WriteRequests) -> None:
        self._write = write
        self._waiting: defaultdict[str, dict[str, datetime]] = defaultdict(dict)
        self._locks: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)

    @classmethod
    def into(cls, status: RegionStatusTable) -> Self:
        """Return requests that are written to the region status table, and nothing else with them."""

        async def write(region: str, requests: Mapping[str, datetime]) -> None:
            await status.record(region, Recording(scan_requests=requests))

        return cls(write)

    async def request(self, scope: Scope, moment: datetime) -> None:
        """Have later runs scan a scope from a time on; return when that is written.

        Raises:
            AwsError: the row of the region could not be written.
        """
        waiting = self._waiting[scope.region]
        waiting[scope.account_id] = max(moment, waiting.get(scope.account_id, moment))
        async with self._locks[scope.region]:
            if scope.account_id not in waiting:
                return  # another caller has written it
            requests = dict(waiting)
            await self._write(scope.region, requests)
            for account_id, written in requests.items():
                if waiting.get(account_id) == written:  # else a later request came up meanwhile
                    del waiting[account_id]
