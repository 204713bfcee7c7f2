"""What a reading of scopes gives, by what time, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import anyio

from service.models import Problem, RegionStatus, Scope, iso

__all__ = ["LATE_ADVICE", "QueryDeadline", "Reading", "Record", "ScopeRead", "Source"]

LATE_ADVICE: Final = "raise QUERY_DEADLINE_SECONDS, or look for a slow region"

Record = Mapping[str, Any]
"""A DescribeSourceServers record."""


class Source(StrEnum):
    """Where the servers of a scope came from."""

    INVENTORY = "inventory_database"
    DRS = "drs_api"
    STALE = "inventory_stale"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class QueryDeadline:
    """When a question must have been answered, by the event loop's clock, and how the time is shared out.

    Accounts and region status may take two fifths of it (clients are built then, too), the inventory one more, and DRS
    the rest but for a little, in which the answer is written.
    """

    begun: float
    seconds: float

    @classmethod
    def start(cls, seconds: float) -> QueryDeadline:
        """Begin now."""
        return cls(anyio.current_time(), seconds)

    def at(self, share: float) -> float:
        """Tell when a share of the time will be over."""
        return self.begun + share * self.seconds

    @property
    def opening(self) -> float:
        """When accounts and region status must have been read."""
        return self.at(0.4)

    @property
    def inventory(self) -> float:
        """When the inventory must have been read."""
        return self.at(0.6)

    @property
    def drs(self) -> float:
        """When DRS must have answered."""
        return self.at(0.95)


@dataclass(frozen=True, slots=True)
class ScopeReading:
    """What a scope gave.

    `items` are of the inventory's shape, whatever the source; `records` are the same servers as DRS told them, only
    where DRS was asked. `last_complete`: when all servers of the scope were last seen. `status` is the word for what
    DRS answered. `rejected` are records that cannot be used.
    """

    scope: Scope
    source: Source
    items: Sequence[Mapping[str, Any]] = ()
    records: Sequence[Record] = ()
    last_complete: datetime | None = None
    problem: Problem | None = None
    rejected: tuple[Problem, ...] = ()
    status: RegionStatus | None = None

    @property
    def is_complete(self) -> bool:
        """Whether every server of the scope is there, as it was at `last_complete`."""
        return self.source in {Source.INVENTORY, Source.DRS} and not self.rejected

    def as_json(self, now: datetime, *, servers: int) -> dict[str, Any]:
        """Give the scope in the form of answers; `servers` is how many the question found in it."""
        seen = self.last_complete
        report = {
            "accountId": self.scope.account_id,
            "region": self.scope.region,
            "source": str(self.source),
            "servers": servers,
            "lastComplete": iso(seen) if seen else None,
            "ageSeconds": max(0, round((now - seen).total_seconds())) if seen else None,
        }
        return {**report, "error": f"{self.problem.code}: {self.problem.message}"} if self.problem else report


@dataclass(frozen=True, slots=True)
class Reading:
    """What all scopes of a question gave, in order. `troubles` are those of the inventory table, not of any scope."""

    results: tuple[ScopeReading, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether no scope lacks anything."""
        return all(result.is_complete for result in self.results)

    @property
    def stale(self) -> tuple[Scope, ...]:
        """The places whose inventory was too old, so that a sync should look at them."""
        return tuple(result.scope for result in self.results if result.source is not Source.INVENTORY)

    @property
    def source(self) -> str:
        """One word for where the answer came from."""
        stored = any(result.source in {Source.INVENTORY, Source.STALE} for result in self.results)
        asked = any(result.source in {Source.DRS, Source.NONE} for result in self.results)
        return "mixed" if stored and asked else str(Source.DRS if asked else Source.INVENTORY)

    def errors(self) -> list[dict[str, Any]]:
        """List what went wrong; the same trouble in many regions is one entry that names them."""
        found: dict[Problem, set[str]] = {}
        of_scopes = [each for result in self.results for each in (result.problem, *result.rejected) if each is not None]
        for problem in (*of_scopes, *self.problems):
            found.setdefault(replace(problem, region=""), set()).add(problem.region)
        return [{**problem.as_json(), "regions": sorted(regions - {""})} for problem, regions in found.items()]
