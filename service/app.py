"""Builds everything once and keeps it: the door to AWS, the cached status table, the syncs."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import anyio

from service.accounts.table import TargetAccountsTable
from service.aws.client import AwsClient
from service.aws.dynamodb_write import Table
from service.context import SyncRequest
from service.deadline import Deadline, Shutdown
from service.errors import AwsError, RefusalError
from service.models import Now
from service.regions.selection import RegionSource
from service.regions.status_writer import RegionStatusTable
from service.settings import Settings
from service.sync.engine.lease import LeaseLostError, under_lease
from service.sync.engine.report import Progress
from service.sync.inventory.sync import InventorySync
from service.sync.staging.sync import StagingSync
from service.sync.tags.state import LOCK_S, TagState
from service.sync.tags.sync import TagSync
from service.telemetry import emit_metrics, stream_for

__all__ = ["App", "TagSyncRunningError", "open_app", "utc_now"]

_log = logging.getLogger(__name__)
_LONGEST_RELEASE_S: Final = 5.0
_RELEASE_S: Final = 1.0  # of a run's time, kept for it


def utc_now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


class TagSyncRunningError(RefusalError):
    """A tag sync is running already."""

    def __init__(self) -> None:
        super().__init__("ALREADY_RUNNING", "a tag sync is running already; try again when it has ended", status=409)


@dataclass(frozen=True, slots=True)
class App:
    """What handlers and the command line call."""

    settings: Settings
    now: Now
    aws_client: AwsClient
    status: RegionStatusTable
    inventory_sync: InventorySync
    staging_sync: StagingSync
    tag_sync: TagSync
    shutdown: Shutdown

    def target_accounts(self) -> TargetAccountsTable:
        """Give the records of the target accounts. Raises ConfigurationError when the table's name is not set."""
        self.settings.require("target_accounts_table")
        return TargetAccountsTable(
            Table(self.aws_client.hub(), self.settings.target_accounts_table, self.aws_client.hub_region)
        )

    async def sync_inventory(self, request: SyncRequest, progress: Progress | None = None) -> dict[str, Any]:
        """Run the inventory sync, log its report and emit its metrics.

        Raises:
            ConfigurationError: nothing was done; the message says how to mend it.
            AwsError: the hub's credentials or the target accounts table cannot be used.
        """
        return await self.publish(await self.inventory_sync.run(request, progress))

    async def sync_staging(self, request: SyncRequest, progress: Progress | None = None) -> dict[str, Any]:
        """Run the staging sync, log its report and emit its metrics. Raises as `sync_inventory` does."""
        return await self.publish(await self.staging_sync.run(request, progress))

    async def sync_tags(
        self,
        request: SyncRequest,
        progress: Progress | None = None,
        *,
        source: str = "manual",
        lock_owner: str | None = None,
    ) -> dict[str, Any]:
        """Run the tag sync under its lock, log its report and emit its metrics.

        Args:
            request: what is asked.
            progress: told how it gets on.
            source: who asked: manual, eventbridge, settings_update; kept with the result.
            lock_owner: holder of a lock that was taken for this run beforehand, which takes it over; shards share it,
                and leave it to whoever planned them.

        Raises:
            TagSyncRunningError: another one is running: nothing was done, or this one stood still for longer than its
                lease and was taken over; what it wrote stays.
            OutOfTimeError: the time was up before the lock was taken: nothing was done.
            ConfigurationError, AwsError: as `sync_inventory` does.
        """
        shared = lock_owner if request.shard else None
        if request.dry_run or (request.shard and not shared):
            return await self.publish(await self.tag_sync.run(request, progress, source=source))
        owner, state, deadline = shared or uuid4().hex, self.tag_state(), Deadline(self.shutdown, request.remaining_s)
        is_ours: bool | None = None

        async def work() -> dict[str, Any]:
            left_s = deadline.time_left_s()
            params = replace(request, remaining_s=None if left_s is None else left_s - _RELEASE_S)
            return await self.tag_sync.run(params, progress, source=source, state=state)

        try:
            is_ours = await deadline.run_essential(lambda: state.acquire(owner=owner, takes_over=lock_owner))
            if not is_ours:
                raise TagSyncRunningError
            report = await under_lease(state, owner, LOCK_S, work, now=self.now)
        except LeaseLostError:
            raise TagSyncRunningError from None
        finally:
            if is_ours is not False and not shared:  # None: it may have been taken all the same
                await _give_back(state, owner, deadline)
        return await self.publish(report)

    def tag_state(self) -> TagState:
        """Give the tag sync's lock and last result."""
        return TagState.of(self.aws_client, self.settings, self.now)

    def log_report(self, report: Mapping[str, Any]) -> None:
        """Log a report."""
        _log.info("sync finished", extra=_summary(report))

    async def publish(self, report: dict[str, Any]) -> dict[str, Any]:
        """Log a report, emit its metrics, and give it back."""
        self.log_report(report)
        named = {**report, "operation": _metrics_operation(report)}
        await self._emit(named, _figures(report))
        return report

    async def publish_lost_scopes(self, operation: str, scopes: int) -> None:
        """Emit the metric of scopes whose run ended without a report, and so without metrics of its own."""
        await self._emit({"operation": operation}, {"scopesFailed": scopes})

    async def _emit(self, report: Mapping[str, Any], figures: Mapping[str, Any]) -> None:
        await emit_metrics(stream_for(self.settings.aws_lambda_function_name), report, figures)


