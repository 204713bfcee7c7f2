"""Recording what scans say in the region status table: rows are written once the last scans of their regions are in.

Rows that become due within two seconds are written together: a first sync has more than thirty. A run that is killed
meanwhile leaves them to the next one, which scans these regions again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import anyio

from service.errors import AwsError
from service.models import RegionStatus, Scope
from service.regions.known_accounts import KnownAccounts
from service.regions.selection import ScanReason, StatusUnavailable
from service.regions.status_rows import FullScanMark, Observation, RegionRow
from service.regions.status_writer import Recording
from service.sync.engine.outcome import ScopeResult, is_run_over, is_unreachable
from service.sync.engine.sync import Deps, Run

__all__ = ["RegionRecorder", "failed_observation", "finish_shards", "unscanned_observation"]

_log: Final = logging.getLogger(__name__)
_ROWS_TOGETHER: Final = 25
_WRITTEN_AFTER_S: Final = 2.0  # from when the first of them was due to the next result of any scan
_ADVICE: Final = "a scope failed there; the report, or drs-sync regions, says which, why, and how to fix it"


def unscanned_observation(result: ScopeResult, run: Run) -> Observation | None:
    """Return what to record of a scope that has no scan; None for nothing.

    Where the account could not be entered, only scopes with servers, and those whose turn it was, are marked as failed:
    one record, not one per region. A scope whose region other accounts could not reach is marked too. One that the run
    had no time for was not tried, so its row must not look newer.
    """
    if result.failure is not None and is_run_over(result.failure):
        return None
    selection, scope = run.context.selection, result.scope
    unmarked = {ScanReason.FULL_SCAN, ScanReason.NEW_ACCOUNT, ScanReason.RESUMED}
    is_worth_marking = selection.scopes[scope] not in unmarked or scope in selection.known_active
    is_known_unreachable = result.failure is not None and is_unreachable(result.failure)
    is_marked = is_known_unreachable or (result.problems and is_worth_marking)
    return failed_observation(result, run.deps.now()) if is_marked else None


def failed_observation(result: ScopeResult, scanned_at: datetime) -> Observation:
    """Return what a scan that failed says of its scope: no count.

    Readers of the table turn some statuses into errors of their own, so only problems of DRS and roles become a status,
    and those of our tables do not.
    """
    problem = (*result.warnings, *result.problems)[-1]
    is_about_drs = problem.service in {"drs", "sts"} and not problem.status.settles_count
    status = problem.status if is_about_drs else RegionStatus.ERROR
    return Observation(result.scope.account_id, status, scanned_at, None, f"{problem.code}: {problem.message}")


class RegionRecorder:
    """Writes the status rows of one run. Rows that cannot be written are a problem of the run; the next does.

    A full scan that fills a missing or unreadable table writes a mark before its first row and deletes it at its end.
    If the run is killed, the next one finds the mark and continues the scan. If the mark cannot be written by itself,
    the first row that can be written carries it. So a table that holds only some regions never counts as complete.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._status = run.deps.status
        self._open_scans = Counter(scope.region for scope in run.context.selection.scopes)
        self._observations: dict[str, list[Observation]] = {}
        self._scan_requests: dict[str, dict[str, datetime]] = {}
        self._marked_regions: set[str] = set(run.context.selection.unfinished_full_scans)
        self._unwritten_mark: FullScanMark | None = None
        self._due: dict[str, Recording] = {}
        self._due_since = 0.0

    async def begin(self) -> None:
        """Mark the begin of a run over every region."""
        selection = self._run.context.selection
        if not (selection.source.is_fallback and selection.scopes):
            return
        first, mark = min(scope.region for scope in selection.scopes), FullScanMark(self._run.started_at)
        self._marked_regions.add(first)  # whatever is answered: the mark may be there
        self._unwritten_mark = mark
        await self._write({first: Recording(full_scan_mark=mark)})

    async def add(self, scope: Scope, observation: Observation | None, *, rescan_from: datetime | None = None) -> None:
        """Take what one scan says; the row of its region is due if it was the last one there.

        Args:
            scope: the scope.
            observation: the result of its scan, None where there is nothing to say.
            rescan_from: the scope is scanned by every run until a complete scan began then or later; None for no such
                scan.
        """
        region = scope.region
        if observation is not None:
            self._observations.setdefault(region, []).append(observation)
        if rescan_from is not None:
            self._scan_requests.setdefault(region, {})[scope.account_id] = rescan_from
        self._open_scans[region] -= 1
        if self._open_scans[region] == 0:
            self._add_due(region)
        if len(self._due) >= _ROWS_TOGETHER or anyio.current_time() - self._due_since >= _WRITTEN_AFTER_S:
            await self._write_due()

    def _add_due(self, region: str) -> None:
        observations, requests = self._observations.pop(region, []), self._scan_requests.pop(region, {})
        known_accounts = self._run.context.known_accounts
        if not observations and known_accounts is None:
            return
        if not self._due:
            self._due_since = anyio.current_time()
        # Without an observation, a request to scan again has nothing that it would belong to.
        self._due[region] = Recording(observations, requests if observations else {}, known_accounts=known_accounts)

    async def request_scans(self, region: str, requests: Mapping[str, datetime]) -> None:
        """Have later runs scan accounts in a region, each from a time on; the row carries the mark if it is missing.

        Raises:
            AwsError: the row could not be written.
        """
        mark, self._unwritten_mark, is_written = self._unwritten_mark, None, False
        if mark is not None:
            self._marked_regions.add(region)  # whatever is answered: the mark may be there
        try:
            await self._status.record(region, Recording(scan_requests=requests, full_scan_mark=mark))
            is_written = True
        finally:
            if not is_written:
                self._unwritten_mark = mark

    async def finish(self) -> None:
        """Write the rows that are left, drop entries of accounts that were removed, and the marks of ended full scans.

        What the scans said is written also after the deadline; the rest is done by the next run then.
        """
        await self._write_due()
        if self._run.deadline.is_over:
            return
        known_accounts = self._run.context.known_accounts
        if known_accounts is not None:
            for region in await self._regions_of_removed_accounts(known_accounts):
                self._due[region] = Recording(known_accounts=known_accounts)
        if self._run.request.covers_all_accounts:  # a run over some accounts only is no end of a full scan
            ended = FullScanMark(self._run.started_at, ended=True)
            for region in sorted(self._marked_regions):
                self._due[region] = replace(self._due.get(region, Recording()), full_scan_mark=ended)
        await self._write_due()

    async def _write_due(self) -> None:
        """Write the rows of the regions that have been scanned; each carries the mark of the run if it is missing."""
        due, self._due = self._due, {}
        mark = self._unwritten_mark
        if mark is not None:  # any of them may be the only one that can be written
            due = {region: replace(each, full_scan_mark=each.full_scan_mark or mark) for region, each in due.items()}
            self._marked_regions |= due.keys()
        await self._write(due)
        for region, recording in due.items():
            _log_region(region, recording.observations)

    async def _write(self, recordings: Mapping[str, Recording]) -> None:
        """Write rows; those that cannot be written are problems of the run."""
        if not recordings:
            return
        refused: dict[str, AwsError] = {}

        async def write() -> None:
            refused.update(await self._status.record_all(recordings))

        problem = await self._run.record(f"the rows of {', '.join(sorted(recordings))}", write)
        if problem is not None:
            self._run.report.problem(problem)
            return
        self._run.report.problem(*(error.problem for error in refused.values()))
        if any(each.full_scan_mark for region, each in recordings.items() if region not in refused):
            self._unwritten_mark = None

    async def _regions_of_removed_accounts(self, known_accounts: KnownAccounts) -> list[str]:
        rows = await self._status.rows()
        if isinstance(rows, StatusUnavailable):
            return []
        return sorted({row.region for row in rows if known_accounts.removed_accounts(row.accounts)})


