"""Moving values of an inventory scan: collected server by server, written once when the listing is complete."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from service.aws.dynamodb_write import Table
from service.errors import AwsError
from service.inventory.moving_values import MovingValues, moving_values
from service.inventory.posture import Objectives
from service.inventory.scope_summary import ScopeSummary
from service.inventory.table import ItemKey
from service.inventory.values_codec import server_key
from service.inventory.values_table import ValuesTable
from service.models import Problem, Scope

__all__ = ["ValuesCollector"]


class ValuesCollector:
    """Collects the moving values of one scan.

    Args:
        scope: the account and region.
        table: the topology table; None when it is not set or cannot be used.
        keeps_apart: the topology table is set. If not, the inventory's items alone keep the values.
        objectives: what the estate wants of its servers.
        scanned_at: when the scan began.
    """

    def __init__(
        self, scope: Scope, table: Table | None, *, keeps_apart: bool, objectives: Objectives, scanned_at: datetime
    ) -> None:
        self._scope = scope
        self._table = table
        self._keeps_apart = keeps_apart
        self._scanned_at = scanned_at
        self._by_key: dict[bytes, tuple[ItemKey, MovingValues]] = {}
        self._ambiguous: set[bytes] = set()
        self._summary = ScopeSummary(objectives, scanned_at)

    def add(
        self,
        key: ItemKey,
        record: Mapping[str, Any],
        *,
        tags: Mapping[str, str],
        since: str,
        topology_known: bool,
    ) -> MovingValues | None:
        """Add a server; return its moving values, None when they are not kept apart from its item.

        The arguments after its key are those of `ScopeSummary.add`.
        """
        if not self._keeps_apart:
            return None
        values = moving_values(record)
        self._summary.add(record, values, tags=tags, since=since, topology_known=topology_known)
        short = server_key(*key)
        known = self._by_key.setdefault(short, (key, values))
        if known[0] != key:
            self._ambiguous.add(short)  # neither of two servers with one hash may show the values of the other
        return values

    async def write(self, *, had_servers: bool) -> list[Problem]:
        """Write what was collected; return the warning when it cannot be written.

        Where nothing was and nothing is, nothing is written; where the last servers left, that there are none.
        """
        if self._table is None or not (self._by_key or had_servers):
            return []
        values = {short: held[1] for short, held in self._by_key.items() if short not in self._ambiguous}
        summary = self._summary.as_json()
        try:
            await ValuesTable(self._table).write(self._scope, values, summary, scanned_at=self._scanned_at)
        except AwsError as error:
            return [error.problem]
        return []
