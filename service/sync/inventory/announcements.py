"""Announcements of writes: a scan request written before the first item of a scope that had no servers."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final

from service.errors import AwsError
from service.models import Scope
from service.regions.scan_requests import ScanRequests, WriteRequests
from service.regions.selection import StatusUnavailable
from service.sync.engine.sync import Run

__all__ = ["Announcements"]

_log: Final = logging.getLogger(__name__)


class Announcements:
    """Announces the writes of a run in scopes that are not known to have servers.

    A run that is killed between an item and the row of its region would leave a scope that has items and that no later
    run selects, and so would a late write whose servers another run finds gone. So it first requests a scan, dated when
    its last write has arrived: a scan that begins before that does not settle the request.
    """

    def __init__(self, run: Run, request_scans: WriteRequests) -> None:
        self._run = run
        self._requests = ScanRequests(request_scans)
        self._is_essential = not isinstance(run.context.rows, StatusUnavailable)
        self._announced: set[Scope] = set()

    def has_announced(self, scope: Scope) -> bool:
        """Whether writes in a scope were announced."""
        return scope in self._announced

    async def announce(self, scope: Scope, arrived_by: datetime) -> None:
        """Announce writes in a scope, once; scopes of a region that come up together share one write.

        Args:
            scope: the scope.
            arrived_by: when the last of the writes has arrived, or never will.

        Where region status could not be read before the run, it may not be writable either, and the inventory is
        written all the same.

        Raises:
            AwsError: the row of the region could not be written, so no item may be.
        """
        if scope in self._announced or self._run.is_known_active(scope):
            return
        try:
            await self._requests.request(scope, arrived_by)
        except AwsError as error:
            if self._is_essential:
                raise
            _log.warning("writes not announced", extra={"region": scope.region, "code": error.code})
        else:
            self._announced.add(scope)
