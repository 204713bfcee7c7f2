"""query-handler: reads only.

Three things hold that: the import rules of this package keep every sync and every write out of its reach, its SDK
session refuses every operation that is no read, and its role has no other permission.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from service.handlers.front import Asked, Front, Operation, Reply, Route
from service.handlers.host import Host
from service.handlers.query_app import QueryApp, open_query_app
from service.handlers.replies import envelope, error_body
from service.queries.asked import InventoryAsked, ScopesAsked, ServersAsked, account_asked, text_required
from service.settings import load_settings

__all__ = [
    "get_drs_source_servers",
    "get_failback_topology",
    "get_staging_accounts_direct",
    "handle_discover_staging_accounts",
    "handle_get_extended_source_servers",
    "handle_get_source_server_inventory",
    "handle_validate_staging_account",
    "lambda_handler",
    "query_staging_accounts_from_target",
]

host: Final = Host(open_query_app)


async def handle_get_source_server_inventory(app: QueryApp, asked: Asked) -> Reply:
    """Give source servers from the inventory; scopes that are stale from DRS."""
    answer = await app.inventory.run(InventoryAsked.parse(asked.members, app.settings))
    return Reply(await app.publish("get_source_server_inventory", answer))


async def get_drs_source_servers(app: QueryApp, asked: Asked) -> Reply:
    """Give the source servers of one region."""
    answer = await app.servers.run(ServersAsked.parse(asked.members, app.settings))
    return Reply(await app.publish("get_drs_source_servers", answer))


async def handle_get_extended_source_servers(app: QueryApp, asked: Asked) -> Reply:
    """Give the extended source servers of all targets, or some, in active regions."""
    answer = await app.extended.run(ScopesAsked.parse(asked.members, app.settings))
    return Reply(await app.publish("get_extended_source_servers", answer))


async def get_failback_topology(app: QueryApp, asked: Asked) -> Reply:
    """Tell where a server came from, how it is now, and how it goes back; `id` is any name it is known by."""
    return Reply(await app.failback.run(text_required(asked.members, "id")))


async def handle_discover_staging_accounts(app: QueryApp, asked: Asked) -> Reply:
    """Name the accounts that replicate servers of a target."""
    answer = await app.staging.discover_staging_accounts(asked.members.get("targetAccountId"))
    return Reply(await app.publish("discover_staging_accounts", answer))


async def handle_validate_staging_account(app: QueryApp, asked: Asked) -> Reply:
    """Try the role of a staging account, and count its servers in one region."""
    given = dict(asked.members) if asked.has_body else None
    return Reply(await app.validation.validate_staging_account(given))


async def get_staging_accounts_direct(app: QueryApp, asked: Asked) -> Reply:
    """Give the staging accounts on record for a target."""
    return Reply(await app.staging.get_staging_accounts_direct(asked.members.get("targetAccountId")))


async def query_staging_accounts_from_target(app: QueryApp, asked: Asked) -> Reply:
    """Count the servers of each staging account on record, region by region, as the target sees them."""
    target, deadline = asked.members.get("targetAccountId"), app.staging.begin()
    records = (await app.staging.get_staging_accounts_direct(target, deadline))["stagingAccounts"]
    counted = await app.staging.query_staging_accounts_from_target(target, records, deadline)
    return Reply({"targetAccountId": target, "stagingAccounts": counted})


def _check_target(asked: Asked) -> None:
    account_asked(asked.members, "targetAccountId")


OPERATIONS: Final[Mapping[str, Operation[QueryApp]]] = MappingProxyType(
    {
        "get_source_server_inventory": Operation(
            handle_get_source_server_inventory, lambda asked: InventoryAsked.parse(asked.members, load_settings())
        ),
        "get_drs_source_servers": Operation(
            get_drs_source_servers, lambda asked: ServersAsked.parse(asked.members, load_settings())
        ),
        "get_extended_source_servers": Operation(
            handle_get_extended_source_servers, lambda asked: ScopesAsked.parse(asked.members, load_settings())
        ),
        "get_failback_topology": Operation(get_failback_topology, lambda asked: text_required(asked.members, "id")),
        "discover_staging_accounts": Operation(handle_discover_staging_accounts, _check_target, bare_errors=True),
        "validate_staging_account": Operation(handle_validate_staging_account),
        "get_staging_accounts": Operation(get_staging_accounts_direct, _check_target),
        "query_staging_accounts": Operation(query_staging_accounts_from_target, _check_target),
    }
)

_TARGET: Final = MappingProxyType({"id": "targetAccountId"})

ROUTES: Final = (
    Route("GET", "/drs/source-server-inventory", "get_source_server_inventory"),
    Route("GET", "/drs/source-servers", "get_drs_source_servers"),
    Route("GET", "/drs/extended-source-servers", "get_extended_source_servers"),
    Route("GET", "/drs/failback", "get_failback_topology"),
    Route("GET", "/accounts/targets/{id}/staging-accounts/discover", "discover_staging_accounts", _TARGET),
    Route("GET", "/accounts/{id}/staging-accounts/discover", "discover_staging_accounts", _TARGET),
    Route("POST", "/staging-accounts/validate", "validate_staging_account"),
)

_front: Final = Front(
    host.run,
    OPERATIONS,
    ROUTES,
    malformed_code="INVALID_OPERATION",
    failed_code="INTERNAL_ERROR",
    members_in="queryParams",
)


def lambda_handler(event: object, context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Entry point of the function: API Gateway and direct operations. Sync operations are refused."""
    message = "the event has neither requestContext nor operation"
    return _front.answer(event) or envelope(500, error_body("INVALID_OPERATION", message))
