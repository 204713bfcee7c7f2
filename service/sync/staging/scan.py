"""The staging scan of one target and region: read what its staging accounts have and it lacks, and extend that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from service.accounts.records import Account
from service.aws.drs import DrsReads
from service.errors import AwsError, unconfirmed_empty
from service.fanout import fan_out
from service.inventory.server import name_of_record
from service.models import Now, OddRecord, Problem, RegionStatus, Scope
from service.regions.status_rows import Observation
from service.sync.engine.outcome import ScopeResult, outcome_of, scope_problem
from service.sync.engine.sync import ScopeScan
from service.sync.extension_plan import Pair, Plan, within_quota
from service.sync.extensions import read_pair
from service.sync.staging.extend import Extension
from service.sync.staging_access import StagingAccess

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
        access: to target and staging accounts.
        known_servers: how many source servers a scope is known to hold; None where that is not known.
        request_scan: has the inventory sync scan a scope soon; returns what went wrong.
        now: wall clock.
        servers_per_region: DRS quota of source servers per account and region.
        concurrency: servers of a pair that are extended at the same time.
        adopts_reported: extend also from staging accounts that only DRS names.
    """

    access: StagingAccess
    known_servers: Callable[[Scope], int | None]
    request_scan: Callable[[Scope], Awaitable[Problem | None]]
    now: Now
    servers_per_region: int
    concurrency: int
    adopts_reported: bool
    dry_run: bool


class StagingScan(ScopeScan):
    """One target and region under way.

    Attributes:
        plans: what there is to extend, by staging account; empty until that is read.
        reported: staging accounts that DRS names and the target's record neither holds nor lists as removed.
        observation: how many servers the target has, for region status; None unless they were counted completely.

    Args:
        scope: the target and the region.
        account: the target.
        drs: its DRS, to read.
        tools: shared by the run.
        is_known: servers were known here before.
        counts_servers: count the target's servers first, for region status.
        extends: extend servers; a hub's are only counted.
    """

    def __init__(
        self,
        scope: Scope,
        account: Account,
        drs: DrsReads,
        tools: ScanTools,
        *,
        is_known: bool,
        counts_servers: bool = False,
        extends: bool = True,
    ) -> None:
        super().__init__(scope)
        self.started_at = tools.now()
        self.plans: list[Plan] = []
        self.reported: frozenset[str] = frozenset()
        self.observation: Observation | None = None
        self._account = account
        self._drs = drs
        self._tools = tools
        self._is_known = is_known
        self._counts_servers = counts_servers
        self._extends = extends
        self._answers = 0
        self._planned = 0
        self._extensions: list[Extension] = []

    @property
    def extended(self) -> int:
        """How many servers this run has extended here."""
        return sum(each.counts.extended for each in self._extensions)

    async def run(self) -> None:
        """Bring the target up to date. Raises AwsError when DRS of the target cannot be read."""
        if self._counts_servers:
            self.observation = await self._count_servers()
            if self.observation.status is RegionStatus.NOT_INITIALIZED:
                return
        staging = await self._staging_accounts() if self._extends else None
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
        """Say what came of the scan; its servers are those that are extended now and were not before."""
        counts = self._counts()
        return outcome_of(
            self.scope,
            failure=failure,
            known=known,
            answered=bool(self._answers or self.extended),
            servers=counts["serversExtended"] + counts["serversAlreadyExtended"],
            counts=counts,
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

    async def _count_servers(self) -> Observation:
        """Count the target's servers, as the inventory sync does. Raises AwsError unless the last page was read."""
        status, servers, unusable = RegionStatus.ACTIVE, set[str](), list[str]()
        try:
            async with aclosing(self._drs.source_servers(self.scope.region)) as pages:
                async for page in pages:
                    servers |= {str(record.get("arn")) for record in page if not isinstance(record, OddRecord)}
                    unusable += [name_of_record(record) for record in page if isinstance(record, OddRecord)]
        except AwsError as error:
            if not error.is_drs_uninitialized or servers or unusable:
                raise
            status = RegionStatus.NOT_INITIALIZED
        self._answers += 1
        return Observation(
            self.scope.account_id,
            status,
            self.started_at,
            len(servers) + len(unusable),
            unusable=tuple(sorted(unusable)),
            reads_items=False,
        )

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
            if not error.error_class.status.is_denied or not known:
                raise
            self.warnings.append(scope_problem(error, self.scope))
            return known
        self.reported = frozenset(listed - known - self._account.removed_staging - {self._account.account_id})
        self._answers += 1
        if self._tools.adopts_reported:
            return known | self.reported
        # One server that was extended by hand is no request to extend the others of that account.
        self.warnings += [_unrecorded_problem(self.scope, staging_id) for staging_id in sorted(self.reported)]
        return known

    async def _read(self, staging_id: str) -> Plan:
        pair = Pair(self.scope.account_id, staging_id, self.scope.region)
        return await read_pair(pair, self._drs, self._tools.access)

    async def _extend(self) -> None:
        quota, observed = self._tools.servers_per_region, self.observation
        current = observed.server_count if observed is not None else self._tools.known_servers(self.scope)
        plans, left_over = within_quota(self.plans, current=current, quota=quota)
        if left_over:
            self.problems.append(_quota_problem(self.scope, left_over, quota))
        is_full = left_over > 0
        for plan in plans:
            if not plan.extend or (is_full and not left_over):
                continue
            extension = Extension(plan, self._tools.access)
            self._extensions.append(extension)
            await extension.apply(concurrency=self._tools.concurrency)
            is_full = is_full or extension.counts.is_full


def _unrecorded_problem(scope: Scope, staging_id: str) -> Problem:
    return Problem(
        "StagingAccountNotRecorded",
        f"DRS reports {staging_id} as a staging account of {scope.account_id}, whose record does not hold it: "
        "nothing is extended from it",
        RegionStatus.ACTIVE,
        "drs",
        "ListStagingAccounts",
        scope.account_id,
        scope.region,
        "to extend its servers run `drs-sync accounts add-staging "
        f"{scope.account_id} {staging_id} --name NAME --external-id ID`, or set ADOPT_STAGING_ACCOUNTS=true for all",
    )


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
