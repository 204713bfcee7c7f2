"""The tag sync: EC2 tags to DRS source servers, in scopes that have servers; only what differs is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from service.aws.client import AccountSession
from service.aws.drs_write import DrsWriter
from service.aws.ec2 import Ec2Reader
from service.context import RunContext, SyncRequest
from service.fanout import fan_out
from service.models import Problem, RegionStatus, Scope
from service.regions.selection import RegionSource, StatusUnavailable
from service.regions.status_rows import FullScanMark, Observation
from service.regions.status_writer import Recording
from service.sync.engine.metrics import ORIGIN_DENIED
from service.sync.engine.outcome import ScopeResult
from service.sync.engine.report import planned_members
from service.sync.engine.sync import Deps, Run, ScopeScan, Sync
from service.sync.tags.report import AccountResult, is_unanswered, observation_of
from service.sync.tags.results import TagCounts
from service.sync.tags.scan import ScanTools, TagScan
from service.sync.tags.state import TagState

__all__ = ["COUNTS", "OPERATION", "TagSync"]

OPERATION: Final = "sync_tags"
COUNTS: Final = (*TagCounts().by_name, ORIGIN_DENIED)
"""What a tag sync counts, by the report's names."""

_ROWS_AT_ONCE: Final = 8


class TagSync(Sync):
    """One run of the tag sync. It takes no lock: see `service.app`.

    Args:
        state: where the lock was taken, if it was: what the run writes there stands back behind later holders.
        source: what started it: manual, eventbridge or settings_update; stored with the result.
    """

    operation = OPERATION
    counts = COUNTS
    # A scan is a call or two; 300 new servers are 900 calls, which take three minutes at the rate DRS calls start with.
    deadline_factor = 5.0

    def __init__(self, state: TagState, source: str) -> None:
        self._state = state
        self._source = source
        self._observations: dict[str, list[Observation]] = {}  # of the regions that were read, for their rows
        self._planned: list[dict[str, Any]] = []
        self._accounts: dict[str, AccountResult] = {}
        self._unanswered = 0
        self._tools: ScanTools

    async def select(self, request: SyncRequest, deps: Deps) -> RunContext:
        """Select active scopes, and every scope when the table has no servers at all: the first ones get tags soon."""
        loader = deps.context_loader()
        return await loader.load(
            request,
            operation=self.operation,
            discover=False,
            writes=True,
            full_scan_if_none_active=True,
            newer_regions=True,
        )

    async def start(self, run: Run) -> None:
        """Begin the result of each account; warn of a requested region that this version does not know."""
        context = run.context
        hints = {region: run.deps.settings.region_hint(region) for region in run.request.regions}
        run.report.warn(*(_newer_region(region, hint) for region, hint in hints.items() if hint))

        async def ec2_of(account_id: str) -> Ec2Reader:
            return Ec2Reader(await context.access.origin_session(account_id))

        self._tools = ScanTools(ec2_of, self._state, run.deps.now, run.request.dry_run)
        self._accounts = {
            account_id: AccountResult(account_id, context.directory.targets[account_id].name)
            for account_id in sorted(context.accounts)
        }

    def scan(self, scope: Scope, session: AccountSession, run: Run) -> ScopeScan:
        """Make the tag scan of a scope."""
        drs, writer = run.deps.drs(session), DrsWriter(session)
        return TagScan(scope, drs, writer, self._tools, known_count=run.known_count(scope))

    async def collect(self, result: ScopeResult, scan: ScopeScan | None, run: Run) -> None:
        """Count a scope for its account. The scan holds all of its servers and is not kept."""
        found = scan if isinstance(scan, TagScan) else None
        if found is not None:
            self._planned += found.results.planned
            self._observe(found, run)
        self._accounts[result.scope.account_id].add(result, found)
        self._unanswered += is_unanswered(result, found)

    def _observe(self, scan: TagScan, run: Run) -> None:
        if not scan.is_read:
            return
        observations = self._observations.setdefault(
            scan.scope.region, []
        )  # written even if empty: accounts may have left
        observation = observation_of(scan, fills_table=_fills_table(run))
        if observation is not None:
            observations.append(observation)

    async def finish(self, run: Run) -> Mapping[str, Any]:
        """Record region status and the result; report account by account."""
        if not run.request.dry_run:
            problems = [await run.record("what was learned of regions", lambda: self._record_regions(run))]
            if run.request.shard is None:  # else it is only a part of the result
                problems.append(await run.record("the result", lambda: self._store_result(run)))
            run.report.warn(*(problem for problem in problems if problem))  # the tags are written all the same
        return {
            "dryRun": run.request.dry_run,
            "accountResults": [account.as_json() for account in self._accounts.values()],
            **(planned_members(self._planned) if run.request.dry_run else {}),
        }

    async def _record_regions(self, run: Run) -> None:
        """Record how many servers there are, where the run scanned every region: the next one can then select.

        The rows are written at the end, between a mark that a run over every region is under way and its removal. So
        neither a killed run nor a scope that could not be read makes the table look complete: the mark stays, and the
        next run goes on with the scopes that are not recorded yet.
        """
        source = run.context.selection.source
        observations = self._observations
        covers_all = source.is_fallback or source in {RegionSource.FULL_SCAN, RegionSource.FULL_SCAN_NONE_ACTIVE}
        if not observations or not covers_all:
            return
        status, known_accounts = run.deps.status, run.context.known_accounts

        async def record(region: str, mark: FullScanMark | None = None) -> None:
            recording = Recording(observations[region], known_accounts=known_accounts, full_scan_mark=mark)
            await status.record(region, recording)

        first, *others = sorted(observations)
        try:
            await record(first, FullScanMark(run.started_at) if source.is_fallback else None)
            async with fan_out(others, record, concurrency=_ROWS_AT_ONCE) as written:
                async for _ in written:
                    pass
            if source.is_fallback and run.request.covers_all_accounts and not self._unanswered:
                await status.record(first, Recording(full_scan_mark=FullScanMark(run.started_at, ended=True)))
        finally:
            status.invalidate()

    async def _store_result(self, run: Run) -> None:
        total = TagCounts()
        for account in self._accounts.values():
            total.add(account.counts)
        await self._state.finish(
            source=self._source,
            accounts=len(self._accounts),
            synced=total.synced,
            failed=total.failed,
            servers=total.servers,
            complete=not run.report.problems,
        )


def _fills_table(run: Run) -> bool:
    """Whether the table was read and is empty, so that the run fills it."""
    return run.context.selection.source.is_fallback and not isinstance(run.context.rows, StatusUnavailable)


def _newer_region(region: str, hint: str) -> Problem:
    fix = "correct the name; a region that is newer than this version belongs in DRS_NEW_REGIONS"
    return Problem("RegionNotKnown", hint, RegionStatus.ACTIVE, region=region, advice=fix)
