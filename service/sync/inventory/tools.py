"""What every inventory scan of a run shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from service.aws.drs import DrsReader
from service.aws.ec2 import Ec2Reader, Ec2Reads
from service.inventory.posture import Objectives
from service.inventory.table import InventoryTable, ItemKey, StoredItem
from service.models import Scope
from service.regions.scan_requests import ScanRequests
from service.regions.scope_state import ScopeState, StateRules, state_of
from service.regions.selection import StatusUnavailable
from service.regions.status_entry import AccountEntry
from service.sync.engine.sync import Run
from service.sync.inventory.announcements import Announcements
from service.sync.inventory.outbox import announcer_of
from service.sync.inventory.staging_probe import Waiting, find_waiting
from service.sync.inventory.templates import RunTemplates, Templates
from service.sync.staging_access import StagingAccess
from service.topology.store import TopologyStore

__all__ = ["ScanTools"]

_SIGNATURE_VALID: Final = timedelta(minutes=5)  # AWS accepts a request that is signed and delayed for so long
_CLOCK_DIFFERENCE: Final = timedelta(minutes=4)  # between two hosts, or between a host and AWS


class ScanTools:
    """The tables of a run, its settings, and the reads of other scopes that a scan may need.

    Args:
        run: the run.
        templates: the templates that the process knows.
        topology: what keeps topology.
        announcements: of writes.
        is_first: the inventory had no item when the run began, so no scan has to look what it has of its scope. Items
            that another run writes meanwhile are like those that an index does not show yet: a later scan sees them.
    """

    def __init__(
        self,
        run: Run,
        templates: Templates,
        topology: TopologyStore,
        announcements: Announcements,
        *,
        is_first: bool = False,
    ) -> None:
        self._is_first = is_first
        self.inventory = InventoryTable(run.deps.table(run.deps.settings.source_server_inventory_table))
        self.topology = topology
        own_table = run.deps.settings.source_server_topology_table
        self.keeps_values_apart = bool(own_table)
        self.values_table = run.deps.table(own_table) if topology.keeps_names else None
        self.announcer = announcer_of(run.deps) if self.values_table is not None else None
        self._rules = StateRules.of(run.deps.settings, run.started_at)
        self.templates = RunTemplates(templates, self.drs_of)
        self.settings = run.deps.settings
        self.objectives = Objectives.of(self.settings)
        # The status table says how fresh a scope is; without it, only the items can.
        has_status = bool(self.settings.drs_region_status_table)
        self.refresh_s = None if has_status else self.settings.inventory_refresh_seconds
        self.now = run.deps.now
        self.partition = run.context.identity.partition
        self.run_started_at = run.started_at
        self.announcements = announcements
        self._run = run
        self._requested: set[Scope] = set()
        self._scan_requests = ScanRequests.into(run.deps.status)

    @property
    def latest_arrival(self) -> timedelta:
        """How much later a write may still arrive that another run began before: time to send it, and on its way."""
        # The clock of the sender may be ahead of AWS's, and that of the next scan ahead of this one's.
        return timedelta(seconds=self.settings.scope_deadline_seconds) + _SIGNATURE_VALID + 2 * _CLOCK_DIFFERENCE

    def scope_time_s(self) -> float:
        """Return how many seconds a scope has that begins now."""
        return min(self.settings.scope_deadline_seconds, self._run.deadline.remaining_s())

    async def stored_items(self, scope: Scope) -> dict[ItemKey, StoredItem]:
        """Return the stored items of a scope. Raises AwsError when the table could not be read."""
        return {} if self._is_first else await self.inventory.stored_items(scope, partition=self.partition)

    async def was_told_empty(self, scope: Scope, *, before: datetime) -> bool:
        """Whether a scan that began before was told that nothing is in a scope, and none has listed it since.

        Raises:
            AwsError: the row of the region could not be read.
        """
        entry = await self._run.deps.status.entry(scope)
        return entry is not None and entry.empty_seen_at is not None and entry.empty_seen_at < before

    def was_unknown(self, scope: Scope) -> bool:
        """Whether a scope was unknown to queries before the run."""
        return state_of(self._entry(scope), self._rules) is ScopeState.UNKNOWN

    def is_scan_requested(self, scope: Scope) -> bool:
        """Whether an earlier run requested a scan of a scope that is not settled yet."""
        entry = self._entry(scope)
        return entry is not None and entry.scan_requested_at is not None

    def _entry(self, scope: Scope) -> AccountEntry | None:
        """Return the region status of a scope before the run; None where there is none."""
        rows = self._run.context.rows
        entries = () if isinstance(rows, StatusUnavailable) else (row for row in rows if row.region == scope.region)
        return next((row.accounts.get(scope.account_id) for row in entries), None)

    async def ec2_of(self, account_id: str) -> Ec2Reads:
        """Return EC2 of the account where a server came from. Raises AwsError when it cannot be entered."""
        return Ec2Reader(await self._run.context.access.origin_session(account_id))

    async def drs_of(self, account_id: str) -> DrsReader:
        """Return DRS of an account. Raises AwsError when it cannot be entered."""
        return self._run.deps.drs(await self._run.context.access.session(account_id))

    async def request_scan(self, scope: Scope) -> None:
        """Have the next syncs scan a scope. Raises AwsError when the request could not be written."""
        # Dated after the scan that asks for it, so that its own observation, "nothing there", does not settle it.
        await self._scan_requests.request(scope, self.now())

    async def request_scans_of_others(self, scopes: set[Scope]) -> None:
        """Have the next syncs scan scopes that servers refer to, unless this run does. Raises AwsError."""
        context = self._run.context
        for scope in sorted(scopes - self._requested):
            self._requested.add(scope)
            if scope.account_id in context.directory.targets and scope not in context.selection.scopes:
                await self.request_scan(scope)

    async def source_templates(self, scope: Scope) -> Sequence[Mapping[str, Any]]:
        """Return the templates of the scope that a server came from; none where this run may not read.

        Raises:
            AwsError: they cannot be read.
        """
        if scope.account_id not in self._run.context.accounts or not self._may_read(scope):
            return ()
        return await self.templates.of(scope)

    def _may_read(self, scope: Scope) -> bool:
        """Whether the run may read something of a scope that was not selected for its own sake."""
        request = self._run.request
        if request.scopes or scope.region in request.excluded_regions or self.settings.excludes(scope):
            return False
        return scope.region in (request.regions or self.settings.regions)

    async def find_waiting(self, scope: Scope) -> Waiting:
        """Find out whether staging accounts of a target have servers to extend into a scope without servers."""
        target = self._run.context.directory.targets[scope.account_id]
        if target.is_hub or not target.staging:
            return Waiting(found=False)
        access = StagingAccess(self._run.deps, self._run.context.access)
        return await find_waiting(target, scope.region, await self.drs_of(scope.account_id), access)
