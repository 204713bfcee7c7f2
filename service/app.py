"""The app of whatever may write: built once per event loop by handlers and the command line, then kept."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import anyio

from service.accounts.access import AccountAccess
from service.accounts.table import TargetAccountsTable
from service.aws.client import AwsClient
from service.aws.dynamodb_write import Table
from service.context import ContextLoader, SyncRequest
from service.deadline import Shutdown
from service.errors import AwsError
from service.estate.runs import run_item
from service.metrics import publish_metrics
from service.models import Now, utc_now
from service.regions.status_writer import RegionStatusTable
from service.settings import Settings
from service.sync.coverage.choice import CoverageRequest
from service.sync.coverage.sync import sync_coverage
from service.sync.engine.metrics import figures_of, metrics_operation, summary_of
from service.sync.engine.report import Progress
from service.sync.engine.sync import Deps
from service.sync.inventory.sync import sync_inventory
from service.sync.inventory.templates import Templates
from service.sync.staging.sync import auto_extend_staging_servers
from service.sync.staging_access import StagingAccess
from service.sync.tags.locking import TagSyncRunningError, sync_tags, tag_state
from service.sync.tags.state import TagState

__all__ = ["App", "TagSyncRunningError", "open_app"]

_log = logging.getLogger(__name__)
_RECORD_TIMEOUT_S: Final = 2.0  # after the run: Lambda's time limit is near
_IS_NEWER: Final = "attribute_not_exists( #startedAt ) OR #startedAt <= :started"


@dataclass(frozen=True, slots=True)
class App:
    """The syncs, and what handlers and commands need beside them."""

    deps: Deps
    templates: Templates

    @property
    def settings(self) -> Settings:
        """The environment."""
        return self.deps.settings

    @property
    def now(self) -> Now:
        """The wall clock."""
        return self.deps.now

    @property
    def aws_client(self) -> AwsClient:
        """All calls to AWS."""
        return self.deps.aws_client

    @property
    def status(self) -> RegionStatusTable:
        """The region status table."""
        return self.deps.status

    def context_loader(self) -> ContextLoader:
        """Return what reads accounts and region status."""
        return self.deps.context_loader()

    def target_accounts(self) -> TargetAccountsTable:
        """Return the records of the target accounts. Raises ConfigurationError when the table's name is not set."""
        self.settings.require("target_accounts_table")
        return TargetAccountsTable(self.deps.table(self.settings.target_accounts_table))

    async def staging_access(self, *, writes: bool = False) -> StagingAccess:
        """Read the target accounts, and return access to them and their staging accounts for the staging functions.

        Args:
            writes: sessions for target accounts may write.

        Raises:
            ConfigurationError: the target accounts table is not set.
            AwsError: it could not be read.
        """
        directory, _ = await self.context_loader().directory()
        return StagingAccess(self.deps, AccountAccess(self.aws_client, directory, writes=writes))

    def tag_state(self) -> TagState:
        """Return the tag sync's lock and last result."""
        return tag_state(self.deps)

    async def sync_inventory(self, request: SyncRequest, progress: Progress | None = None) -> dict[str, Any]:
        """Run the inventory sync, log its report and emit its metrics. Raises as `service.sync.engine.runner.run`."""
        return await self.publish(await sync_inventory(request, self.deps, self.templates, progress))

    async def sync_staging(self, request: SyncRequest, progress: Progress | None = None) -> dict[str, Any]:
        """Run the staging sync, log its report and emit its metrics. Raises as `service.sync.engine.runner.run`."""
        return await self.publish(
            await auto_extend_staging_servers(
                self.deps, request.accounts, request.regions, request=request, progress=progress
            )
        )

    async def sync_tags(
        self,
        request: SyncRequest,
        progress: Progress | None = None,
        *,
        source: str = "manual",
        lock_owner: str | None = None,
    ) -> dict[str, Any]:
        """Run the tag sync under its lock, log its report and emit its metrics. Raises as `sync_tags` does."""
        report = await sync_tags(request, self.deps, progress, source=source, lock_owner=lock_owner)
        return await self.publish(report)

    async def sync_coverage(self, request: CoverageRequest, progress: Progress | None = None) -> dict[str, Any]:
        """Run the coverage sync, log its report and emit its metrics. Raises as `sync_coverage` does."""
        return await self.publish(await sync_coverage(request, self.deps, progress))

    def log_report(self, report: Mapping[str, Any]) -> None:
        """Log a report."""
        _log.info("sync finished", extra=summary_of(report))

    async def publish(self, report: dict[str, Any]) -> dict[str, Any]:
        """Log a report, emit its metrics, and return it. A dry run did nothing that a metric could count."""
        self.log_report(report)
        if report.get("dryRun"):
            return report
        await publish_metrics(self.settings, {**report, "operation": metrics_operation(report)}, figures_of(report))
        await self.record_run(metrics_operation(report), report)
        return report

    async def record_run(self, operation: str, report: Mapping[str, Any]) -> None:
        """Write how a run ended to the topology table, for readers of the estate; a failure costs only that."""
        name = self.settings.source_server_topology_table
        if not name:
            return
        code = "DeadlineExceeded"
        with anyio.move_on_after(_RECORD_TIMEOUT_S):
            try:
                item = run_item(operation, report)
                await self.deps.table(name).put_if(item, _IS_NEWER, {"started": item["startedAt"]})
            except AwsError as error:
                code = error.code
            else:
                return
        _log.warning("run not recorded", extra={"operation": operation, "code": code})

    async def publish_estate(self, operation: str, figures: Mapping[str, float]) -> None:
        """Emit the metrics of the estate after a sync in shards, none of which knows all of it."""
        await publish_metrics(self.settings, {"operation": operation}, figures)

    async def publish_lost_scopes(self, operation: str, scopes: int) -> None:
        """Emit the metric of scopes whose run ended without a report, and so without metrics of its own."""
        await publish_metrics(
            self.settings, {"operation": operation}, {"scopesFailed": scopes, "scopesToRepair": scopes}
        )


@asynccontextmanager
async def open_app(settings: Settings, now: Now = utc_now, *, shutdown: Shutdown | None = None) -> AsyncIterator[App]:
    """Open the app for one event loop; `shutdown` ends its runs early."""
    async with AwsClient(settings, now) as aws_client:
        settings = settings.at_hub(aws_client.configured_region)
        name = settings.drs_region_status_table
        status = RegionStatusTable(
            Table(aws_client.hub(), name, aws_client.hub_region) if name else None,
            now,
            cache_s=settings.region_status_cache_seconds,
            timeout_s=settings.region_status_timeout_seconds,
        )
        yield App(Deps(aws_client, settings, status, now, shutdown or Shutdown()), Templates(now))
