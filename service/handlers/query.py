"""Entry point of the query-handler function, which only reads.

Three things enforce that: the import contracts keep every sync and every write out of its reach, its SDK session
refuses every operation that is not a read, and its role has no permission to write.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from service.handlers.responses import envelope, error_body
from service.handlers.router import Operation, Params, Response, Route, Router
from service.handlers.runtime import Runtime
from service.queries.request_models import (
    FailbackRequest,
    InventoryRequest,
    ScopesRequest,
    ServersRequest,
    StagingValidationRequest,
    TargetRequest,
)
from service.query_app import QueryApp, open_query_app

__all__ = [
    "get_drs_source_servers",
    "get_estate",
    "get_failback_topology",
    "get_staging_accounts_direct",
    "handle_discover_staging_accounts",
    "handle_get_extended_source_servers",
    "handle_get_source_server_inventory",
    "handle_validate_staging_account",
    "lambda_handler",
    "query_staging_accounts_from_target",
]

runtime: Final = Runtime(open_query_app)


async def handle_get_source_server_inventory(app: QueryApp, params: Params) -> Response:
    """Return source servers from the inventory, and from DRS for scopes whose inventory is stale."""
    answer = await app.inventory.run(InventoryRequest.parse(params.values, app.settings).params)
    return Response(await app.publish("get_source_server_inventory", answer))


async def get_drs_source_servers(app: QueryApp, params: Params) -> Response:
    """Return the source servers of one region."""
    answer = await app.servers.run(ServersRequest.parse(params.values, app.settings).params)
    return Response(await app.publish("get_drs_source_servers", answer))


async def handle_get_extended_source_servers(app: QueryApp, params: Params) -> Response:
    """Return the extended source servers of all or some target accounts, in the active regions."""
    answer = await app.extended.run(ScopesRequest.parse(params.values, app.settings).scopes)
    return Response(await app.publish("get_extended_source_servers", answer))


async def get_failback_topology(app: QueryApp, params: Params) -> Response:
    """Return where a server came from, its state, and its failback steps; `id` is any name of the server."""
    answer = await app.failback.run(FailbackRequest.parse(params.values, app.settings).id)
    return Response(await app.publish("get_failback_topology", answer))


async def get_estate(app: QueryApp, params: Params) -> Response:
    """Return the posture of the estate: servers that are ready and not, what is unknown, and what needs somebody."""
    answer = await app.estate.run(ScopesRequest.parse(params.values, app.settings).scopes)
    return Response(await app.publish("get_estate", answer))


async def handle_discover_staging_accounts(app: QueryApp, params: Params) -> Response:
    """Return the accounts that replicate servers of a target account."""
    target = TargetRequest.parse(params.values, app.settings).target_account_id
    answer = await app.staging.discover_staging_accounts(target)
    return Response(await app.publish("discover_staging_accounts", answer))


async def handle_validate_staging_account(app: QueryApp, params: Params) -> Response:
    """Assume the role of a staging account, and count its source servers in one region."""
    answer = await app.validation.validate_staging_account(dict(params.values) if params.has_body else None)
    return Response(await app.publish("validate_staging_account", answer))


async def get_staging_accounts_direct(app: QueryApp, params: Params) -> Response:
    """Return the staging accounts in the record of a target account."""
    target = TargetRequest.parse(params.values, app.settings).target_account_id
    answer = await app.staging.get_staging_accounts_direct(target)
    return Response(await app.publish("get_staging_accounts", answer))


async def query_staging_accounts_from_target(app: QueryApp, params: Params) -> Response:
    """Return the number of servers of each staging account in a target's record, by region, as the target sees them."""
    target = TargetRequest.parse(params.values, app.settings).target_account_id
    answer = await app.staging.query_recorded_staging_accounts(target)
    return Response(await app.publish("query_staging_accounts", answer))


OPERATIONS: Final[Mapping[str, Operation[QueryApp]]] = MappingProxyType(
    {
        "get_source_server_inventory": Operation(handle_get_source_server_inventory, InventoryRequest),
        "get_drs_source_servers": Operation(get_drs_source_servers, ServersRequest),
        "get_extended_source_servers": Operation(handle_get_extended_source_servers, ScopesRequest),
        "get_estate": Operation(get_estate, ScopesRequest),
        "get_failback_topology": Operation(get_failback_topology, FailbackRequest),
        "discover_staging_accounts": Operation(
            handle_discover_staging_accounts, TargetRequest, message_only_errors=True
        ),
        "validate_staging_account": Operation(handle_validate_staging_account, StagingValidationRequest),
        "get_staging_accounts": Operation(get_staging_accounts_direct, TargetRequest),
        "query_staging_accounts": Operation(query_staging_accounts_from_target, TargetRequest),
    }
)

_TARGET: Final = MappingProxyType({"id": "targetAccountId"})

ROUTES: Final = (
    Route("GET", "/drs/source-server-inventory", "get_source_server_inventory"),
    Route("GET", "/drs/source-servers", "get_drs_source_servers"),
    Route("GET", "/drs/extended-source-servers", "get_extended_source_servers"),
    Route("GET", "/drs/estate", "get_estate"),
    Route("GET", "/drs/failback", "get_failback_topology"),
    Route("GET", "/accounts/targets/{id}/staging-accounts/discover", "discover_staging_accounts", _TARGET),
    Route("GET", "/accounts/{id}/staging-accounts/discover", "discover_staging_accounts", _TARGET),
    Route("POST", "/staging-accounts/validate", "validate_staging_account"),
)

_router: Final = Router(
    runtime.run,
    OPERATIONS,
    ROUTES,
    malformed_code="INVALID_OPERATION",
    failure_code="INTERNAL_ERROR",
    params_key="queryParams",
)


def lambda_handler(event: object, context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Handle events of API Gateway and direct invocations; sync operations are refused."""
    message = "the event has neither requestContext nor operation"
    return _router.answer(event) or envelope(500, error_body("INVALID_OPERATION", message))
