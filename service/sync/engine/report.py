"""What a run did, in numbers that add up. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from service.aws.call_counter import CallCounter
from service.models import Coverage, Problem, Scope, iso
from service.regions.selection import ScanReason, Selection

__all__ = ["Looked", "Progress", "RunFacts", "RunReport", "exit_code", "run_facts", "status_of"]


@dataclass(frozen=True, slots=True)
class Looked:
    """What became of one scope. `servers` were seen; `counts` says what came of it, by member of the report."""

    scope: Scope
    coverage: Coverage
    servers: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


class Progress(Protocol):
    """Told how a run gets on."""

    def planned(self, selection: Selection, accounts: int) -> None:
        """The places are chosen."""
        ...

    def looked(self, looked: Looked) -> None:
        """One place is done."""
        ...


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


def run_facts(
    operation: str,
    selection: Selection,
    call_counter: CallCounter,
    *,
    started_at: datetime,
    duration_s: float,
    scopes_at_once: int,
) -> RunFacts:
    """Gather what the report of a run says beside its looks."""
    scopes = [*selection.scopes, *selection.skipped]
    return RunFacts(
        operation=operation,
        accounts=len({scope.account_id for scope in scopes}),
        region_source=str(selection.source),
        region_reason=selection.reason,
        regions=tuple(sorted({scope.region for scope in scopes})),
        discovered=selection.count(ScanReason.DISCOVERY),
        started_at=iso(started_at),
        duration_s=duration_s,
        calls=call_counter.by_service(),
        throttled=call_counter.throttled,
        scopes_at_once=scopes_at_once,
    )


class RunReport:
    """The report of one run, grown look by look: its size depends on regions and troubles, not on servers.

    Args:
        counts: members of the report that say what came of the servers; they start at zero.
    """

    def __init__(self, counts: Sequence[str]) -> None:
        self._names = tuple(counts)
        self.counts: Counter[str] = Counter()
        self.scanned: Counter[str] = Counter()
        self.unwell: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.coverage: Counter[Coverage] = Counter()
        self.servers_by_region: Counter[str] = Counter()
        self.seconds = 0.0
        self.left_out = 0
        self.newly_active: set[str] = set()
        self._problems: dict[Problem, set[str]] = {}
        self._warnings: dict[Problem, set[str]] = {}

    def add(self, looked: Looked) -> None:
        """Count one look."""
        region = looked.scope.region
        self.coverage[looked.coverage] += 1
        if looked.coverage is not Coverage.SKIPPED:
            self.scanned[region] += 1
        if looked.coverage in {Coverage.FAILED, Coverage.PARTIAL}:
            self.unwell[region] += 1
        if looked.coverage is Coverage.FAILED:
            self.failed[region] += 1
        if looked.servers:
            self.servers_by_region[region] += looked.servers
        self.counts.update(looked.counts)
        self.seconds += looked.seconds
        _gather(self._problems, looked.problems, region)
        _gather(self._warnings, looked.warnings, region)

    def problem(self, *problems: Problem) -> None:
        """Note what could not be done. The same trouble in many regions is one entry that lists them."""
        _gather(self._problems, problems, "")

    def warn(self, *warnings: Problem) -> None:
        """Note what an operator should know, and what costs nothing of the result."""
        _gather(self._warnings, warnings, "")

    @property
    def problems(self) -> int:
        """How many different troubles there were."""
        return len(self._problems)

    def skip(self, scopes: Iterable[Scope]) -> None:
        """Count scopes that the filter left out."""
        for _ in scopes:
            self.coverage[Coverage.SKIPPED] += 1
            self.left_out += 1

    def as_json(self, run: RunFacts) -> dict[str, Any]:
        """Write the report; all names are camelCase, all times seconds."""
        made = sum(run.calls.get("drs", {}).values())
        full = made + self.left_out  # a scope without servers is one DRS call
        skipped = sorted(set(run.regions) - set(self.scanned))
        return {
            "operation": run.operation,
            "status": status_of(self.coverage, self.problems),
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
            "serversByRegion": dict(sorted(self.servers_by_region.items())),
            "serversSynced": self.servers_by_region.total(),
            **{name: self.counts[name] for name in self._names},
            "apiCalls": {service: dict(operations) for service, operations in run.calls.items()},
            "apiCallsTotal": sum(sum(operations.values()) for operations in run.calls.values()),
            "apiCallsThrottled": run.throttled,
            "drsCalls": made,
            "apiCallsFullScan": full,
            "apiCallReductionPercent": round(100 * self.left_out / full, 1) if full else 0.0,
            "durationSeconds": round(run.duration_s, 3),
            "timeSavedSeconds": self._time_saved_s(made, run.scopes_at_once),
            "startedAt": run.started_at,
            "errors": _listed(self._problems),
            "warnings": _listed(self._warnings),
        }

    def _time_saved_s(self, drs_calls: int, concurrency: int) -> float:
        """Estimate: each skipped scope costs as long as a call took here, `concurrency` of them side by side."""
        if not drs_calls:
            return 0.0
        return round(self.seconds / drs_calls * self.left_out / concurrency, 3)


def status_of(coverage: Counter[Coverage], problems: int) -> str:
    """Say in one word what became of a run: complete, partial, or failed when every scope that was looked at did."""
    looked = coverage.total() - coverage[Coverage.SKIPPED]
    if looked and coverage[Coverage.FAILED] == looked:
        return "failed"
    return "partial" if problems or coverage[Coverage.FAILED] or coverage[Coverage.PARTIAL] else "complete"


def exit_code(report: Mapping[str, Any]) -> int:
    """Give the exit code of a report: 0 complete, 1 failed, 3 partial."""
    return {"complete": 0, "failed": 1, "partial": 3}[report["status"]]


def _gather(into: dict[Problem, set[str]], problems: Iterable[Problem], region: str) -> None:
    for problem in problems:
        anywhere = replace(problem, region="")
        into.setdefault(anywhere, set()).add(problem.region or region)


def _listed(problems: Mapping[Problem, set[str]]) -> list[dict[str, Any]]:
    return [
        {**problem.as_json(), "regions": sorted({region for region in regions if region})}
        for problem, regions in problems.items()
    ]
