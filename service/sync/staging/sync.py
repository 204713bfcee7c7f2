"""The staging sync: extend into each target what its staging accounts replicate, in active regions only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import anyio

from service.accounts.records import Account
from service.accounts.staging import adopt_discovered
from service.accounts.table import TargetAccountsTable
from service.aws.call_counter import counting_calls
from service.aws.client import AccountSession, AwsClient
from service.aws.drs import DrsReader
from service.aws.drs_write import DrsWriter
from service.aws.dynamodb_write import Table
from service.context import ContextLoader, RunContext, SyncRequest
from service.deadline import Deadline, Shutdown
from service.errors import AwsError, RefusalError
from service.fanout import fan_out
from service.models import Now, Problem, RegionStatus, Scope
from service.regions.selection import ScanReason, Selection, StatusUnavailable
from service.regions.status_writer import RegionStatusTable
from service.settings import Settings
from service.sync.engine.fan_out import Visiting
from service.sync.engine.outcome import Visit, account_problem, is_switched_off, scope_problem
from service.sync.engine.report import Progress, RunReport, run_facts
from service.sync.extension_plan import Pair, Plan, within_quota
from service.sync.extensions import Extension, apply_plan, read_pair
from service.sync.staging.scan import StagingScan

__all__ = ["COUNTS", "OPERATION", "StagingSync"]

OPERATION: Final = "sync_staging_accounts"
COUNTS: Final = (
    "serversExtended",
    "serversAlreadyExtended",
    "serversFailed",
    "serversVanished",
    "serversHeldBack",
    "serversPlanned",
)
# Extending the most that a staging account can hold (300) takes a minute at the rate DRS is first asked at.
_SCOPE_DEADLINES: Final = 3.0
_PAIRS_AT_ONCE: Final = 4
_MAX_PLANNED: Final = 1000  # servers a dry run lists


@dataclass(slots=True)
class _Run:
    """State of one run."""

    request: SyncRequest
    context: RunContext
    selection: Selection
    visiting: Visiting
    report: RunReport = field(default_factory=lambda: RunReport(COUNTS))
    reported: dict[str, set[str]] = field(default_factory=dict)  # target -> staging accounts that DRS names
    extended: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    entered: set[str] = field(default_factory=set)
    errors: dict[str, str] = field(default_factory=dict)
    planned: list[dict[str, str]] = field(default_factory=list)
    added: dict[str, list[str]] = field(default_factory=dict)


class StagingSync:
    """Extends staging servers and takes newly reported staging accounts into the records. One serves many runs."""

    def __init__(
        self,
        aws_client: AwsClient,
        settings: Settings,
        status: RegionStatusTable,
        now: Now,
        *,
        shutdown: Shutdown | None = None,
    ) -> None:
        self._aws_client = aws_client
        self._settings = settings
        self._status = status
        self._now = now
        self._shutdown = shutdown or Shutdown()
        self._context_loader = ContextLoader(aws_client, settings, status, now)

    async def run(self, request: SyncRequest, progress: Progress | None = None) -> dict[str, Any]:
        """Do one sync and give its report.

        Raises:
            ConfigurationError: the request or the settings are wrong; nothing was read or written.
            AwsError: the hub's credentials or the target accounts table cannot be used.
            OutOfTimeError: the time was up before it was known where to look; nothing was looked at.
        """
        began, started_at = anyio.current_time(), request.started_at or self._now()
        visiting = Visiting(
            Deadline(self._shutdown, request.remaining_s),
            _SCOPE_DEADLINES * self._settings.scope_deadline_seconds,
            self._settings.scopes_at_once,
            started_at,
        )
        with counting_calls() as call_counter:
            run = await visiting.deadline.run_essential(lambda: self._plan(request, visiting))
            if progress is not None:
                progress.planned(run.selection, len({scope.account_id for scope in run.selection.scopes}))
            await self._visit_all(run, progress)
            for target, reported in sorted(run.reported.items()):
                await self._take_in(run, target, sorted(reported), started_at)
        facts = run_facts(
            OPERATION,
            run.selection,
            call_counter,
            started_at=started_at,
            duration_s=anyio.current_time() - began,
            scopes_at_once=self._settings.scopes_at_once,
        )
        return {**run.report.as_json(facts), **_of_accounts(run)}

    async def _plan(self, request: SyncRequest, visiting: Visiting) -> _Run:
        context = await self._context_loader.load(request, operation=OPERATION, discover=False, shared=True)
        look, left_out = dict[Scope, ScanReason](), list(context.selection.skipped)
        for scope, why in context.selection.scopes.items():
            account = context.directory.targets[scope.account_id]
            is_known = scope in context.selection.known_active
            # Without staging accounts there is nothing to extend; DRS may name some where servers are.
            if _is_hub(context, account):
                continue
            if account.staging or is_known:
                look[scope] = why
            else:
                left_out.append(scope)
        selection = replace(context.selection, scopes=look, skipped=tuple(sorted(left_out)))
        run = _Run(request, context, selection, visiting)
        run.report.problem(*context.problems)
        run.report.skip(selection.skipped)
        self._tell_unusable(run)
        _tell_hub(run)
        return run

    def _tell_unusable(self, run: _Run) -> None:
        """Tell of staging accounts that no call can name; they cost only themselves."""
        for account_id in sorted(run.context.accounts):
            for problem in run.context.directory.targets[account_id].unusable_staging:
                refusal = RefusalError("InvalidAccountRecord", problem)
                run.report.problem(_refused(refusal, account_id, self._settings.target_accounts_table))
                run.errors.setdefault(account_id, f"{refusal.code}: {problem}")

    async def _visit_all(self, run: _Run, progress: Progress | None) -> None:
        async def visit(scope: Scope) -> Visit:
            return await self._visit(run, scope)

        async with run.visiting.visits(run.selection.scopes, visit, progress) as visits:
            async for settled in visits:
                run.report.add(settled.looked)

    async def _visit(self, run: _Run, scope: Scope) -> Visit:
        """Bring one target and region up to date under its deadline; whatever goes wrong there stays there."""
        began, scan = anyio.current_time(), StagingScan(scope)

        async def work() -> Problem | None:
            try:
                await self._work(run, scan)
            except AwsError as error:
                return scope_problem(error, scope) if scan.entered else account_problem(error)
            return None

        failure = await run.visiting.in_time(scope, work)
        if scan.extended and scope not in run.selection.known_active:
            # The inventory sync would otherwise not look here before discovery has its turn.
            scan_requests = {scope.account_id: self._now()}
            unwritten = await run.visiting.write_down(
                f"the row of {scope.region}", lambda: self._status.record(scope.region, (), scan_requests=scan_requests)
            )
            scan.warnings += [unwritten] if unwritten else []
        counts = scan.counts(dry_run=run.request.dry_run)
        self._tally(run, scan, counts, failure)
        known = scope in run.selection.known_active
        return scan.judged(counts, failure, known=known, seconds=anyio.current_time() - began)

    async def _work(self, run: _Run, scan: StagingScan) -> None:
        scope = scan.scope
        session = await run.context.access.session(scope.account_id)
        scan.entered = True
        run.entered.add(scope.account_id)
        drs = DrsReader(session, page_size=self._settings.drs_page_size)
        account = run.context.directory.targets[scope.account_id]
        staging = await self._staging_of(run, scan, account, drs)
        if staging is None:
            return

        async def read(staging_id: str) -> Plan:
            return await self._read(run, Pair(scope.account_id, staging_id, scope.region), drs)

        async with fan_out(sorted(staging), read, concurrency=_PAIRS_AT_ONCE) as read_plans:
            plans = [plan async for plan in read_plans]
        await self._apply(run, scan, sorted(plans, key=lambda plan: plan.pair), drs, session)

    async def _staging_of(self, run: _Run, scan: StagingScan, account: Account, drs: DrsReader) -> set[str] | None:
        """Name the staging accounts of a target in a region; None where DRS is not in use.

        Raises:
            AwsError: DRS could not be asked; a permission that is missing for this call alone is only a warning.
        """
        known = set(account.staging)
        try:
            reported = set(await drs.staging_accounts(scan.scope.region))
        except AwsError as error:
            status = error.error_class.status
            if status is RegionStatus.NOT_INITIALIZED:
                scan.readable += 1
                return None
            if status is not RegionStatus.IAM_PERMISSION_DENIED or not known:
                raise
            scan.warnings.append(scope_problem(error, scan.scope))
            return known
        fresh = reported - known - account.removed_staging - {account.account_id}
        if fresh:
            run.reported.setdefault(account.account_id, set()).update(fresh)
        scan.readable += 1
        return known | fresh

    async def _read(self, run: _Run, pair: Pair, drs: DrsReader) -> Plan:
        async def staging_drs() -> DrsReader:
            session = await run.context.access.session(pair.staging)
            return DrsReader(session, page_size=self._settings.drs_page_size)

        return await read_pair(pair, drs, staging_drs)

    async def _apply(
        self, run: _Run, scan: StagingScan, plans: list[Plan], drs: DrsReader, session: AccountSession
    ) -> None:
        scope = scan.scope
        for plan in plans:
            scan.planned += len(plan.extend)
            scan.readable += plan.held_back is None
            if plan.held_back is not None:
                scan.unreadable += 1
                scan.problems.append(plan.held_back)
        if run.request.dry_run:
            _note_planned(run, plans)
            return
        plans, left_over = within_quota(
            plans, held=_known_servers(run.context, scope), most=self._settings.servers_per_region
        )
        full = left_over > 0
        if left_over:
            scan.problems.append(_full(scope, left_over, self._settings.servers_per_region))
        writer = DrsWriter(session)
        for plan in plans:
            if not plan.extend or (full and not left_over):
                continue
            done = Extension()
            scan.extensions.append(done)
            await apply_plan(plan, drs, writer, done, concurrency=self._settings.extensions_at_once)
            full = full or done.full

    def _tally(self, run: _Run, scan: StagingScan, counts: Mapping[str, int], failure: Problem | None) -> None:
        target = scan.scope.account_id
        run.extended[target] += counts["serversExtended"]
        run.failed[target] += counts["serversFailed"] + counts["serversHeldBack"]
        problem = failure or next(iter(scan.all_problems()), None)
        if problem is not None and not (failure and is_switched_off(failure)):
            run.errors.setdefault(target, f"{problem.code}: {problem.message}")

    async def _take_in(self, run: _Run, target: str, reported: list[str], now: datetime) -> None:
        """Put staging accounts that DRS reports into the target's record."""
        change, added = adopt_discovered(reported, target, partition=run.context.identity.partition, now=now)
        if run.request.dry_run:
            run.added[target] = reported
            return
        name = self._settings.target_accounts_table
        table = TargetAccountsTable(Table(self._aws_client.hub(), name, self._aws_client.hub_region))

        async def write() -> None:
            try:
                await table.change_staging(target, change, now=now)
            except RefusalError as refusal:
                run.report.problem(_refused(refusal, target, name))
            else:
                run.added[target] = list(added)

        if problem := await run.visiting.write_down(f"the record of {target}", write):
            run.report.problem(replace(problem, account_id=target))


