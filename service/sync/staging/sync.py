"""The staging sync: extend into each target what its staging accounts replicate, in active regions only."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from service.accounts.records import Account, unusable_staging
from service.accounts.staging import adopt_discovered
from service.accounts.table import TargetAccountsTable
from service.aws.client import AccountSession
from service.context import RunContext, SyncRequest
from service.errors import RefusalError
from service.models import Coverage, Problem, RegionStatus, Scope
from service.regions.scan_requests import ScanRequests
from service.regions.selection import RegionSource, Selection
from service.regions.status_rows import Observation
from service.sync.engine.outcome import ScopeResult
from service.sync.engine.recording import RegionRecorder, failed_observation, unscanned_observation
from service.sync.engine.report import Progress, planned_members
from service.sync.engine.runner import run
from service.sync.engine.sync import Deps, Run, ScopeScan, Sync
from service.sync.staging.scan import COUNTS, ScanTools, StagingScan, planned_json
from service.sync.staging_access import StagingAccess, staging_context

__all__ = ["COUNTS", "OPERATION", "StagingSync", "auto_extend_staging_servers"]

OPERATION: Final = "sync_staging_accounts"
_log: Final = logging.getLogger(__name__)


async def auto_extend_staging_servers(
    deps: Deps,
    target_accounts: Collection[str] = (),
    active_regions: Collection[str] = (),
    *,
    request: SyncRequest | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Extend the servers that staging accounts replicate and their targets lack: one run of the staging sync.

    Args:
        deps: what every run works with.
        target_accounts: the targets; empty for all.
        active_regions: where; empty: in the active regions, by region status, and everywhere without one.
        request: what else is requested.
        progress: is told of each scope.

    Returns:
        The report of the run.

    Raises: as `service.sync.engine.runner.run`.
    """
    given = replace(request or SyncRequest(), accounts=tuple(target_accounts), regions=tuple(active_regions))
    return await run(StagingSync(), given, deps, progress)


class StagingSync(Sync):
    """One run of the staging sync."""

    operation = OPERATION
    counts = COUNTS
    # Extending the most that a staging account can hold (300) takes a minute at the rate that DRS calls start with.
    deadline_factor = 3.0

    def __init__(self) -> None:
        self._reported: dict[str, set[str]] = {}  # target -> staging accounts that DRS names
        self._extended: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._entered: set[str] = set()
        self._errors: dict[str, str] = {}  # target -> its first problem
        self._skipped: dict[str, str] = {}  # target into which nothing is extended -> why
        self._planned: list[dict[str, str]] = []
        self._added: dict[str, list[str]] = {}
        self._recorder: RegionRecorder | None = None
        self._tools: ScanTools

    async def select(self, request: SyncRequest, deps: Deps) -> RunContext:
        """Select active scopes of targets that have staging accounts, or where DRS may name some.

        An empty region status table is filled: then every scope is selected.
        """
        context = await staging_context(deps, request, operation=self.operation, writes=True)
        if _fills_status(context.selection, request):
            return context
        return replace(context, selection=_with_work(context.selection, context))

    async def start(self, run: Run) -> None:
        """Report staging accounts that no call can name, and a hub into which nothing is extended."""
        self._tools = _scan_tools(run)
        if _fills_status(run.context.selection, run.request):
            self._recorder = RegionRecorder(run)
            await self._recorder.begin()
        for account_id in sorted(run.context.accounts):
            for why in run.context.directory.targets[account_id].unusable_staging:
                problem = unusable_staging(account_id, why)
                run.report.problem(problem)
                self._errors.setdefault(account_id, f"{problem.code}: {why}")
        self._skip_hub(run)

    def scan(self, scope: Scope, session: AccountSession, run: Run) -> ScopeScan:
        """Make the staging scan of one target and region."""
        account = run.context.directory.targets[scope.account_id]
        is_hub = _is_hub(run.context, account)
        if not is_hub:
            self._entered.add(scope.account_id)
        return StagingScan(
            scope,
            account,
            run.deps.drs(session),
            self._tools,
            is_known=run.is_known_active(scope),
            counts_servers=self._recorder is not None,
            extends=not is_hub,
        )

    async def collect(self, result: ScopeResult, scan: ScopeScan | None, run: Run) -> None:
        """Sum up by target account."""
        target = result.scope.account_id
        self._extended[target] += result.counts.get("serversExtended", 0)
        self._failed[target] += result.counts.get("serversFailed", 0) + result.counts.get("serversHeldBack", 0)
        problem = result.failure or next(iter(result.problems), None)
        if problem is not None and result.coverage is not Coverage.SKIPPED:
            self._errors.setdefault(target, f"{problem.code}: {problem.message}")
        found = scan if isinstance(scan, StagingScan) else None
        if self._recorder is not None:
            await self._recorder.add(result.scope, _observation_of(result, found, run))
        if found is not None:
            if found.reported:
                self._reported.setdefault(target, set()).update(found.reported)
            if run.request.dry_run:
                self._planned.extend(planned_json(found.plans))

    async def finish(self, run: Run) -> Mapping[str, Any]:
        """Add the staging accounts that DRS reports to the records, if the settings say so; report by account."""
        if run.deps.settings.adopt_staging_accounts and not run.request.dry_run:
            for target, reported in sorted(self._reported.items()):
                await self._add_reported(target, sorted(reported), run)
        if self._recorder is not None:
            try:
                await self._recorder.finish()
            finally:
                run.deps.status.invalidate()
        targets: Mapping[str, Account] = run.context.directory.targets
        return {
            "dryRun": run.request.dry_run,
            "totalAccounts": len(run.context.accounts),
            "accountsProcessed": len({target for target in self._entered if targets[target].staging}),
            "details": [
                self._details(targets[target])
                for target in sorted({*self._errors, *self._skipped, *(+self._extended), *(+self._failed)})
            ],
            "accountsSkipped": [_skipped_json(targets[target], why) for target, why in sorted(self._skipped.items())],
            "stagingAccountsFound": {target: sorted(found) for target, found in sorted(self._reported.items())},
            "stagingAccountsAdded": {target: added for target, added in sorted(self._added.items()) if added},
            **(planned_members(self._planned) if run.request.dry_run else {}),
        }

    def _details(self, account: Account) -> dict[str, Any]:
        details: dict[str, Any] = {
            "accountId": account.account_id,
            "accountName": account.name,
            "serversExtended": self._extended[account.account_id],
            "serversFailed": self._failed[account.account_id],
        }
        notes = {"error": self._errors, "skipped": self._skipped}
        return details | {
            name: texts[account.account_id] for name, texts in notes.items() if account.account_id in texts
        }

    def _skip_hub(self, run: Run) -> None:
        """Say of a hub that has staging accounts, or was requested by name, that nothing is extended into it."""
        request, targets = run.request, run.context.directory.targets
        named = {*request.accounts, *(scope.account_id for scope in request.scopes)}
        for account_id in sorted(run.context.accounts):
            account = targets[account_id]
            has_staging = account.staging or account.unusable_staging
            if not _is_hub(run.context, account) or not (has_staging or account_id in named):
                continue
            why = f"{account_id} is the hub: nothing is extended into it"
            self._skipped[account_id] = why
            fix = "make another account the target of its staging accounts" if has_staging else "name another target"
            run.report.warn(Problem("HubNotSynced", why, RegionStatus.ACTIVE, account_id=account_id, advice=fix))
            _log.info("account skipped", extra={"accountId": account_id, "reason": why})

    async def _add_reported(self, target: str, reported: list[str], run: Run) -> None:
        """Add staging accounts that DRS reports to the target's record."""
        change, added = adopt_discovered(reported, target, partition=run.context.identity.partition, now=run.started_at)
        table_name = run.deps.settings.target_accounts_table
        table = TargetAccountsTable(run.deps.table(table_name))

        async def write() -> None:
            try:
                await table.change_staging(target, change, now=run.started_at)
            except RefusalError as refusal:
                run.report.problem(_record_problem(refusal, target, table_name))
            else:
                self._added[target] = list(added)

        if problem := await run.record(f"the record of {target}", write):
            run.report.problem(replace(problem, account_id=target))


