"""What the report of a tag sync says of accounts and plans, and its observations. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from service.models import Coverage, Problem, RegionStatus
from service.regions.status_rows import Observation
from service.sync.engine.outcome import ScopeResult
from service.sync.tags.results import TagCounts
from service.sync.tags.scan import TagScan

__all__ = ["AccountResult", "is_unanswered", "observations_of", "planned_json"]

_MAX_PLANNED: Final = 1000


def is_unanswered(result: ScopeResult, scan: TagScan | None) -> bool:
    """Tell whether it is still open how many servers there are, and may be known in the next run."""
    return not (scan and scan.is_read) and any(problem.status.is_transient for problem in result.problems)


def observations_of(scans: Iterable[TagScan], *, is_status_known: bool) -> dict[str, list[Observation]]:
    """Return what the scopes that were read to the end say for the status table, by region.

    That there is nothing where servers are known is left to the inventory sync, which has it confirmed.

    Args:
        scans: the scans of a run.
        is_status_known: the table could be read before the run. If not, every scope may have servers.
    """
    observations: dict[str, list[Observation]] = {}
    for scan in scans:
        may_be_empty = is_status_known and not scan.known_count
        if scan.is_read and (scan.results.counts.servers or may_be_empty):
            status = RegionStatus.NOT_INITIALIZED if scan.uninitialized else RegionStatus.ACTIVE
            observation = Observation(scan.scope.account_id, status, scan.started_at, scan.results.counts.servers)
            observations.setdefault(scan.scope.region, []).append(observation)
    return observations


@dataclass(slots=True)
class AccountResult:
    """What a run did in one account. `refused` says why it could not be entered."""

    account_id: str
    name: str
    counts: TagCounts = field(default_factory=TagCounts)
    scanned: set[str] = field(default_factory=set)
    with_servers: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    refused: Problem | None = None

    def add(self, result: ScopeResult, scan: TagScan | None) -> None:
        """Count one scope."""
        region = result.scope.region
        if scan is None and result.failure is not None and not result.failure.region:
            self.refused = result.failure  # it names no region, since the account could not be entered
        if result.coverage in {Coverage.PARTIAL, Coverage.FAILED}:
            self.failed.add(region)
        if scan is not None and result.coverage is not Coverage.SKIPPED:
            self.scanned.add(region)
            self.counts.add(scan.results.counts)
        if result.servers:
            self.with_servers.add(region)

    def as_json(self) -> dict[str, Any]:
        """Return the members in report form."""
        members: dict[str, Any] = {
            "accountId": self.account_id,
            "accountName": self.name,
            "regionsScanned": len(self.scanned),
            "regionsWithServers": sorted(self.with_servers),
            "regionsFailed": sorted(self.failed),
            "totalServers": self.counts.servers,
            "totalSynced": self.counts.synced,
            "totalFailed": self.counts.failed,
            "totalSkipped": self.counts.skipped,
        }
        if self.refused is not None:
            members["error"] = f"{self.refused.code}: {self.refused.message}"
        return members


def planned_json(scans: Iterable[TagScan]) -> dict[str, Any]:
    """Return what a dry run would write: the first thousand servers, and of how many."""
    planned: list[Mapping[str, Any]] = [entry for scan in scans for entry in scan.results.planned]
    planned.sort(key=lambda entry: (entry["accountId"], entry["region"], entry["sourceServerID"]))
    return {"planned": planned[:_MAX_PLANNED], "plannedTotal": len(planned)}
