"""What the query handler and the reading commands call. It can only read: see `service.aws.operations`."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import anyio

from service.aws.client import AwsClient
from service.aws.dynamodb import TableReader
from service.aws.lambda_ import LambdaInvoker
from service.aws.operations import READ_OPERATIONS
from service.errors import AwsError
from service.models import Now, Scope
from service.queries.answer import Answer
from service.queries.extended import ExtendedQuery
from service.queries.failback.query import FailbackQuery
from service.queries.inventory import InventoryQuery
from service.queries.servers import ServersQuery
from service.queries.staging import StagingQueries
from service.queries.validation import StagingValidation
from service.regions.status_reader import RegionStatusReader
from service.settings import Settings
from service.telemetry import emit_metrics, stream_for

__all__ = ["QueryApp", "Refresher", "open_query_app"]

_log: Final = logging.getLogger(__name__)
# One question after the other finds the same places stale until their refresh has come through.
_ASKED_ENOUGH_S: Final = 60.0
_MAX_SCOPES: Final = 2000  # per event: 70 bytes each, and Lambda takes 256 KB
_REFRESH_S: Final = 5.0  # beside QUERY_DEADLINE_SECONDS; together less than the 29 s after which API Gateway has gone


class Refresher(Protocol):
    """Has stale places looked at by what may write."""

    async def refresh(self, scopes: Sequence[Scope]) -> None:
        """Ask for it, for at most 2000 places. Raises AwsError when it could not be asked for."""
        ...


@dataclass(frozen=True, slots=True)
class _FunctionRefresher:
    """Asks the data-management function, which does it after we have answered."""

    invoker: LambdaInvoker
    function: str

    async def refresh(self, scopes: Sequence[Scope]) -> None:
        entries = [{"accountId": scope.account_id, "region": scope.region} for scope in scopes]
        await self.invoker.invoke_later(
            self.function, {"operation": "sync_source_server_inventory", "body": {"scopes": entries}}
        )


@dataclass(frozen=True, slots=True)
class QueryApp:
    """Every question that can be asked."""

    settings: Settings
    status: RegionStatusReader
    inventory: InventoryQuery
    servers: ServersQuery
    extended: ExtendedQuery
    staging: StagingQueries
    validation: StagingValidation
    failback: FailbackQuery
    refresher: Refresher | None
    _asked_at: dict[Scope, float] = field(default_factory=dict)

    async def publish(self, operation: str, answer: Answer) -> dict[str, Any]:
        """Give the body of an answer; ask for a refresh of what was stale, and count hits and misses.

        A refresh that cannot be asked for costs the answer nothing: the body says so.
        """
        figures = {"inventoryDatabaseHits": answer.hits, "inventoryDatabaseMisses": answer.misses}
        await emit_metrics(stream_for(self.settings.aws_lambda_function_name), {"operation": operation}, figures)
        if not answer.stale:
            return answer.body
        return {**answer.body, "refresh": await self._ask_refresh(answer.stale)}

    async def _ask_refresh(self, scopes: Sequence[Scope]) -> dict[str, Any]:
        if self.refresher is None:
            return {"requested": False, "reason": "DATA_MANAGEMENT_FUNCTION_NAME is not set"}
        now = anyio.current_time()
        due = [scope for scope in scopes if now - self._asked_at.get(scope, float("-inf")) >= _ASKED_ENOUGH_S]
        params, later = due[:_MAX_SCOPES], due[_MAX_SCOPES:]  # the next question asks for the rest
        if params:
            why = await self._try_refresh(self.refresher, params)
            if why:
                return {"requested": False, "reason": why}
            self._asked_at.update(dict.fromkeys(params, now))
        return {"requested": True, "scopes": len(scopes) - len(later)}

    async def _try_refresh(self, refresher: Refresher, scopes: Sequence[Scope]) -> str:
        """Ask for a refresh; say why it could not be asked for, empty when it was."""
        code, why = "DeadlineExceeded", "Lambda did not answer in time"
        with anyio.move_on_after(_REFRESH_S):
            try:
                await refresher.refresh(scopes)
            except AwsError as error:
                code, why = error.code, error.message
            else:
                return ""
        _log.warning("refresh not asked for", extra={"code": code, "scopes": len(scopes)})
        return f"{code}: {why}"


@asynccontextmanager
async def open_query_app(
    settings: Settings, now: Now = lambda: datetime.now(UTC), *, refresher: Refresher | None = None
) -> AsyncIterator[QueryApp]:
    """Open the app for one event loop.

    Args:
        settings: the environment.
        now: the wall clock.
        refresher: has stale places refreshed; None: the data-management function, if its name is known.
    """
    async with AwsClient(settings, now, allowed=READ_OPERATIONS) as aws_client:
        name = settings.drs_region_status_table
        status = RegionStatusReader(
            TableReader(aws_client.hub(), name, aws_client.hub_region) if name else None,
            cache_s=settings.region_status_cache_seconds,
            timeout_s=settings.region_status_timeout_seconds,
        )
        function = _function_of(settings)
        if refresher is None and function:
            refresher = _FunctionRefresher(LambdaInvoker(aws_client.hub(), aws_client.hub_region), function)
        yield QueryApp(
            settings,
            status,
            InventoryQuery(aws_client, settings, status, now),
            ServersQuery(aws_client, settings, status, now),
            ExtendedQuery(aws_client, settings, status, now),
            StagingQueries(aws_client, settings, status, now),
            StagingValidation(aws_client, settings),
            FailbackQuery(aws_client, settings, now),
            refresher,
        )


def _function_of(settings: Settings) -> str:
    """Name the data-management function: as set, else by this function's own name, as the platform names both."""
    own = settings.aws_lambda_function_name
    told = own.replace("query-handler", "data-management-handler") if "query-handler" in own else ""
    return settings.data_management_function_name or told
