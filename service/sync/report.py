"""What a run did, in numbers that add up. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from service.models import Coverage, Place, Trouble

__all__ = ["InventoryReport", "Looked", "RunFacts", "exit_code"]


@dataclass(frozen=True, slots=True)
class Looked:
    """What became of one scope.

    `servers` were seen; of them `written` had changed, `rejected` could not be used. `removed` were in the table and
    are no more.
    """

    place: Place
    coverage: Coverage
    servers: int = 0
    written: int = 0
    removed: int = 0
    rejected: int = 0
    topologies: int = 0
    seconds: float = 0.0
    troubles: tuple[Trouble, ...] = ()
    warnings: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of a run beside its looks."""

    operation: str
    accounts: int
    region_source: str
    region_reason: str
    regions: tuple[str, ...]
    discovered: int
    started_at: str
    duration_s: float
    calls: Mapping[str, Mapping[str, int]]
    throttled: int
    scopes_at_once: int


@dataclass(slots=True)
class InventoryReport:
    """The report of one run, grown look by look: its size depends on regions and troubles, not on servers."""

    scanned: Counter[str] = field(default_factory=Counter)
    unwell: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    coverage: Counter[Coverage] = field(default_factory=Counter)
    servers_by_region: Counter[str] = field(default_factory=Counter)
    written: int = 0
    removed: int = 0
    rejected: int = 0
    topologies: int = 0
    seconds: float = 0.0
    left_out: int = 0
    newly_active: set[str] = field(default_factory=set)
    _troubles: dict[Trouble, set[str]] = field(default_factory=dict)
    _warnings: dict[Trouble, set[str]] = field(default_factory=dict)

    def add(self, looked: Looked) -> None:
        """Count one look."""
        region = looked.place.region
        self.coverage[looked.coverage] += 1
        if looked.coverage is not Coverage.SKIPPED:
            self.scanned[region] += 1
        if looked.coverage in {Coverage.FAILED, Coverage.PARTIAL}:
            self.unwell[region] += 1
        if looked.coverage is Coverage.FAILED:
            self.failed[region] += 1
        if looked.servers:
            self.servers_by_region[region] += looked.servers
        self.written += looked.written
        self.removed += looked.removed
        self.rejected += looked.rejected
        self.topologies += looked.topologies
        self.seconds += looked.seconds
        _gather(self._troubles, looked.troubles, region)
        _gather(self._warnings, looked.warnings, region)

    def trouble(self, *troubles: Trouble) -> None:
        """Note what could not be done. The same trouble in many regions is one entry that lists them."""
        _gather(self._troubles, troubles, "")

    @property
    def troubles(self) -> int:
        """How many different troubles there were."""
        return len(self._troubles)

    def skip(self, places: Iterable[Place]) -> None:
        """Count scopes that the filter left out."""
        for _ in places:
            self.coverage[Coverage.SKIPPED] += 1
            self.left_out += 1

    def as_json(self, run: RunFacts) -> dict[str, Any]:
        """Write the report; all names are camelCase, all times seconds."""
        made = sum(run.calls.get("drs", {}).values())
        full = made + self.left_out  # a scope without servers is one DescribeSourceServers call
        skipped = sorted(set(run.regions) - set(self.scanned))
        status = _status(self.coverage, self.troubles)
        return {
            "operation": run.operation,
            "status": status,
            "regionsScanned": len(self.scanned),
            "regionsSkipped": len(skipped),
            "regionsFailed": len(self.unwell),
            "regionSource": run.region_source,
            "regionReason": run.region_reason,
            "regions": {
                "scanned": sorted(self.scanned),
                "skipped": skipped,
                "failed": sorted(self.unwell),
                "newlyActive": sorted(self.newly_active),
            },
            "accounts": run.accounts,
            "scopes": {
                "asked": self.coverage.total(),
                **{str(each): self.coverage[each] for each in Coverage},
                "discovery": run.discovered,
            },
            "serversSynced": self.servers_by_region.total(),
            "serversByRegion": dict(sorted(self.servers_by_region.items())),
            "serversWritten": self.written,
            "serversUnchanged": self.servers_by_region.total() - self.written - self.rejected,
            "serversRemoved": self.removed,
            "serversRejected": self.rejected,
            "topologiesCaptured": self.topologies,
            "apiCalls": {service: dict(operations) for service, operations in run.calls.items()},
            "apiCallsTotal": sum(sum(operations.values()) for operations in run.calls.values()),
            "apiCallsThrottled": run.throttled,
            "drsCalls": made,
            "apiCallsFullScan": full,
            "apiCallReductionPercent": round(100 * self.left_out / full, 1) if full else 0.0,
            "durationSeconds": round(run.duration_s, 3),
            "timeSavedSeconds": self._time_saved_s(made, run.scopes_at_once),
            "startedAt": run.started_at,
            "errors": _listed(self._troubles),
            "warnings": _listed(self._warnings),
        }

    def _time_saved_s(self, drs_calls: int, at_once: int) -> float:
        """Estimate: each skipped scope would have taken as long as a call did here, `at_once` of them side by side."""
        if not drs_calls:
            return 0.0
        return round(self.seconds / drs_calls * self.left_out / at_once, 3)


def _status(coverage: Counter[Coverage], troubles: int) -> str:
    looked = coverage.total() - coverage[Coverage.SKIPPED]
    if looked and coverage[Coverage.FAILED] == looked:
        return "failed"
    return "partial" if troubles or coverage[Coverage.FAILED] or coverage[Coverage.PARTIAL] else "complete"


def exit_code(report: Mapping[str, Any]) -> int:
    """Give the exit code of a report: 0 complete, 1 failed, 3 partial."""
    return {"complete": 0, "failed": 1, "partial": 3}[report["status"]]


def _gather(into: dict[Trouble, set[str]], troubles: Iterable[Trouble], region: str) -> None:
    for trouble in troubles:
        anywhere = replace(trouble, region="")
        into.setdefault(anywhere, set()).add(trouble.region or region)


def _listed(troubles: Mapping[Trouble, set[str]]) -> list[dict[str, Any]]:
    return [
        {**trouble.as_json(), "regions": sorted({region for region in regions if region})}
        for trouble, regions in troubles.items()
    ]
