"""The inventory sync: choose places, look at all of them at once, keep both tables true, report."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import anyio

from service.aws.call_counter import counting_calls
from service.aws.client import AccountSession, AwsClient
from service.aws.drs import DrsReader
from service.aws.dynamodb_write import Table
from service.aws.ec2 import Ec2Reader
from service.context import ContextLoader, RunContext, SyncRequest
from service.deadline import Deadline, Shutdown
from service.errors import AwsError
from service.inventory.table import InventoryTable
from service.models import Now, Problem, Scope
from service.regions.known_accounts import KnownAccounts
from service.regions.selection import StatusUnavailable
from service.regions.status_rows import FullScanMark, Observation
from service.regions.status_writer import RegionStatusTable
from service.settings import Settings
from service.sync.engine.fan_out import Visiting
from service.sync.engine.outcome import COUNTS, Visit, account_problem, judge, observation_of, scope_problem
from service.sync.engine.report import Progress, RunReport, run_facts
from service.sync.inventory.rows import LookTools
from service.sync.inventory.scan import Look
from service.sync.inventory.staging_probe import find_waiting
from service.sync.inventory.templates import Templates
from service.topology.table import TopologyTable

__all__ = ["OPERATION", "InventorySync"]

OPERATION: Final = "sync_source_server_inventory"
_log: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class _Run:
    """State of one run."""

    request: SyncRequest
    context: RunContext
    tools: LookTools
    visiting: Visiting
    report: RunReport = field(default_factory=lambda: RunReport(COUNTS))
    open_looks: Counter[str] = field(default_factory=Counter)
    observations: dict[str, list[Observation]] = field(default_factory=dict)
    announced: set[Scope] = field(default_factory=set)
    marked_regions: set[str] = field(default_factory=set)
    unwritten_mark: FullScanMark | None = None


class InventorySync:
    """Keeps the inventory table and the region status table true. One instance serves many runs."""

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
        self._context_loader = ContextLoader(aws_client, settings, status, now)
        self._shutdown = shutdown or Shutdown()
        self._templates = Templates(now)

    async def run(self, request: SyncRequest, progress: Progress | None = None) -> dict[str, Any]:
        """Do one sync and give its report.

        Raises:
            ConfigurationError: the request or the settings are wrong; nothing was read or written.
            AwsError: the hub's credentials or the target accounts table cannot be used.
            OutOfTimeError: the time was up before it was known where to look; nothing was looked at.
        """
        self._settings.require("target_accounts_table", "source_server_inventory_table")
        began, started_at = anyio.current_time(), request.started_at or self._now()
        visiting = Visiting(
            Deadline(self._shutdown, request.remaining_s),
            self._settings.scope_deadline_seconds,
            self._settings.scopes_at_once,
            started_at,
        )
        with counting_calls() as call_counter:
            try:
                run = await visiting.deadline.run_essential(lambda: self._plan(request, started_at, visiting))
                if progress is not None:
                    progress.planned(
                        run.context.selection, len({scope.account_id for scope in run.context.selection.scopes})
                    )
                await self._mark_full_scan(run)
                await self._look_everywhere(run, progress)
                await self._tidy(run)
            finally:
                self._status.invalidate()
        facts = run_facts(
            OPERATION,
            run.context.selection,
            call_counter,
            started_at=started_at,
            duration_s=anyio.current_time() - began,
            scopes_at_once=self._settings.scopes_at_once,
        )
        return run.report.as_json(facts)

    async def _plan(self, request: SyncRequest, started_at: datetime, visiting: Visiting) -> _Run:
        context = await self._context_loader.load(request, operation=OPERATION, discover=True)
        name = self._settings.source_server_inventory_table
        table = Table(self._aws_client.hub(), name, self._aws_client.hub_region)
        inventory = InventoryTable(table)
        await inventory.check()

        async def ec2_of(account_id: str) -> Ec2Reader:
            return Ec2Reader(await context.access.session(account_id))

        async def announce(scopes: set[Scope]) -> None:
            await self._announce(run, scopes)

        async def source_templates(scope: Scope) -> Sequence[Mapping[str, Any]]:
            if scope.account_id not in context.accounts or not self._may_look(request, scope.region):
                return ()  # not ours to ask, or not in this run
            session = await context.access.session(scope.account_id)
            return await self._templates.of(scope, DrsReader(session, page_size=self._settings.drs_page_size))

        run = _Run(
            request=request,
            context=context,
            tools=LookTools(
                inventory,
                TopologyTable(table),
                ec2_of,
                self._settings,
                self._now,
                context.identity.partition,
                started_at,
                announce,
                self._templates,
                source_templates,
            ),
            visiting=visiting,
        )
        run.report.problem(*context.problems)
        run.report.skip(context.selection.skipped)
        run.open_looks.update(scope.region for scope in context.selection.scopes)
        return run

    def _may_look(self, request: SyncRequest, region: str) -> bool:
        """Whether a run may ask something of a region that was not chosen for its own sake."""
        if request.scopes or region in {*request.excluded_regions, *self._settings.drs_excluded_regions}:
            return False
        return region in (request.regions or self._settings.drs_regions)

    async def _look_everywhere(self, run: _Run, progress: Progress | None) -> None:
        async def visit(scope: Scope) -> Visit:
            return await self._visit(run, scope)

        async with run.visiting.visits(run.context.selection.scopes, visit, progress) as visits:
            async for settled in visits:
                await self._book(run, settled)

    async def _visit(self, run: _Run, scope: Scope) -> Visit:
        """Look at one place under its deadline; whatever goes wrong there stays there."""
        began, look = anyio.current_time(), None
        known = scope in run.context.selection.known_active

        async def work() -> Problem | None:
            nonlocal look
            try:
                session = await run.context.access.session(scope.account_id)
                look = Look(scope, DrsReader(session, page_size=self._settings.drs_page_size), run.tools)
                await look.run(had_servers=known)
                await self._probe_staging(run, look, session)
            except AwsError as error:
                return scope_problem(error, scope) if look is not None else account_problem(error)
            return None

        failure = await run.visiting.in_time(scope, work)
        return judge(scope, look, failure, known=known, seconds=anyio.current_time() - began)

    async def _probe_staging(self, run: _Run, look: Look, session: AccountSession) -> None:
        """Where a target has nothing, have the staging sync look when one of its staging accounts has something."""
        scope = look.scope
        target = run.context.directory.targets[scope.account_id]
        if look.seen.servers or not look.seen.listed_completely or target.is_hub or not target.staging:
            return

        async def drs_of(account_id: str) -> DrsReader:
            return DrsReader(await run.context.access.session(account_id), page_size=self._settings.drs_page_size)

        drs = DrsReader(session, page_size=self._settings.drs_page_size)
        waiting = await find_waiting(target, scope.region, drs, drs_of)
        look.seen.warnings += waiting.warnings
        if waiting.found:
            # Dated after the look, so that the look's own note, "nothing there", does not settle it.
            await self._status.record(scope.region, (), scan_requests={scope.account_id: self._now()})

    async def _book(self, run: _Run, visit: Visit) -> None:
        """Count a look, note it for the region's row, and write the row once the region's last look is in."""
        scope = visit.looked.scope
        run.report.add(visit.looked)
        if observation := observation_of(visit, run.context.selection, self._now()):
            run.observations.setdefault(scope.region, []).append(observation)
            if observation.server_count and scope.region not in {
                known.region for known in run.context.selection.known_active
            }:
                run.report.newly_active.add(scope.region)
        run.open_looks[scope.region] -= 1
        if run.open_looks[scope.region] == 0:
            await self._record(run, scope.region, run.observations.pop(scope.region, []))

    async def _record(self, run: _Run, region: str, observations: Sequence[Observation]) -> None:
        if not observations and run.context.known_accounts is None:
            return
        full_scan_mark, run.unwritten_mark = run.unwritten_mark, None
        if not await self._write_row(
            run, region, observations, known_accounts=run.context.known_accounts, full_scan_mark=full_scan_mark
        ):
            run.unwritten_mark = full_scan_mark
        if full_scan_mark is not None:
            run.marked_regions.add(region)
        if observations:
            failed = sum(1 for observation in observations if observation.server_count is None)
            servers = sum(observation.server_count or 0 for observation in observations)
            # What the dashboard tells of each region's freshness comes from this line.
            facts = {"region": region, "scopes": len(observations), "scopesFailed": failed, "servers": servers}
            _log.log(logging.WARNING if failed else logging.INFO, "region looked at", extra=facts)

    async def _write_row(
        self,
        run: _Run,
        region: str,
        observations: Sequence[Observation],
        *,
        known_accounts: KnownAccounts | None = None,
        full_scan_mark: FullScanMark | None = None,
    ) -> bool:
        problem = await run.visiting.write_down(
            f"the row of {region}",
            lambda: self._status.record(
                region, observations, known_accounts=known_accounts, full_scan_mark=full_scan_mark
            ),
        )
        if problem is not None:
            run.report.problem(problem)
        return problem is None

    async def _announce(self, run: _Run, scopes: set[Scope]) -> None:
        """Mark places that a server elsewhere points at, so that the next run looks there.

        Raises:
            AwsError: the mark could not be written.
        """
        for scope in sorted(scopes - run.announced):
            run.announced.add(scope)
            if scope.account_id in run.context.directory.targets and scope not in run.context.selection.scopes:
                await self._status.record(scope.region, (), scan_requests={scope.account_id: self._now()})

    async def _mark_full_scan(self, run: _Run) -> None:
        """Note that a run over every region begins, so that the next run goes on with it should this one be killed.

        Where the note cannot be written, the first row that can be carries it: no row tells of some regions only.
        """
        run.marked_regions.update(run.context.selection.unfinished_full_scans)
        if run.context.selection.source.is_fallback and run.context.selection.scopes:
            first, full_scan_mark = (
                min(scope.region for scope in run.context.selection.scopes),
                FullScanMark(run.tools.run_started_at),
            )
            run.marked_regions.add(first)  # whatever is answered: the note may be there
            if not await self._write_row(run, first, (), full_scan_mark=full_scan_mark):
                run.unwritten_mark = full_scan_mark

    async def _tidy(self, run: _Run) -> None:
        """Drop entries of accounts that are gone, and the notes of sweeps that have come to their end."""
        if run.visiting.deadline.is_over:
            return  # the next run tidies up
        if run.context.known_accounts is not None:
            for region in await self._regions_of_removed_accounts(run.context.known_accounts):
                await self._record(run, region, [])
        if not run.request.covers_all_accounts:  # a run over some accounts only has not come to the end of a sweep
            return
        for region in sorted(run.marked_regions):
            await self._write_row(run, region, (), full_scan_mark=FullScanMark(run.tools.run_started_at, ended=True))

    async def _regions_of_removed_accounts(self, known_accounts: KnownAccounts) -> list[str]:
        rows = await self._status.rows()
        if isinstance(rows, StatusUnavailable):
            return []
        return sorted({row.region for row in rows if known_accounts.removed_accounts(row.accounts)})

    async def finish(self, started_at: datetime, *, completed: bool) -> None:
        """Do at the end of runs that share the accounts what a single run does at its own.

        Args:
            started_at: when these runs began.
            completed: each of them has come to its end.

        Raises:
            AwsError: a table could not be read or written; the next run makes it good.
        """
        known_accounts = self._context_loader.known_accounts_of(*await self._context_loader.directory())
        self._status.invalidate()
        read = await self._status.rows()
        rows = () if isinstance(read, StatusUnavailable) else read
        ended = FullScanMark(started_at, ended=True) if completed else None
        regions = {row.region for row in rows if row.full_scan_began} if ended is not None else set()
        if known_accounts is not None:  # no shard knows whether a count without owner has had all its answers
            regions |= {row.region for row in rows if row.unattributed or known_accounts.removed_accounts(row.accounts)}
        for region in sorted(regions):
            await self._status.record(region, (), known_accounts=known_accounts, full_scan_mark=ended)
        self._status.invalidate()
