"""Calls that hang: the query ends by its deadline, and the response names the call."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Final

import anyio
import pytest

from service import query_app
from service.handlers import query
from service.models import Scope
from service.queries.answer import Answer
from service.queries.completeness import Completeness
from service.query_app import QueryApp
from service.settings import Settings
from tests.support.loop_clock import LoopClock
from tests.support.sandbox import EngineSandbox

NOTHING_UNKNOWN: Final = Completeness({})
EXTERNAL: Final = "drs-orchestration-cross-account"


class Silent:
    """A server that accepts connections and never responds. Queries end when one is there: a minute is over then."""

    def __init__(self, listener: socket.socket, clock: LoopClock) -> None:
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.clock = clock
        self._listener = listener
        self._accepted: list[socket.socket] = []

    def accept(self) -> None:
        """Wait for a connection."""
        self._accepted.append(self._listener.accept()[0])

    def close(self) -> None:
        """Close all connections."""
        for connection in self._accepted:
            connection.close()

    def call_query(self, operation: str, **parameters: str) -> dict[str, Any]:
        """Call a query that hangs."""
        with self.clock.advancing(60, after=self.accept):
            return call_query(operation, **parameters)


@pytest.fixture
def silent(sandbox: EngineSandbox, loop_clock: LoopClock) -> Iterator[Silent]:
    # The clock may move before the client has noticed that it is connected: only the deadline is to end the query.
    sandbox.set(QUERY_DEADLINE_SECONDS="60", CONNECT_TIMEOUT_SECONDS="300", READ_TIMEOUT_SECONDS="300")
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        server = Silent(listener, loop_clock)
        yield server
        query.runtime.close()
        server.close()


def call_query(operation: str, **parameters: str) -> dict[str, Any]:
    return query.lambda_handler({"operation": operation, "queryParams": parameters}, None)


def test_a_table_that_hangs_ends_the_search_for_a_server(silent: Silent, sandbox: EngineSandbox) -> None:
    sandbox.set(AWS_ENDPOINT_URL_DYNAMODB=silent.url)
    answer = silent.call_query("get_failback_topology", id="app-web-01")
    assert (answer["error"], answer["details"]["code"]) == ("DYNAMODB_ERROR", "DeadlineExceeded")
    assert sandbox.server.environment()["SOURCE_SERVER_INVENTORY_TABLE"] in answer["message"]
    assert "QUERY_DEADLINE_SECONDS" in answer["details"]["advice"]


def test_sts_that_hangs_is_named(silent: Silent, sandbox: EngineSandbox) -> None:
    sandbox.set(AWS_ENDPOINT_URL_STS=silent.url)
    requested = {"accountId": sandbox.names.a, "externalId": EXTERNAL, "region": "us-west-2"}
    answer = silent.call_query("validate_staging_account", **requested)
    assert (answer["error"], answer["details"]["valid"]) == ("INTERNAL_ERROR", False)
    assert "in time" in answer["message"]
    answer = silent.call_query("discover_staging_accounts", targetAccountId=sandbox.names.a)
    assert answer["error"].startswith("sts:GetCallerIdentity")


def test_a_query_of_two_parts_has_one_deadline(sandbox: EngineSandbox, loop_clock: LoopClock) -> None:
    """Reading accounts may take 24 of the 60 seconds: the record takes 13 of them, the context as much again."""
    sandbox.latency(loop_clock, dynamodb=13_000)
    answer = call_query("query_staging_accounts", targetAccountId=sandbox.names.a)
    assert (answer["error"], answer["details"]["code"]) == ("DYNAMODB_ERROR", "DeadlineExceeded")


class Refresher:
    """Records the requests for a refresh, or hangs."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs = hangs
        self.requested: list[tuple[Scope, ...]] = []

    async def refresh(self, scopes: Any) -> None:
        if self.hangs:
            await anyio.sleep_forever()
        self.requested.append(tuple(scopes))


def app_with(refresher: Refresher) -> QueryApp:
    nothing: Any = SimpleNamespace()
    return QueryApp(Settings(), *(nothing,) * 12, refresher)


SCOPES: Final = tuple(Scope(f"{number:012d}", "us-west-2") for number in range(3000))


async def test_a_refresh_that_hangs_does_not_delay_the_response(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_app, "_REFRESH_TIMEOUT_S", 0.05)
    refresher = Refresher(hangs=True)
    app = app_with(refresher)
    body = await app.publish("x", Answer({"count": 1}, NOTHING_UNKNOWN, stale=SCOPES[:1]))
    assert (body["count"], body["refresh"]["requested"]) == (1, False)
    assert body["refresh"]["reason"].startswith("DeadlineExceeded")
    refresher.hangs = False
    body = await app.publish("x", Answer({}, NOTHING_UNKNOWN, stale=SCOPES[:1]))
    assert body["refresh"] == {"requested": True, "scopes": 1}
    assert refresher.requested == [SCOPES[:1]]


async def test_scopes_beyond_the_limit_of_an_event_are_requested_by_the_next_query() -> None:
    refresher = Refresher()
    app = app_with(refresher)
    answer = Answer({}, NOTHING_UNKNOWN, stale=SCOPES)
    counts = [(await app.publish("x", answer))["refresh"]["scopes"] for _ in range(3)]
    assert counts == [2000, 3000, 3000]
    assert refresher.requested == [SCOPES[:2000], SCOPES[2000:]]
