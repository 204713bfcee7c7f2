"""The report of one run, in numbers that add up. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol

from service.aws.call_counter import CallCounter
from service.models import Coverage, Problem, RegionStatus, Scope, iso
from service.regions.selection import ScanReason, Selection
from service.sync.engine.outcome import ScopeResult

__all__ = ["Progress", "RunFacts", "RunReport", "exit_code", "planned_members", "run_facts", "status_of"]

_MAX_PLANNED: Final = 1000  # servers that a dry run names
_MAX_LISTED_APART: Final = 3  # accounts that a closed region gets an entry each for
_MAX_ACCOUNT_IDS: Final = 50  # accounts that one entry names


class Progress(Protocol):
    """Shows the progress of a run."""

    def started(self, calls: CallCounter) -> None:
        """The run begins; `calls` grows while it goes on."""
        ...

    def planned(self, selection: Selection, accounts: int) -> None:
        """The scopes are selected."""
        ...

    def scanned(self, result: ScopeResult) -> None:
        """One scope is done."""
        ...


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of a run beside the results of its scopes."""

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
    active_regions: tuple[str, ...] | None = None
    dry_run: bool = False


def run_facts(
    operation: str,
    selection: Selection,
    call_counter: CallCounter,
    *,
    started_at: datetime,
    duration_s: float,
    scopes_at_once: int,
    dry_run: bool,
) -> RunFacts:
    """Gather what the report of a run says beside the results of its scopes."""
    scopes = [*selection.scopes, *selection.skipped, *selection.left_out]
    active_regions = selection.active_regions
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
        active_regions=None if active_regions is None else tuple(sorted(active_regions)),
        dry_run=dry_run,
    )


