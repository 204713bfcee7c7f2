"""Table of the summaries of how EC2 instances are protected, in which a newer read is never overwritten."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

from service.aws.dynamodb_write import Table
from service.models import Problem, Scope, iso, parse_iso
from service.protection.decision import ProtectionTally
from service.protection.summary import (
    AS_OF,
    PARTITION,
    CoverageRun,
    failure_attributes,
    run_item,
    summary_item,
    summary_key,
    summary_of,
)

__all__ = ["CoverageTable"]

_IS_NEWER: Final = f"attribute_not_exists( #{AS_OF} ) OR #{AS_OF} < :at"
_KEPT: Final = timedelta(days=7)


class CoverageTable:
    """Writes summaries to the topology table. All methods raise AwsError."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def write(
        self, scope: Scope, tally: ProtectionTally, *, as_of: datetime, server_scopes_unknown: int | None
    ) -> bool:
        """Write the summary of a scope that was read completely; return False where a newer read's is stored."""
        item = summary_item(scope, tally, as_of=as_of, server_scopes_unknown=server_scopes_unknown)
        return await self._table.put_if(item, _IS_NEWER, {"at": iso(as_of)})

    async def write_failure(self, scope: Scope, problem: Problem, *, at: datetime) -> None:
        """Note that a scope could not be read. Earlier counts stay, and so does the time of the first failure.

        Args:
            scope: the scope.
            problem: why.
            at: when the read began.
        """
        key = summary_key(scope)
        if await self._table.update_if(key, failure_attributes(problem, at=at), _IS_NEWER, {"at": iso(at)}):
            await self._table.fill(key, {"failedSince": iso(at)}, "attribute_exists( #failedAt )")

    async def write_run(self, run: CoverageRun) -> None:
        """Write down a run over everything, unless a newer one is."""
        await self._table.put_if(run_item(run), _IS_NEWER, {"at": iso(run.started_at)})

    async def prune(self, scopes: Collection[Scope], *, now: datetime) -> int:
        """Delete summaries of other scopes that nobody has looked at for a week; return how many."""
        deleted = 0
        async for item in self._table.query("#pk = :partition", {"partition": PARTITION}):
            summary = summary_of(item)
            if summary is None or summary.scope in scopes or not _is_old(item, now):
                continue
            stamps = {name: item.get(name) for name in (AS_OF, "failedAt")}
            conditions = [
                f"#{n} = :{n}" if v is not None else f"attribute_not_exists( #{n} )" for n, v in stamps.items()
            ]
            values = {name: value for name, value in stamps.items() if value is not None}
            deleted += await self._table.delete_if(summary_key(summary.scope), " AND ".join(conditions), values)
        return deleted


def _is_old(item: dict[str, Any], now: datetime) -> bool:
    moments = [moment for name in (AS_OF, "failedAt") if (moment := parse_iso(item.get(name))) is not None]
    return not moments or max(moments) < now - _KEPT