def _is_hub(context: RunContext, account: Account) -> bool:
    return account.is_hub or account.account_id == context.identity.account_id


def _tell_hub(run: _Run) -> None:
    """Say of a hub that was asked for by name why nothing of it was looked at."""
    request = run.request
    for account_id in sorted({*request.accounts, *(scope.account_id for scope in request.scopes)}):
        if _is_hub(run.context, run.context.directory.targets[account_id]):
            why = f"{account_id} is the hub: nothing is extended into it, so none of its regions was looked at"
            advice = "ask for another target account"
            run.report.warn(Problem("HubNotSynced", why, RegionStatus.ACTIVE, account_id=account_id, advice=advice))


def _known_servers(context: RunContext, scope: Scope) -> int | None:
    if isinstance(context.rows, StatusUnavailable):
        return None
    for row in context.rows:
        if row.region == scope.region and scope.account_id in row.accounts:
            return row.accounts[scope.account_id].server_count
    return None


def _note_planned(run: _Run, plans: list[Plan]) -> None:
    for plan in plans:
        pair, room = plan.pair, max(0, _MAX_PLANNED - len(run.planned))
        run.planned.extend(
            {
                "accountId": pair.target,
                "stagingAccountId": pair.staging,
                "region": pair.region,
                "sourceServerArn": arn,
            }
            for arn in plan.extend[:room]
        )


