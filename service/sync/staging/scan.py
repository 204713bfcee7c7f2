"""The staging scan of one target and region: read what its staging accounts have and it lacks, and extend that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from service.accounts.records import Account
from service.aws.drs import DrsReads
from service.aws.drs_write import DrsWriter
from service.errors import AwsError
from service.fanout import fan_out
from service.models import Problem, RegionStatus, Scope
from service.sync.engine.outcome import ScopeResult, outcome_of, scope_problem, unconfirmed_empty
from service.sync.engine.sync import ScopeScan
from service.sync.extension_plan import Pair, Plan, within_quota
from service.sync.extensions import read_pair
from service.sync.staging.extend import Extension

__all__ = ["COUNTS", "ScanTools", "StagingScan", "planned_json"]

COUNTS: Final = (
    "serversExtended",
    "serversAlreadyExtended",
    "serversFailed",
    "serversVanished",
    "serversHeldBack",
    "serversPlanned",
)
"""What a staging scan counts, by the report's names."""

_PAIRS_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class ScanTools:
    """What every staging scan of a run shares.

    Attributes:
        drs_of: DRS of a staging account.
        known_servers: how many source servers a scope is known to hold; None where that is not known.
        request_scan: has the inventory sync scan a scope soon; returns what went wrong.
        servers_per_region: DRS quota of source servers per account and region.
        concurrency: servers of a pair that are extended at the same time.
    """

    drs_of: Callable[[str], Awaitable[DrsReads]]
    known_servers: Callable[[Scope], int | None]
    request_scan: Callable[[Scope], Awaitable[Problem | None]]
    servers_per_region: int
    concurrency: int
    dry_run: bool


class StagingScan(ScopeScan):
    """One target and region under way.

    Attributes:
        plans: what there is to extend, by staging account; empty until that is read.
        reported: staging accounts that DRS names and the target's record does not hold.
    """

    def __init__(
        self, scope: Scope, account: Account, drs: DrsReads, writer: DrsWriter, tools: ScanTools, *, is_known: bool
    ) -> None:
        super().__init__(scope)
        self.plans: list[Plan] = []
        self.reported: frozenset[str] = frozenset()
        self._account = account
        self._drs = drs
        self._writer = writer
        self._tools = tools
        self._is_known = is_known
        self._answers = 0
        self._planned = 0
        self._extensions: list[Extension] = []

    @property
    def extended(self) -> int:
        """How many servers this run has extended here."""
        return sum(each.counts.extended for each in self._extensions)

    async def run(self) -> None:
        """Bring the target up to date. Raises AwsError when DRS of the target cannot be read."""
        staging = await self._staging_accounts()
        if staging is None:
            return
        async with fan_out(sorted(staging), self._read, concurrency=_PAIRS_AT_ONCE) as plans:
            self.plans = sorted([plan async for plan in plans], key=lambda plan: plan.pair)
        for plan in self.plans:
            self._planned += len(plan.extend)
            if plan.held_back is None:
                self._answers += 1
            else:
                self.problems.append(plan.held_back)
        if not self._tools.dry_run:
            await self._extend()

    async def close(self) -> None:
        """Have the inventory sync scan what was extended, where it would not before discovery has its turn."""
        if self.extended and not self._is_known:
            problem = await self._tools.request_scan(self.scope)
            self.warnings += [problem] if problem else []

    def result(self, failure: Problem | None, *, known: bool, seconds: float) -> ScopeResult:
        """Say what came of the scan; its servers are those that were to be extended."""
        return outcome_of(
            self.scope,
            failure=failure,
            known=known,
            answered=bool(self._answers or self.extended),
            servers=self._planned,
            counts=self._counts(),
            problems=[*self.problems, *(problem for each in self._extensions for problem in each.counts.problems)],
            warnings=self.warnings,
            seconds=seconds,
        )

    def _counts(self) -> dict[str, int]:
        """Count by the report's names; what was planned and not tried is held back, unless nothing was to be."""
        counts = dict.fromkeys(COUNTS, 0)
        for each in self._extensions:
            for name, count in each.counts.counts.items():
                counts[name] += count
        if not self._tools.dry_run:
            counts["serversHeldBack"] += self._planned - sum(counts.values())
        return {**counts, "serversPlanned": self._planned}

    async def _staging_accounts(self) -> set[str] | None:
        """Return the staging accounts of the target in this region; None where DRS is not in use.

        Raises:
            AwsError: DRS could not be read; a permission that is missing for this call alone is only a warning.
        """
        known = set(self._account.staging)
        try:
            listed = set(await self._drs.staging_accounts(self.scope.region))
        except AwsError as error:
            if error.is_drs_uninitialized:
                self._answers += 1
                if count := self._tools.known_servers(self.scope):
                    self.problems.append(unconfirmed_empty(error, self.scope, count))
                return None
            if error.error_class.status is not RegionStatus.IAM_PERMISSION_DENIED or not known:
                raise
            self.warnings.append(scope_problem(error, self.scope))
            return known
        self.reported = frozenset(listed - known - self._account.removed_staging - {self._account.account_id})
        self._answers += 1
        return known | self.reported

    async def _read(self, staging_id: str) -> Plan:
        pair = Pair(self.scope.account_id, staging_id, self.scope.region)
        return await read_pair(pair, self._drs, lambda: self._tools.drs_of(staging_id))

    async def _extend(self) -> None:
        quota = self._tools.servers_per_region
        plans, left_over = within_quota(self.plans, current=self._tools.known_servers(self.scope), quota=quota)
        if left_over:
            self.problems.append(_quota_problem(self.scope, left_over, quota))
        is_full = left_over > 0
        for plan in plans:
            if not plan.extend or (is_full and not left_over):
                continue
            extension = Extension(plan, self._drs, self._writer)
            self._extensions.append(extension)
            await extension.apply(concurrency=self._tools.concurrency)
            is_full = is_full or extension.counts.is_full


def _quota_problem(scope: Scope, left_over: int, quota: int) -> Problem:
    return Problem(
        "ServiceQuotaExceeded",
        f"{left_over} servers do not fit: an account holds {quota} source servers per region",
        RegionStatus.ERROR,
        "drs",
        "CreateExtendedSourceServer",
        scope.account_id,
        scope.region,
        "raise the quota L-E28BE5E0 and SERVERS_PER_REGION with it, or extend into another target account",
    )


def planned_json(plans: Sequence[Plan]) -> list[dict[str, str]]:
    """Return the servers of plans as a dry run lists them."""
    return [
        {
            "accountId": plan.pair.target,
            "stagingAccountId": plan.pair.staging,
            "region": plan.pair.region,
            "sourceServerArn": arn,
        }
        for plan in plans
        for arn in plan.extend
    ]