async def _give_back(state: TagState, owner: str, deadline: Deadline) -> None:
    """Release the lock; where that fails the lock becomes void by itself, and the run's report is worth more."""
    with deadline.grace_period() as cancel_scope:
        cancel_scope.shield, cancel_scope.deadline = (
            True,
            min(cancel_scope.deadline, anyio.current_time() + _LONGEST_RELEASE_S),
        )
        try:
            await state.release(owner)
        except AwsError as error:
            _log.warning("tag sync lock not released", extra={"code": error.code, "reason": error.message})
    if cancel_scope.cancelled_caught:
        _log.warning("tag sync lock not released", extra={"code": "DeadlineExceeded"})


def _summary(report: Mapping[str, Any]) -> dict[str, Any]:
    """Give the report without its longest lists, fit for one log line."""
    return {
        **{
            name: value
            for name, value in report.items()
            if name not in {"errors", "warnings", "regions", "planned", "details", "accountResults"}
        },
        "firstErrors": report["errors"][:10],
        "errorCount": len(report["errors"]),
        "warningCount": len(report["warnings"]),
    }


def _metrics_operation(report: Mapping[str, Any]) -> str:
    """Name the operation whose metrics a run's are.

    A run over what somebody named, such as the refresh that a query asks for, goes by another name than those that
    choose their regions: the alarm about a schedule that is silent must not take it for the schedule's.
    """
    operation = str(report["operation"])
    return f"{operation}_requested" if report["regionSource"] == RegionSource.REQUESTED else operation


def _figures(report: Mapping[str, Any]) -> dict[str, Any]:
    filtered = report["regionSource"] == RegionSource.STATUS_TABLE
    return {
        "activeRegionCount": len(report["serversByRegion"]) if filtered else None,
        "regionsSkipped": report["regionsSkipped"] if filtered else None,  # on fallback nothing is skipped or saved
        "scopesFailed": report["scopes"]["failed"] + report["scopes"]["partial"],
        "fallback": int(report["regionSource"].startswith("fallback")),
    }


@asynccontextmanager
async def open_app(settings: Settings, now: Now = utc_now, *, shutdown: Shutdown | None = None) -> AsyncIterator[App]:
    """Open the app for one event loop; `stop` ends its runs early."""
    shutdown = shutdown or Shutdown()
    async with AwsClient(settings, now) as aws_client:
        name = settings.drs_region_status_table
        status = RegionStatusTable(
            Table(aws_client.hub(), name, aws_client.hub_region) if name else None,
            now,
            cache_s=settings.region_status_cache_seconds,
            timeout_s=settings.region_status_timeout_seconds,
        )
        yield App(
            settings,
            now,
            aws_client,
            status,
            InventorySync(aws_client, settings, status, now, shutdown=shutdown),
            StagingSync(aws_client, settings, status, now, shutdown=shutdown),
            TagSync(aws_client, settings, status, now, shutdown=shutdown),
            shutdown,
        )