def _scan_tools(run: Run) -> ScanTools:
    deps = run.deps
    requests = ScanRequests.into(deps.status)

    async def request_scan(scope: Scope) -> Problem | None:
        return await run.record(f"the row of {scope.region}", lambda: requests.request(scope, deps.now()))

    return ScanTools(
        access=StagingAccess(deps, run.context.access),
        known_servers=run.known_count,
        request_scan=request_scan,
        now=deps.now,
        servers_per_region=deps.settings.servers_per_region,
        concurrency=deps.settings.extensions_at_once,
        adopts_reported=deps.settings.adopt_staging_accounts,
        dry_run=run.request.dry_run,
    )


def _fills_status(selection: Selection, request: SyncRequest) -> bool:
    """Whether the run counts servers in every scope, so that the next one can filter regions.

    Only where the table was read and is empty: one that is merely unavailable may hold counts that are better known,
    and the inventory sync is who continues a full scan that was cut short.
    """
    is_empty = selection.source is RegionSource.FALLBACK_EMPTY
    return is_empty and request.covers_all_accounts and not request.dry_run


def _with_work(selection: Selection, context: RunContext) -> Selection:
    """Leave out scopes in which nothing could be extended: those of a hub, and of targets without staging accounts."""
    targets = context.directory.targets
    hubs = {account_id for account_id in context.accounts if _is_hub(context, targets[account_id])}

    def has_work(scope: Scope) -> bool:
        return bool(targets[scope.account_id].staging) or scope in selection.known_active

    candidates = [scope for scope in (*selection.scopes, *selection.skipped) if scope.account_id not in hubs]
    return replace(
        selection,
        scopes={
            scope: selection.scopes[scope] for scope in candidates if scope in selection.scopes and has_work(scope)
        },
        skipped=tuple(scope for scope in candidates if scope not in selection.scopes and has_work(scope)),
        left_out=tuple(sorted(scope for scope in candidates if not has_work(scope))),
    )


def _observation_of(result: ScopeResult, scan: StagingScan | None, run: Run) -> Observation | None:
    """Return what a scan says for the region status table; None where there is nothing to say."""
    if scan is not None:
        return scan.observation or failed_observation(result, scan.started_at)
    return unscanned_observation(result, run)


def _is_hub(context: RunContext, account: Account) -> bool:
    return account.is_hub or account.account_id == context.identity.account_id


def _skipped_json(account: Account, why: str) -> dict[str, Any]:
    return {
        "accountId": account.account_id,
        "accountName": account.name,
        "reason": why,
        "stagingAccounts": sorted(account.staging),
    }


def _record_problem(refusal: RefusalError, target: str, table_name: str) -> Problem:
    """Make the problem of a record that was removed from the table while the run worked with it."""
    message = f"its staging accounts were not added to {table_name}: {refusal.message.partition(' Fix: ')[0]}"
    fix = f"none if it was removed on purpose while the sync ran; else add it again: drs-sync accounts add {target}"
    return Problem(refusal.code, message, RegionStatus.ERROR, account_id=target, advice=fix)
