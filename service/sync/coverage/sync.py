"""The coverage sync: which EC2 instances no source server protects, in the accounts from which servers come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from service.aws.client import AccountSession
from service.aws.ec2 import Ec2Reader
from service.context import RunContext, SyncRequest
from service.fanout import fan_out
from service.models import Problem, RegionStatus, Scope
from service.protection.decision import ProtectionTally
from service.protection.summary import CoverageRun
from service.protection.table import CoverageTable
from service.sync.coverage.choice import CoverageRequest, choose, not_looked_at
from service.sync.coverage.document import document_of
from service.sync.coverage.origin_access import OriginAccess
from service.sync.coverage.scan import COUNTS, CoverageScan, ScanTools
from service.sync.coverage.server_reader import ServersRead, read_servers
from service.sync.engine.metrics import ORIGIN_DENIED
from service.sync.engine.outcome import ScopeResult
from service.sync.engine.report import Progress
from service.sync.engine.runner import run
from service.sync.engine.sync import Deps, Run, ScopeScan, Sync

__all__ = ["OPERATION", "CoverageSync", "sync_coverage"]

OPERATION: Final = "sync_coverage"
_WRITES_AT_ONCE: Final = 8
_NO_TABLE_FIX: Final = (
    "create the table (drs-sync tables create, or deploy/templates/tables.yaml), and set SOURCE_SERVER_TOPOLOGY_TABLE"
)


async def sync_coverage(request: CoverageRequest, deps: Deps, progress: Progress | None = None) -> dict[str, Any]:
    """Run the coverage sync once and return its report, with the instances that are not protected.

    Raises:
        ConfigurationError: the request or the settings are wrong.
        AwsError: the hub's credentials, the target accounts table or the inventory table cannot be used.
    """
    return await run(CoverageSync(request), SyncRequest(remaining_s=request.remaining_s), deps, progress)


class CoverageSync(Sync):
    """One run of the coverage sync."""

    operation = OPERATION
    counts = COUNTS
    # A page of a thousand instances takes EC2 some seconds, and an account may have many thousands in a region.
    deadline_factor = 5.0

    def __init__(self, request: CoverageRequest) -> None:
        self._request = request
        self._scans: dict[Scope, CoverageScan] = {}
        self._failures: dict[Scope, Problem] = {}
        self._origins_denied = 0
        self._servers: ServersRead
        self._access: OriginAccess
        self._tools: ScanTools
        self._table: CoverageTable | None

    async def select(self, request: SyncRequest, deps: Deps) -> RunContext:
        """Read which servers there are, and choose the accounts and regions of their instances."""
        settings = deps.settings
        settings.require("target_accounts_table", "source_server_inventory_table")
        settings.check_regions(self._request.regions, newer=True)
        context = await deps.context_loader().load(request, operation=self.operation, discover=False)
        self._servers = await read_servers(context, deps)
        targets = context.directory.targets
        recorded = {*targets, *(staging_id for target in targets.values() for staging_id in target.staging)}
        return replace(context, selection=choose(self._request, self._servers.known.origins, recorded))

    async def start(self, run: Run) -> None:
        """Say what is not known of the servers, and find out where summaries are kept."""
        deps, context = run.deps, run.context
        run.report.problem(*self._servers.problems)
        self._access = OriginAccess(
            context.access, context.directory, self._servers.known.witnesses, deps.drs, deps.aws_client.hub_region
        )
        name = deps.settings.source_server_topology_table
        self._table = CoverageTable(deps.table(name)) if name and not self._request.tags else None
        if not name and not self._request.tags:
            message = "SOURCE_SERVER_TOPOLOGY_TABLE is not set: no summary is kept, so reports do not show the result"
            run.report.warn(Problem("NoTopologyTable", message, RegionStatus.ERROR, "dynamodb", advice=_NO_TABLE_FIX))
        keep = self._keep if self._table is not None else None
        self._tools = ScanTools(self._servers.known.index, self._request.tags, keep, deps.now)

    async def _keep(self, scope: Scope, tally: ProtectionTally, as_of: datetime) -> None:
        if self._table is not None:
            await self._table.write(scope, tally, as_of=as_of, server_scopes_unknown=self._unknown_count)

    @property
    def _unknown_count(self) -> int | None:
        return None if self._servers.unknown is None else len(self._servers.unknown)

    async def enter(self, scope: Scope, run: Run) -> AccountSession:  # noqa: ARG002 - as Sync has it
        """Enter the account of the instances."""
        return await self._access.session(scope.account_id)

    def scan(self, scope: Scope, session: AccountSession, run: Run) -> ScopeScan:  # noqa: ARG002 - as Sync has it
        """Make the scan of an account and region."""
        return CoverageScan(scope, Ec2Reader(session), self._tools)

    async def collect(self, result: ScopeResult, scan: ScopeScan | None, run: Run) -> None:
        """Keep the scan, and what it could not read."""
        found = scan if isinstance(scan, CoverageScan) else None
        if found is not None:
            self._scans[result.scope] = found
        if result.failure is not None and (found is None or not found.is_read):
            self._failures[result.scope] = result.failure
            # Of a recorded account that cannot be entered, the inventory sync says so as well.
            is_recorded = result.scope.account_id in run.context.directory
            self._origins_denied += result.failure.service == "sts" and not is_recorded

    async def finish(self, run: Run) -> Mapping[str, Any]:
        """Note which scopes could not be read; report the instances that are not protected."""
        selection = run.context.selection
        left = not_looked_at(selection.scopes, self._servers.known.origins, run.deps.settings.known_regions)
        if self._table is not None:
            problem = await run.record("which scopes could not be read", lambda: self._record(run, left))
            run.report.problem(*([problem] if problem else ()))
        document = document_of(
            self._request,
            self._scans,
            self._failures,
            not_looked_at=left,
            servers=self._servers.known.index.servers,
            server_scopes_unknown=self._servers.unknown,
        )
        return {**document, ORIGIN_DENIED: self._origins_denied}

    async def _record(self, run: Run, left: Mapping[str, int]) -> None:
        table = self._table
        if table is None:
            return

        async def note(scope: Scope) -> None:
            await table.write_failure(scope, self._failures[scope], at=run.started_at)

        async with fan_out(sorted(self._failures), note, concurrency=_WRITES_AT_ONCE) as noted:
            async for _ in noted:
                pass
        if self._request.is_everything and not run.deadline.is_over:
            scopes = run.context.selection.scopes
            await table.write_run(CoverageRun(run.started_at, len(scopes), left, self._unknown_count))
            await table.prune(scopes, now=run.started_at)
