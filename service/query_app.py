"""Query app: the queries that the query handler and the CLI call. Its AWS client can only read."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import anyio

from service.aws.client import AwsClient
from service.aws.dynamodb import TableReader
from service.aws.lambda_ import LambdaInvoker
from service.aws.operations import READ_OPERATIONS
from service.errors import AwsError
from service.metrics import publish_metrics
from service.models import Now, Scope, utc_now
from service.queries.accounts import AccountsQuery
from service.queries.answer import Answer
from service.queries.estate.query import EstateQuery
from service.queries.estate.servers import StoredServersQuery
from service.queries.extended import ExtendedQuery
from service.queries.failback.query import FailbackQuery
from service.queries.inventory import InventoryQuery
from service.queries.readiness import ReadinessQuery
from service.queries.regions import RegionsQuery
from service.queries.servers import ServersQuery
from service.queries.staging import StagingQueries
from service.queries.validation import StagingValidation
from service.regions.status_reader import RegionStatusReader
from service.settings import Settings

__all__ = ["QueryApp", "Refresher", "open_query_app"]

_log: Final = logging.getLogger(__name__)
# Until a refresh is done, every query finds the same scopes stale; one request in this time is enough.
_REFRESH_INTERVAL_S: Final = 60.0
_MAX_SCOPES: Final = 2000  # per event: each takes 70 bytes, and Lambda accepts 256 KB
# In addition to QUERY_DEADLINE_SECONDS; together they stay below the 29 s after which API Gateway gives up.
_REFRESH_TIMEOUT_S: Final = 5.0


class Refresher(Protocol):
    """Requests a sync of stale scopes from a function that may write."""

    async def refresh(self, scopes: Sequence[Scope]) -> None:
        """Request a sync of at most 2000 scopes. Raises AwsError when the request failed."""
        ...


@dataclass(frozen=True, slots=True)
class _FunctionRefresher:
    """Invokes the data-management function asynchronously; its sync runs after the query was answered."""

    invoker: LambdaInvoker
    function: str

    async def refresh(self, scopes: Sequence[Scope]) -> None:
        entries = [{"accountId": scope.account_id, "region": scope.region} for scope in scopes]
        await self.invoker.invoke_later(
            self.function, {"operation": "sync_source_server_inventory", "body": {"scopes": entries}}
        )


@dataclass(frozen=True, slots=True)
class QueryApp:
    """The queries, and the refresh of what they found stale."""

    settings: Settings
    status: RegionStatusReader
    inventory: InventoryQuery
    servers: ServersQuery
    extended: ExtendedQuery
    staging: StagingQueries
    validation: StagingValidation
    failback: FailbackQuery
    regions: RegionsQuery
    accounts: AccountsQuery
    estate: EstateQuery
    stored_servers: StoredServersQuery
    readiness: ReadinessQuery
    refresher: Refresher | None
    _requested_at: dict[Scope, float] = field(default_factory=dict)

    async def publish(self, operation: str, answer: Answer) -> dict[str, Any]:
        """Return the body of an answer; request a refresh of its stale scopes, and emit hits and misses as metrics.

        A refresh that could not be requested is no error: the body says so in `refresh`.

        Raises:
            RefusalError: nothing could be read.
        """
        if answer.sources is not None:
            figures = {"inventoryDatabaseHits": answer.hits, "inventoryDatabaseMisses": answer.misses}
            await publish_metrics(self.settings, {"operation": operation}, figures)
        refresh = {"refresh": await self._request_refresh(answer.stale)} if answer.stale else {}
        if answer.failure is not None:
            raise answer.failure
        return {**answer.body, **refresh}

    async def _request_refresh(self, scopes: Sequence[Scope]) -> dict[str, Any]:
        if self.refresher is None:
            return {"requested": False, "reason": "DATA_MANAGEMENT_FUNCTION_NAME is not set"}
        synced = [scope for scope in scopes if scope.region in self.settings.known_regions]
        if not synced:  # every stale scope is of a region that this version does not know
            names = ", ".join(sorted({scope.region for scope in scopes}))
            return {"requested": False, "reason": f"no sync scans {names}. Fix: add it to DRS_NEW_REGIONS"}
        scopes, now = synced, anyio.current_time()
        due = [scope for scope in scopes if now - self._requested_at.get(scope, float("-inf")) >= _REFRESH_INTERVAL_S]
        batch, later = due[:_MAX_SCOPES], due[_MAX_SCOPES:]  # the next query requests the rest
        if batch:
            failure = await self._try_refresh(self.refresher, batch)
            if failure:
                return {"requested": False, "reason": failure}
            self._requested_at.update(dict.fromkeys(batch, now))
        return {"requested": True, "scopes": len(scopes) - len(later)}

    async def _try_refresh(self, refresher: Refresher, scopes: Sequence[Scope]) -> str:
        """Request a refresh; return why that failed, and an empty text when it did not."""
        code, reason = "DeadlineExceeded", "Lambda did not answer in time"
        with anyio.move_on_after(_REFRESH_TIMEOUT_S):
            try:
                await refresher.refresh(scopes)
            except AwsError as error:
                code, reason = error.code, error.message
            else:
                return ""
        _log.warning("refresh could not be requested", extra={"code": code, "scopes": len(scopes)})
        return f"{code}: {reason}"


@asynccontextmanager
async def open_query_app(
    settings: Settings, now: Now = utc_now, *, refresher: Refresher | None = None
) -> AsyncIterator[QueryApp]:
    """Open the app for one event loop.

    Args:
        settings: the environment.
        now: the wall clock.
        refresher: requests the sync of stale scopes; None: the data-management function, if its name is known.
    """
    async with AwsClient(settings, now, allowed=READ_OPERATIONS) as aws_client:
        settings = settings.at_hub(aws_client.configured_region)
        name = settings.drs_region_status_table
        status = RegionStatusReader(
            TableReader(aws_client.hub(), name, aws_client.hub_region) if name else None,
            now,
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
            FailbackQuery(aws_client, settings, status, now),
            RegionsQuery(aws_client, settings, status, now),
            AccountsQuery(aws_client, settings, status, now),
            EstateQuery(aws_client, settings, status, now),
            StoredServersQuery(aws_client, settings),
            ReadinessQuery(aws_client, settings),
            refresher,
        )


def _function_of(settings: Settings) -> str:
    """Return the name of the data-management function: as set, else derived from the name of this function."""
    own = settings.aws_lambda_function_name
    derived = own.replace("query-handler", "data-management-handler") if "query-handler" in own else ""
    return settings.data_management_function_name or derived
