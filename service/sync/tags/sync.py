"""The tag sync: EC2 tags to DRS source servers, at the places that have some; only what differs is written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import anyio

from service.aws.call_counter import counting_calls
from service.aws.client import AwsClient
from service.aws.drs import DrsReader
from service.aws.drs_write import DrsWriter
from service.aws.ec2 import Ec2Reader
from service.context import ContextLoader, RunContext, SyncRequest
from service.deadline import Deadline, Shutdown
from service.errors import AwsError
from service.fanout import fan_out
from service.models import Now, Problem, Scope
from service.regions.selection import RegionSource
from service.regions.status_rows import FullScanMark
from service.regions.status_writer import RegionStatusTable
from service.settings import Settings
from service.sync.engine.fan_out import Visiting
from service.sync.engine.outcome import Visit, account_problem
from service.sync.engine.report import Progress, RunReport, run_facts
from service.sync.tags.outcome import Tally
from service.sync.tags.report import AccountResult, is_unanswered, judge_scope, observations_of, planned_json
from service.sync.tags.scan import ScanTools, TagScan
from service.sync.tags.state import TagState

__all__ = ["COUNTS", "OPERATION", "TagSync"]

OPERATION: Final = "sync_tags"
COUNTS: Final = tuple(Tally().counts)
"""What a tag sync counts, by the report's names; in a dry run: what it would count."""

# A look is a call or two; 300 new servers are 900 calls, which take three minutes at the pace DRS calls start with.
_DEADLINES: Final = 5
_ROWS_AT_ONCE: Final = 8


@dataclass(slots=True)
class _Run:
    """State of one run."""

    request: SyncRequest
    context: RunContext
    tools: ScanTools
    started_at: datetime
    visiting: Visiting
    report: RunReport = field(default_factory=lambda: RunReport(COUNTS))
    scans: dict[Scope, TagScan] = field(default_factory=dict)
    accounts: dict[str, AccountResult] = field(default_factory=dict)
    unanswered: int = 0

    def book(self, visit: Visit) -> None:
        """Count one place."""
        looked, scan = visit.looked, self.scans.get(visit.looked.scope)
        self.report.add(looked)
        self.accounts[looked.scope.account_id].book(looked, scan)
        self.unanswered += is_unanswered(looked, scan)

    def total(self) -> Tally:
        """Sum up all accounts."""
        total = Tally()
        for account in self.accounts.values():
            total.add(account.tally)
        return total