def _log_region(region: str, observations: Sequence[Observation]) -> None:
    """Log what was seen of a region; the dashboard reads each region's freshness from this line."""
    if not observations:
        return
    failed = sum(1 for each in observations if each.server_count is None)
    servers = sum(each.server_count or 0 for each in observations)
    facts = {"region": region, "scopes": len(observations), "scopesFailed": failed, "servers": servers}
    advice = {"advice": _ADVICE} if failed else {}
    _log.log(logging.WARNING if failed else logging.INFO, "region looked at", extra={**facts, **advice})


async def finish_shards(
    deps: Deps, started_at: datetime, *, completed: bool, reads_inventory: bool
) -> tuple[RegionRow, ...]:
    """Do at the end of runs that share the accounts what a single run does at its own.

    Args:
        deps: of the process.
        started_at: when these runs began.
        completed: each of them has come to its end.
        reads_inventory: they are runs of the inventory sync.

    Returns:
        The rows of region status after complete runs of the inventory sync, else none.

    Raises:
        AwsError: a table could not be read or written; the next run writes them.
    """
    loader, status = deps.context_loader(), deps.status
    known_accounts = loader.known_accounts_of(*await loader.directory())
    status.invalidate()
    read = await status.rows()
    rows = () if isinstance(read, StatusUnavailable) else read
    ended = FullScanMark(started_at, ended=True) if completed else None
    regions = {row.region for row in rows if row.full_scan_began} if ended is not None else set()
    if known_accounts is not None:  # no shard knows whether a count without owner has had all its answers
        regions |= {row.region for row in rows if row.unattributed or known_accounts.removed_accounts(row.accounts)}
    recording = Recording(known_accounts=known_accounts, full_scan_mark=ended)
    for error in (await status.record_all(dict.fromkeys(sorted(regions), recording))).values():
        raise error
    status.invalidate()
    return await status.mark_all_checked() if completed and reads_inventory else ()
