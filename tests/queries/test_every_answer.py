"""Every query, operation and route of the query side names an unknown scope, and none says that it is complete.

A new query, operation or route fails here until it is added below.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, get_type_hints

import pytest

from service.cli.answers import COMPLETENESS_MEMBERS
from service.handlers import query
from service.queries.answer import Answer
from service.queries.params import InventoryParams, ScopesParams, ServersParams
from service.query_app import QueryApp, open_query_app
from service.settings import load_settings
from tests.support.sandbox import EngineSandbox, Names

EAST, WEST = "us-east-1", "us-west-2"
HOST: Final = "app-east-01"
EXTERNAL: Final = "drs-orchestration-cross-account"

QUERIES: Final[Mapping[str, Callable[[QueryApp, Names], Awaitable[Answer]]]] = {
    "inventory.run": lambda app, _: app.inventory.run(InventoryParams()),
    "servers.run": lambda app, _: app.servers.run(ServersParams(WEST)),
    "extended.run": lambda app, _: app.extended.run(ScopesParams()),
    "staging.get_staging_accounts_direct": lambda app, names: app.staging.get_staging_accounts_direct(names.a),
    "staging.discover_staging_accounts": lambda app, names: app.staging.discover_staging_accounts(names.a),
    "staging.query_recorded_staging_accounts": lambda app, names: app.staging.query_recorded_staging_accounts(names.a),
    "staging.query_staging_accounts_from_target": lambda app, names: app.staging.query_staging_accounts_from_target(
        names.a, [{"accountId": names.b}]
    ),
    "validation.validate_staging_account": lambda app, names: app.validation.validate_staging_account(
        {"accountId": names.a, "externalId": EXTERNAL, "region": WEST}
    ),
    "failback.run": lambda app, _: app.failback.run(HOST),
    "failback.facts": lambda app, _: app.failback.facts(HOST),
    "failback.estate": lambda app, _: app.failback.estate(),
    "regions.run": lambda app, _: app.regions.run(),
    "estate.run": lambda app, _: app.estate.run(ScopesParams()),
    "accounts.run": lambda app, _: app.accounts.run(),
}


NO_ANSWERS: Final = ("readiness.why_not",)
"""What says nothing about scopes: whether the tables can be read."""


def public_queries() -> Iterator[str]:
    """Yield the public coroutine functions of the queries that a QueryApp has."""
    for name, kind in get_type_hints(QueryApp).items():
        if inspect.isclass(kind) and kind.__module__.startswith("service.queries"):
            for method, _ in inspect.getmembers(kind, inspect.iscoroutinefunction):
                if not method.startswith("_"):
                    yield f"{name}.{method}"


def parameters(names: Names) -> Mapping[str, Mapping[str, Any]]:
    """Return parameters for each operation."""
    target = {"targetAccountId": names.a}
    return {
        "get_source_server_inventory": {},
        "get_drs_source_servers": {"region": WEST},
        "get_extended_source_servers": {},
        "get_estate": {},
        "get_failback_topology": {"id": HOST},
        "discover_staging_accounts": target,
        "validate_staging_account": {"accountId": names.a, "externalId": EXTERNAL, "region": WEST},
        "get_staging_accounts": target,
        "query_staging_accounts": target,
    }


@pytest.fixture
async def denied(start_sandbox: Callable[..., EngineSandbox]) -> EngineSandbox:
    """Provide a sandbox where one scope, A in us-west-2, has been denied since before the first sync."""
    sandbox = start_sandbox(
        a={EAST: {"servers": [{"hostname": HOST, "on_premises": True}]}, WEST: {"servers": 2}},
        b={WEST: {"servers": 1}},
    )
    sandbox.faults(deny=[{"account_id": sandbox.names.a, "region": WEST, "service": "drs", "scp": True}])
    await sandbox.sync(full_scan=True)
    return sandbox


@pytest.fixture
def _query_function() -> Iterator[None]:
    """Close the function's event loop afterwards."""
    yield
    query.runtime.close()


def check(body: Mapping[str, Any], names: Names) -> None:
    assert body.keys() >= COMPLETENESS_MEMBERS, sorted(body)
    assert body["complete"] is False
    assert [(each["accountId"], each["region"]) for each in body["unknown"]] == [(names.a, WEST)]
    assert [each["scopes"] for each in body["unknownByCause"]] == [1]
    assert body["scopeStates"]["unknown"] == 1


def test_every_query_is_listed_here() -> None:
    assert sorted(public_queries()) == sorted([*QUERIES, *NO_ANSWERS])


async def test_every_query_names_an_unknown_scope(denied: EngineSandbox) -> None:
    async with open_query_app(load_settings()) as app:
        for name, run_query in QUERIES.items():
            answer = await run_query(app, denied.names)
            assert not answer.is_complete, name
            check(answer.body, denied.names)


async def test_every_query_is_complete_once_everything_is_known(denied: EngineSandbox) -> None:
    denied.faults()
    await denied.sync(full_scan=True)
    async with open_query_app(load_settings()) as app:
        for name, run_query in QUERIES.items():
            body = (await run_query(app, denied.names)).body
            assert (body["complete"], body["unknown"], body["unknownByCause"]) == (True, [], []), name


@pytest.mark.usefixtures("_query_function")
def test_every_operation_and_route_names_an_unknown_scope(denied: EngineSandbox) -> None:
    given = parameters(denied.names)
    assert given.keys() == query.OPERATIONS.keys()
    for operation, values in given.items():
        event = {"operation": operation, "queryParams": values, **values}
        check(query.lambda_handler(event, None), denied.names)
    for route in query.ROUTES:
        values = given[route.operation]
        event = {
            "httpMethod": route.method,
            "path": re.sub(r"\{\w+\}", denied.names.a, route.path),
            "requestContext": {},
            "queryStringParameters": values if route.method == "GET" else None,
            "body": json.dumps(values) if route.method == "POST" else None,
        }
        answer = query.lambda_handler(event, None)
        assert answer["statusCode"] == 200, route
        check(json.loads(answer["body"]), denied.names)