class RunReport:
    """The report of one run, grown scope by scope: its size depends on regions and problems, not on servers.

    Args:
        counts: members of the report that say what came of the servers; they start at zero.
    """

    def __init__(self, counts: Sequence[str]) -> None:
        self._names = tuple(counts)
        self.counts: Counter[str] = Counter()
        self.scanned: Counter[str] = Counter()
        self.not_complete: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.coverage: Counter[Coverage] = Counter()
        self.servers_by_region: Counter[str] = Counter()
        self.seconds = 0.0
        self.skipped_scopes = 0
        self.newly_active: set[str] = set()
        self._problems: dict[Problem, set[str]] = {}
        self._warnings: dict[Problem, set[str]] = {}

    def add(self, result: ScopeResult) -> None:
        """Count the result of one scope."""
        region = result.scope.region
        self.coverage[result.coverage] += 1
        if result.coverage is not Coverage.SKIPPED:
            self.scanned[region] += 1
        if result.coverage in {Coverage.FAILED, Coverage.PARTIAL}:
            self.not_complete[region] += 1
        if result.coverage is Coverage.FAILED:
            self.failed[region] += 1
        if result.servers:
            self.servers_by_region[region] += result.servers
        self.counts.update(result.counts)
        self.seconds += result.seconds
        _gather(self._problems, result.problems, region)
        _gather(self._warnings, result.warnings, region)

    def problem(self, *problems: Problem) -> None:
        """Add what could not be done. The same problem in many regions is one entry that lists them."""
        _gather(self._problems, problems, "")

    def warn(self, *warnings: Problem) -> None:
        """Add what an operator should know and costs nothing of the result."""
        _gather(self._warnings, warnings, "")

    @property
    def problems(self) -> int:
        """How many different problems there were."""
        return len(self._problems)

    def skip(self, scopes: Iterable[Scope]) -> None:
        """Count scopes that were not selected, because of region status: their calls were saved."""
        skipped = len(list(scopes))
        self.coverage[Coverage.SKIPPED] += skipped
        self.skipped_scopes += skipped

    def leave_out(self, scopes: Iterable[Scope]) -> None:
        """Count scopes in which the sync has nothing to do: a full scan would not have made calls there either."""
        self.coverage[Coverage.SKIPPED] += len(list(scopes))

    def as_json(self, run: RunFacts) -> dict[str, Any]:
        """Return the report as JSON members: names in camelCase, times in seconds."""
        made = sum(run.calls.get("drs", {}).values())
        full = made + self.skipped_scopes  # a scope without servers is one DRS call
        skipped = sorted(set(run.regions) - set(self.scanned))
        return {
            "operation": run.operation,
            "status": status_of(self.coverage, self.problems),
            "regionsScanned": len(self.scanned),
            "regionsSkipped": len(skipped),
            "regionsFailed": len(self.not_complete),
            "regionsActive": None if run.active_regions is None else len(run.active_regions),
            "regionSource": run.region_source,
            "regionReason": run.region_reason,
            "regions": {
                "scanned": sorted(self.scanned),
                "skipped": skipped,
                "failed": sorted(self.not_complete),
                "newlyActive": sorted(self.newly_active),
                "active": list(run.active_regions or ()),
            },
            "accounts": run.accounts,
            "scopes": {
                "asked": self.coverage.total(),
                **{str(each): self.coverage[each] for each in Coverage},
                "discovery": run.discovered,
            },
            "serversByRegion": dict(sorted(self.servers_by_region.items())),
            "serversSynced": 0 if run.dry_run else self.servers_by_region.total(),
            **{name: self.counts[name] for name in self._names},
            "apiCalls": {service: dict(operations) for service, operations in run.calls.items()},
            "apiCallsTotal": sum(sum(operations.values()) for operations in run.calls.values()),
            "apiCallsThrottled": run.throttled,
            "drsCalls": made,
            "apiCallsFullScan": full,
            "apiCallReductionPercent": round(100 * self.skipped_scopes / full, 1) if full else 0.0,
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
        return round(self.seconds / drs_calls * self.skipped_scopes / concurrency, 3)


def status_of(coverage: Counter[Coverage], problems: int) -> str:
    """Return the status of a run: complete, partial, or failed when every scope that was scanned did."""
    scanned = coverage.total() - coverage[Coverage.SKIPPED]
    if scanned and coverage[Coverage.FAILED] == scanned:
        return "failed"
    return "partial" if problems or coverage[Coverage.FAILED] or coverage[Coverage.PARTIAL] else "complete"


def exit_code(report: Mapping[str, Any]) -> int:
    """Return the exit code of a report: 0 complete, 1 failed, 3 partial."""
    return {"complete": 0, "failed": 1, "partial": 3}[report["status"]]


def planned_members(servers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what a dry run would write: the first thousand servers in order, and how many there are."""
    ordered = sorted(servers, key=lambda each: [str(value) for value in each.values()])
    return {"planned": ordered[:_MAX_PLANNED], "plannedTotal": len(ordered)}


def _gather(into: dict[Problem, set[str]], problems: Iterable[Problem], region: str) -> None:
    for problem in problems:
        anywhere = replace(problem, region="")
        into.setdefault(anywhere, set()).add(problem.region or region)


def _listed(problems: Mapping[Problem, set[str]]) -> list[dict[str, Any]]:
    """List problems as JSON members; those that a closed region causes in many accounts are one entry."""
    groups: dict[object, list[tuple[Problem, list[str]]]] = {}
    for problem, found_in in problems.items():
        regions = sorted({region for region in found_in if region})
        groups.setdefault(_group_of(problem, regions), []).append((problem, regions))
    entries: list[dict[str, Any]] = []
    for group in groups.values():
        accounts = sorted({problem.account_id for problem, _ in group})
        if len(accounts) > _MAX_LISTED_APART:
            entries.append(_folded(group, accounts))
        else:
            entries += [{**problem.as_json(), "regions": regions} for problem, regions in group]
    return entries


def _group_of(problem: Problem, regions: Sequence[str]) -> object:
    """Return what problems have in common that become one entry if they are many; the problem itself if none do."""
    alike = (problem.code, problem.status, problem.service, problem.operation, problem.advice)
    if problem.status is RegionStatus.ENDPOINT_UNREACHABLE:
        return (*alike, *regions)
    return alike if problem.status is RegionStatus.SCP_DENIED else problem


def _folded(group: Sequence[tuple[Problem, Sequence[str]]], accounts: Sequence[str]) -> dict[str, Any]:
    """Make one entry of problems of many accounts, with the message of the first."""
    first, _ = group[0]
    return {
        **replace(first, account_id="").as_json(),
        "regions": sorted({region for _, regions in group for region in regions}),
        "accounts": len(accounts),
        "accountIds": list(accounts[:_MAX_ACCOUNT_IDS]),
    }
