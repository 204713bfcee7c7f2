"""What became of the places of a tag sync, and what its report says of accounts and plans. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from service.models import Coverage, Problem, RegionStatus, Scope
from service.regions.status_rows import Observation
from service.sync.engine.outcome import Visit, judge, problem_at
from service.sync.engine.report import Looked
from service.sync.tags.outcome import Tally
from service.sync.tags.scan import TagScan

__all__ = ["AccountResult", "is_unanswered", "judge_scope", "observations_of", "planned_json"]

_MAX_PLANNED: Final = 1000


def judge_scope(scope: Scope, scan: TagScan | None, failure: Problem | None, *, known: bool, seconds: float) -> Visit:
    """Say what became of a place.

    Args:
        scan: the account and region.
        scope: the work there, None where the account could not be entered.
        failure: what kept it from being done, if something did.
        known: servers were known there before.
        seconds: how long it took.
    """
    failure = failure or (scan.failure if scan else None)
    if scan is None or not (scan.read or scan.outcome.tally.servers):
        reason = failure or problem_at(scope, "DeadlineExceeded", "the place was not looked at")
        return judge(scope, None, reason, known=known, seconds=seconds)
    outcome = scan.outcome
    problems = (*outcome.problems, *([failure] if failure else ()))
    return Visit(
        Looked(
            scope,
            Coverage.PARTIAL if problems else Coverage.COMPLETE,
            servers=outcome.tally.servers,
            counts=outcome.tally.counts,
            seconds=seconds,
            problems=problems,
            warnings=tuple(outcome.warnings),
        )
    )


def is_unanswered(looked: Looked, scan: TagScan | None) -> bool:
    """Tell whether it is still open how many servers there are, and may be known when asked again."""
    return not (scan and scan.read) and any(problem.status.is_transient for problem in looked.problems)


def observations_of(scans: Iterable[TagScan]) -> dict[str, list[Observation]]:
    """Say what the places that were listed to the end mean for the status table, by region."""
    observations: dict[str, list[Observation]] = {}
    for scan in scans:
        if scan.read:
            status = RegionStatus.NOT_INITIALIZED if scan.uninitialized else RegionStatus.ACTIVE
            observation = Observation(scan.scope.account_id, status, scan.started_at, scan.outcome.tally.servers)
            observations.setdefault(scan.scope.region, []).append(observation)
    return observations


@dataclass(slots=True)
class AccountResult:
    """What the run did in one account. `refused` says why it could not be entered."""

    account_id: str
    name: str
    tally: Tally = field(default_factory=Tally)
    scanned: set[str] = field(default_factory=set)
    with_servers: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    refused: Problem | None = None

    def book(self, looked: Looked, scan: TagScan | None) -> None:
        """Count one place."""
        region = looked.scope.region
        if looked.coverage in {Coverage.PARTIAL, Coverage.FAILED}:
            self.failed.add(region)
        if scan is not None and looked.coverage is not Coverage.SKIPPED:
            self.scanned.add(region)
            self.tally.add(scan.outcome.tally)
        if looked.servers:
            self.with_servers.add(region)

    def as_json(self) -> dict[str, Any]:
        """Give the members in report form."""
        members: dict[str, Any] = {
            "accountId": self.account_id,
            "accountName": self.name,
            "regionsScanned": len(self.scanned),
            "regionsWithServers": sorted(self.with_servers),
            "regionsFailed": sorted(self.failed),
            "totalServers": self.tally.servers,
            "totalSynced": self.tally.synced,
            "totalFailed": self.tally.failed,
            "totalSkipped": self.tally.skipped,
        }
        if self.refused is not None:
            members["error"] = f"{self.refused.code}: {self.refused.message}"
        return members


def planned_json(scans: Iterable[TagScan]) -> dict[str, Any]:
    """Give what a dry run would write, the first thousand servers of it, and of how many."""
    planned: list[Mapping[str, Any]] = [entry for scan in scans for entry in scan.outcome.planned]
    planned.sort(key=lambda entry: (entry["accountId"], entry["region"], entry["sourceServerID"]))
    return {"planned": planned[:_MAX_PLANNED], "plannedTotal": len(planned)}
