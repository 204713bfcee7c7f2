"""The inventory sync: scans the selected scopes and keeps the inventory and the region status table true."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from service.aws.client import AccountSession
from service.context import RunContext, SyncRequest
from service.errors import AwsError
from service.inventory.table import InventoryTable
from service.models import RegionStatus, Scope
from service.regions.outside_catalog import outside_problem
from service.regions.selection import StatusUnavailable
from service.regions.status_rows import Observation, RegionRow
from service.sync.engine.outcome import ScopeResult
from service.sync.engine.recording import RegionRecorder, failed_observation, unscanned_observation
from service.sync.engine.report import Progress
from service.sync.engine.runner import run
from service.sync.engine.shards import UNKNOWN
from service.sync.engine.sync import Deps, Run, ScopeScan, Sync
from service.sync.engine.unknown_scopes import unknown_scopes
from service.sync.inventory.announcements import Announcements
from service.sync.inventory.estate import ESTATE, announce_estate, read_estate
from service.sync.inventory.scan import COUNTS, InventoryScan
from service.sync.inventory.templates import Templates
from service.sync.inventory.tools import ScanTools
from service.sync.inventory.topology_tables import carry_over, topology_of
from service.topology.store import TopologyStore
from service.topology.table import TopologyTable

__all__ = ["COUNTS", "OPERATION", "InventorySync", "observation_of", "sync_inventory"]

_log: Final = logging.getLogger(__name__)
OPERATION: Final = "sync_source_server_inventory"


async def sync_inventory(
    request: SyncRequest, deps: Deps, templates: Templates, progress: Progress | None = None
) -> dict[str, Any]:
    """Run the inventory sync once and return its report; it invalidates the cached region status. Raises as `run`."""
    try:
        return await run(InventorySync(templates), request, deps, progress)
    finally:
        deps.status.invalidate()


class InventorySync(Sync):
    """One run of the inventory sync."""

    operation = OPERATION
    counts = COUNTS

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self._recorder: RegionRecorder
        self._tools: ScanTools
        self._topology: TopologyStore
        self._active_regions: set[str]

    async def select(self, request: SyncRequest, deps: Deps) -> RunContext:
        """Select active scopes, and a few inactive ones in turn; make sure that the inventory table can be used."""
        deps.settings.require("target_accounts_table", "source_server_inventory_table")
        inventory = InventoryTable(deps.table(deps.settings.source_server_inventory_table))
        context = await deps.context_loader().load(
            request, operation=self.operation, discover=True, stored_scopes=inventory.scopes_of
        )
        await inventory.check()
        return context

    async def start(self, run: Run) -> None:
        """Find out where topology is kept, and mark the begin of a run over every region."""
        is_first = await _has_empty_inventory(run)
        self._topology = await topology_of(run, is_first=is_first)
        self._recorder = RegionRecorder(run)
        announcements = Announcements(run, self._recorder.request_scans)
        self._tools = ScanTools(run, self._templates, self._topology, announcements, is_first=is_first)
        self._active_regions = {scope.region for scope in run.context.selection.known_active}
        await self._recorder.begin()

    def scan(self, scope: Scope, session: AccountSession, run: Run) -> ScopeScan:
        """Make the inventory scan of a scope."""
        return InventoryScan(scope, run.deps.drs(session), self._tools, known_count=run.known_count(scope))

    async def may_have_servers(self, scope: Scope, run: Run) -> bool:
        """Tell whether the inventory has servers of a scope of which no complete scan is on record."""
        if run.known_count(scope) is not None:
            return False
        return bool(await self._tools.inventory.stored_items(scope, partition=run.context.identity.partition))

    async def collect(self, result: ScopeResult, scan: ScopeScan | None, run: Run) -> None:
        """Hand what a scan says to the recorder."""
        found = scan if isinstance(scan, InventoryScan) else None
        observation, region = observation_of(result, found, run), result.scope.region
        if observation is not None and observation.server_count and region not in self._active_regions:
            run.report.newly_active.add(region)
        await self._recorder.add(result.scope, observation, rescan_from=found.rescan_from if found else None)

    async def finish(self, run: Run) -> Mapping[str, Any]:
        """Drop marks of full scans that have ended and entries of removed accounts; carry topology over.

        Rows of regions outside the catalog are a warning. A run over all scopes that was not cut short also moves
        `lastChecked` of every row.
        """
        members: dict[str, Any] = {}
        await self._recorder.finish()
        rows = run.context.rows
        is_readable = not isinstance(rows, StatusUnavailable)  # otherwise the run already says that it is not
        if run.request.is_unrestricted and is_readable and not run.deadline.is_over:
            members |= await self._mark_checked(run)
        is_first_shard = run.request.shard is not None and run.request.shard.index == 0  # one warning for all shards
        if (run.request.covers_all_accounts or is_first_shard) and not isinstance(rows, StatusUnavailable):
            outside = outside_problem(rows, run.deps.settings)
            if outside is not None:
                run.report.warn(outside)
        if run.request.covers_all_accounts and isinstance(self._topology, TopologyTable):
            await self._carry_over(run, has_carried=self._topology.has_carried)
        unknown = unknown_scopes(run.context, run.deps.settings, run.started_at)
        return {UNKNOWN: None if unknown is None else len(unknown), **members}

    async def _mark_checked(self, run: Run) -> dict[str, Any]:
        """Move `lastChecked` of every row; return the figures of the estate, as rows and summaries now show it."""
        rows: list[RegionRow] = []

        async def mark() -> None:
            rows.extend(await run.deps.status.mark_all_checked())

        problem = await run.record("lastChecked of every region", mark)
        if problem is not None:
            run.report.problem(problem)
            return {}
        figures: dict[str, Any] = {}

        async def read() -> None:
            as_of = run.deps.now()
            estate = await read_estate(run.deps, run.context.directory.targets, rows)
            if estate is not None:
                figures[ESTATE] = estate.figures(run.deps.now())
                run.report.warn(*await announce_estate(run.deps, estate, as_of=as_of))

        problem = await run.record("the figures of the estate", read)
        if problem is not None:
            run.report.warn(problem)
        return figures

    async def _carry_over(self, run: Run, *, has_carried: bool) -> None:
        if run.deadline.is_over:
            return  # the next run does it
        try:
            await carry_over(run.deps, remaining_s=run.deadline.remaining_s(), has_carried=has_carried)
        except AwsError as error:
            run.report.warn(error.problem)


async def _has_empty_inventory(run: Run) -> bool:
    """Whether the inventory has no item yet. Only a run that knows of no servers asks; what cannot be read has some."""
    if run.context.selection.known_active:
        return False
    is_empty = False
    with run.deadline.cancel_scope():
        try:
            is_empty = not await run.deps.table(run.deps.settings.source_server_inventory_table).has_items()
        except AwsError as error:
            _log.info("cannot tell whether the inventory is empty", extra={"why": str(error)})
    return is_empty


def observation_of(result: ScopeResult, scan: InventoryScan | None, run: Run) -> Observation | None:
    """Return what a scan says for the status table; None where there is nothing to say.

    Args:
        result: of the scope.
        scan: the scan, None where the account could not be entered.
        run: of the scan.
    """
    if scan is None:
        return unscanned_observation(result, run)
    account_id = result.scope.account_id
    if scan.listed_completely:
        unusable = sorted(name for names in scan.rejected.values() for name in names)
        return Observation(
            account_id,
            RegionStatus.ACTIVE,
            scan.started_at,
            scan.servers,
            unusable=tuple(unusable),
            believed_up_to=scan.believed_up_to,
        )
    if scan.uninitialized:
        return Observation(
            account_id, RegionStatus.NOT_INITIALIZED, scan.started_at, 0, is_confirmed_empty=scan.is_confirmed_empty
        )
    return replace(failed_observation(result, scan.started_at), is_unconfirmed_empty=scan.is_unconfirmed_empty)
