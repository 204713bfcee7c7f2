"""Result of reading scopes: the servers of each, where they came from, and what could not be read. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from service.models import Problem, RegionStatus, Scope, iso
from service.queries.paging import Key

__all__ = ["NOTHING_READ", "DataSource", "ReadResult", "Record", "ScopeReadResult"]

Record = Mapping[str, Any]
"""A DescribeSourceServers record."""


class DataSource(StrEnum):
    """Where the servers of a scope came from."""

    INVENTORY = "inventory_database"
    DRS = "drs_api"
    STALE = "inventory_stale"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ScopeReadResult:
    """The servers read in one scope.

    `items` have the structure of inventory items, whatever the source; `records` are the same servers as DRS returned
    them, only where DRS was read. `last_complete` is when all servers of the scope were last seen. `status` is the
    region status that the response of DRS stands for. `rejected` are the records that cannot be used. `summary` is that
    of the last complete scan, or of these records; None where there is none. `counted` is the number of servers of a
    scope that was not read to its end, because the page of the query ends before that; None for one that was.
    `skipped` is how many servers are before the items, on earlier pages. `read_to` is where reading ended because the
    time was up; None where that was not so.
    """

    scope: Scope
    source: DataSource
    items: Sequence[Mapping[str, Any]] = ()
    records: Sequence[Record] = ()
    last_complete: datetime | None = None
    problem: Problem | None = None
    rejected: tuple[Problem, ...] = ()
    status: RegionStatus | None = None
    summary: Mapping[str, Any] | None = None
    counted: int | None = None
    skipped: int = 0
    read_to: Key | None = None

    @property
    def is_complete(self) -> bool:
        """Whether every server of the scope is included, as of `last_complete`."""
        return self.source in {DataSource.INVENTORY, DataSource.DRS} and not self.rejected

    @property
    def servers(self) -> int:
        """The number of servers of the scope."""
        return self.skipped + len(self.items) if self.counted is None else self.counted

    def as_json(self, now: datetime, *, servers: int) -> dict[str, Any]:
        """Return the entry of the scope in an answer; `servers` is how many of them match the query."""
        last_complete = self.last_complete
        entry = {
            "accountId": self.scope.account_id,
            "region": self.scope.region,
            "source": str(self.source),
            "servers": servers,
            "lastComplete": iso(last_complete) if last_complete else None,
            "ageSeconds": max(0, round((now - last_complete).total_seconds())) if last_complete else None,
        }
        if self.summary is not None:
            entry["summary"] = dict(self.summary)
        return {**entry, "error": f"{self.problem.code}: {self.problem.message}"} if self.problem else entry


@dataclass(frozen=True, slots=True)
class ReadResult:
    """The results of all scopes of a query, in order. `problems` are those of the hub's tables, not of a scope.

    `seconds` is the time from the start of the query until all scopes were read.
    """

    results: tuple[ScopeReadResult, ...]
    problems: tuple[Problem, ...] = ()
    seconds: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether every scope was read completely."""
        return all(result.is_complete for result in self.results)

    @property
    def stale(self) -> tuple[Scope, ...]:
        """The scopes that the inventory could not answer for, so that a sync should scan them."""
        return tuple(
            each.scope for each in self.results if each.source is not DataSource.INVENTORY and each.read_to is None
        )

    @property
    def source(self) -> str:
        """The source of the answer as a whole: that of the inventory, that of DRS, or `mixed`."""
        from_table = any(result.source in {DataSource.INVENTORY, DataSource.STALE} for result in self.results)
        from_drs = any(result.source in {DataSource.DRS, DataSource.NONE} for result in self.results)
        return "mixed" if from_table and from_drs else str(DataSource.DRS if from_drs else DataSource.INVENTORY)

    def errors(self) -> list[dict[str, Any]]:
        """List the problems; the same problem in several regions is one entry that names them."""
        regions_of: dict[Problem, set[str]] = {}
        of_scopes = [each for result in self.results for each in (result.problem, *result.rejected) if each is not None]
        for problem in (*of_scopes, *self.problems):
            regions_of.setdefault(replace(problem, region=""), set()).add(problem.region)
        return [{**problem.as_json(), "regions": sorted(regions - {""})} for problem, regions in regions_of.items()]


NOTHING_READ: Final = ReadResult(())
"""The result of a query that reads no servers."""
