"""What the report of a tag sync says of accounts and plans, and its observations. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from service.models import Coverage, Problem, RegionStatus
from service.regions.status_rows import Observation
from service.sync.engine.outcome import ScopeResult
from service.sync.tags.results import TagCounts
from service.sync.tags.scan import TagScan

__all__ = ["AccountResult", "is_unanswered", "observation_of"]


def is_unanswered(result: ScopeResult, scan: TagScan | None) -> bool:
    """Tell whether it is still open how many servers there are, and may be known in the next run."""
    return not (scan and scan.is_read) and any(problem.status.is_transient for problem in result.problems)


def observation_of(scan: TagScan, *, fills_table: bool) -> Observation | None:
    """Return what a scope that was read to the end says for the status table; None where it says nothing.

    That there is nothing is left to the inventory sync, which has it confirmed where servers are known, and looks for
    servers that wait in staging accounts: a scope that this sync has scanned is no less due for that.

    Args:
        scan: the scan, of a scope that was read to the end.
        fills_table: the table is empty, so that no server is known. Then the result fills it.
    """
    servers = scan.results.counts.servers
    if not (servers or (fills_table and not scan.known_count)):
        return None
    return Observation(
        scan.scope.account_id,
        RegionStatus.NOT_INITIALIZED if scan.uninitialized else RegionStatus.ACTIVE,
        scan.started_at,
        servers,
        unusable=tuple(sorted(scan.unusable)),
        reads_items=False,
    )


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
            "totalPlanned": self.counts.planned,
        }
        if self.refused is not None:
            members["error"] = f"{self.refused.code}: {self.refused.message}"
        return members