class TagSync:
    """Brings the tags of source servers up to date. One instance serves many runs; it takes no lock."""

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

    async def run(
        self,
        request: SyncRequest,
        progress: Progress | None = None,
        *,
        source: str = "manual",
        state: TagState | None = None,
    ) -> dict[str, Any]:
        """Do one sync, store its result and give its report.

        Args:
            request: what to sync; a dry run says what it would write.
            progress: told how the run gets on.
            source: what started it: manual, eventbridge or settings_update; stored with the result.
            state: where the lock was taken, if it was: what the run writes there stands back behind later holders.

        Raises:
            ConfigurationError: the request or the settings are wrong; nothing was read or written.
            AwsError: the hub's credentials or the target accounts table cannot be used.
            OutOfTimeError: the time was up before it was known where to look; nothing was looked at.
            LeaseLostError: another run has taken the lock and written since.
        """
        state = state or TagState.of(self._aws_client, self._settings, self._now)
        began, started_at = anyio.current_time(), request.started_at or self._now()
        visiting = Visiting(
            Deadline(self._shutdown, request.remaining_s),
            _DEADLINES * self._settings.scope_deadline_seconds,
            self._settings.scopes_at_once,
            started_at,
        )
        with counting_calls() as call_counter:
            run = await visiting.deadline.run_essential(lambda: self._plan(request, started_at, visiting, state))
            selection = run.context.selection
            if progress is not None:
                progress.planned(selection, len({scope.account_id for scope in selection.scopes}))
            await self._look_everywhere(run, progress)
            if not request.dry_run:
                await self._write_down(run, "what was learned of regions", lambda: self._teach_status_table(run))
                if request.shard is None:  # else it is only a part of the result
                    await self._write_down(run, "the result", lambda: self._store(run, source))
        facts = run_facts(
            OPERATION,
            selection,
            call_counter,
            started_at=started_at,
            duration_s=anyio.current_time() - began,
            scopes_at_once=self._settings.scopes_at_once,
        )
        return {
            **run.report.as_json(facts),
            "dryRun": request.dry_run,
            "accountResults": [account.as_json() for account in run.accounts.values()],
            **(planned_json(run.scans.values()) if request.dry_run else {}),
        }

    async def _plan(self, request: SyncRequest, started_at: datetime, visiting: Visiting, state: TagState) -> _Run:
        context = await self._context_loader.load(request, operation=OPERATION, discover=False)

        async def ec2_of(account_id: str) -> Ec2Reader:
            return Ec2Reader(await context.access.session(account_id))

        run = _Run(
            request=request,
            context=context,
            tools=ScanTools(ec2_of, state, self._now, request.dry_run),
            started_at=started_at,
            visiting=visiting,
            accounts={
                account_id: AccountResult(account_id, context.directory.targets[account_id].name)
                for account_id in sorted(context.accounts)
            },
        )
        run.report.problem(*context.problems)
        run.report.skip(context.selection.skipped)
        return run

    async def _look_everywhere(self, run: _Run, progress: Progress | None) -> None:
        async def visit(scope: Scope) -> Visit:
            return await self._visit(run, scope)

        async with run.visiting.visits(run.context.selection.scopes, visit, progress) as visits:
            async for settled in visits:
                run.book(settled)

    async def _visit(self, run: _Run, scope: Scope) -> Visit:
        """Sync one place under its deadline; whatever goes wrong there stays there."""
        began, scan = anyio.current_time(), None

        async def work() -> Problem | None:
            nonlocal scan
            try:
                session = await run.context.access.session(scope.account_id)
            except AwsError as error:
                run.accounts[scope.account_id].refused = account_problem(error)
                return run.accounts[scope.account_id].refused
            drs = DrsReader(session, page_size=self._settings.drs_page_size)
            scan = run.scans[scope] = TagScan(scope, drs, DrsWriter(session), run.tools)
            await scan.run()
            return None

        failure = await run.visiting.in_time(scope, work)
        if scan is not None:
            await scan.close()
        known = scope in run.context.selection.known_active
        return judge_scope(scope, scan, failure, known=known, seconds=anyio.current_time() - began)

    async def _teach_status_table(self, run: _Run) -> None:
        """Note how many servers there are, where the run looked everywhere: the next one can then choose.

        The notes are written at the end, between a mark that a run over every region is under way and its removal. So
        neither a killed run nor a place that could not be read makes the table look complete: the mark stays, and the
        next run goes on with the places that are not noted yet.
        """
        selection, observations = run.context.selection, observations_of(run.scans.values())
        if not observations or not (selection.source.is_fallback or selection.source is RegionSource.FULL_SCAN):
            return
        known_accounts = run.context.known_accounts

        async def record(region: str, full_scan_mark: FullScanMark | None = None) -> None:
            await self._status.record(
                region, observations[region], known_accounts=known_accounts, full_scan_mark=full_scan_mark
            )

        first, *others = sorted(observations)
        marks = selection.source.is_fallback
        try:
            await record(first, FullScanMark(run.started_at) if marks else None)
            async with fan_out(others, record, concurrency=_ROWS_AT_ONCE) as written:
                async for _ in written:
                    pass
            if marks and run.request.covers_all_accounts and not run.unanswered:
                await self._status.record(first, (), full_scan_mark=FullScanMark(run.started_at, ended=True))
        finally:
            self._status.invalidate()

    async def _write_down(self, run: _Run, what: str, work: Callable[[], Awaitable[None]]) -> None:
        if problem := await run.visiting.write_down(what, work):
            run.report.warn(problem)  # the tags are written all the same

    async def _store(self, run: _Run, source: str) -> None:
        total = run.total()
        await run.tools.state.finish(
            source=source,
            accounts=len(run.accounts),
            synced=total.synced,
            failed=total.failed,
            servers=total.servers,
            complete=not run.report.problems,
        )
