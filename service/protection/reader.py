"""Reader of the summaries of how EC2 instances are protected. Read-only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from service.aws.dynamodb import TableReader
from service.models import Scope
from service.protection.summary import (
    PARTITION,
    RUN_KEY,
    CoverageRun,
    CoverageSummary,
    run_of,
    summary_key,
    summary_of,
)

__all__ = ["CoverageReader", "EstateCoverage"]


@dataclass(frozen=True, slots=True)
class EstateCoverage:
    """Every summary that there is, and the last run over everything.

    Attributes:
        summaries: by account and region of the instances, in order. A scope that could never be read has one too, which
            is not known.
        run: None if no run has looked everywhere yet; then scopes may be missing from `summaries`.
    """

    summaries: dict[Scope, CoverageSummary]
    run: CoverageRun | None


class CoverageReader:
    """Reads summaries from the topology table (SOURCE_SERVER_TOPOLOGY_TABLE)."""

    def __init__(self, table: TableReader) -> None:
        self._table = table

    async def read(self, scopes: Iterable[Scope]) -> dict[Scope, CoverageSummary]:
        """Return the summaries of scopes; a scope in which no sync has looked is left out. Raises AwsError.

        Costs a key of BatchGetItem per scope.
        """
        items = await self._table.get_many([summary_key(scope) for scope in sorted(set(scopes))])
        found = (summary for item in items if (summary := summary_of(item)) is not None)
        return {summary.scope: summary for summary in found}

    async def read_all(self) -> EstateCoverage:
        """Return all summaries. Raises AwsError.

        Costs one query, a page per thousand accounts and regions or so.
        """
        run: CoverageRun | None = None
        summaries: dict[Scope, CoverageSummary] = {}
        async for item in self._table.query("#pk = :partition", {"partition": PARTITION}):
            if item.get("sk") == RUN_KEY["sk"]:
                run = run_of(item)
            elif (summary := summary_of(item)) is not None:
                summaries[summary.scope] = summary
        return EstateCoverage(summaries, run)