def _full(scope: Scope, left_over: int, most: int) -> Problem:
    return Problem(
        "ServiceQuotaExceeded",
        f"{left_over} servers do not fit: an account holds {most} source servers per region",
        RegionStatus.ERROR,
        "drs",
        "CreateExtendedSourceServer",
        scope.account_id,
        scope.region,
        "raise the quota L-E28BE5E0 and SERVERS_PER_REGION with it, or extend into another target account",
    )


def _refused(refusal: RefusalError, target: str, table_name: str) -> Problem:
    advice = f"mend the record of {target} in {table_name}"
    return Problem(refusal.code, refusal.message, RegionStatus.ERROR, account_id=target, advice=advice)


def _of_accounts(run: _Run) -> dict[str, Any]:
    """Give what the platform's callers know of a staging sync, account by account."""
    targets: Mapping[str, Account] = run.context.directory.targets
    worked = sorted({*run.errors, *(+run.extended), *(+run.failed)})
    details = []
    for target in worked:
        entry: dict[str, Any] = {
            "accountId": target,
            "accountName": targets[target].name,
            "serversExtended": run.extended[target],
            "serversFailed": run.failed[target],
        }
        details.append(entry | ({"error": run.errors[target]} if target in run.errors else {}))
    more: dict[str, Any] = {"planned": run.planned} if run.request.dry_run else {}
    return {
        "dryRun": run.request.dry_run,
        "totalAccounts": len(run.context.accounts),
        "accountsProcessed": len({target for target in run.entered if targets[target].staging}),
        "details": details,
        "stagingAccountsAdded": {target: added for target, added in sorted(run.added.items()) if added},
        **more,
    }
