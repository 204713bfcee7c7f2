"""Refresh of stale scopes: requested once a minute per scope, however many queries find it stale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import anyio
import pytest

from service.errors import AwsError
from service.models import Call, Scope
from service.queries.answer import Answer
from service.queries.completeness import Completeness
from service.query_app import QueryApp
from service.settings import Settings
from tests.simulation.clock import VirtualLoop, run

A: Final = Scope("111122223333", "us-west-2")
B: Final = Scope("444455556666", "eu-west-1")
UNUSED: Final[Any] = None
NOTHING_UNKNOWN: Final = Completeness({})


class Refresher:
    """Records the requests for a refresh; fails the first `refusals` of them."""

    def __init__(self, refusals: int = 0) -> None:
        self.requests: list[tuple[Scope, ...]] = []
        self._refusals = refusals

    async def refresh(self, scopes: Sequence[Scope]) -> None:
        self.requests.append(tuple(scopes))
        if self._refusals:
            self._refusals -= 1
            raise AwsError("AccessDeniedException", "no", Call("lambda", "Invoke", "hub", "us-east-1"))


def app_with(refresher: Refresher | None) -> QueryApp:
    unused = (UNUSED,) * 12
    return QueryApp(Settings(), *unused, refresher)


async def publish(app: QueryApp, *stale: Scope) -> dict[str, Any]:
    answer = Answer({"servers": []}, NOTHING_UNKNOWN, stale=stale, sources={"drs_api": len(stale)})
    return await app.publish("x", answer)


def test_each_scope_is_requested_once_a_minute() -> None:
    async def work(_: VirtualLoop) -> list[tuple[Scope, ...]]:
        refresher = Refresher()
        app = app_with(refresher)
        for pause_s in (0.0, 30.0, 29.0):
            await anyio.sleep(pause_s)
            assert (await publish(app, A))["refresh"] == {"requested": True, "scopes": 1}
        assert (await publish(app, A, B))["refresh"] == {"requested": True, "scopes": 2}
        await anyio.sleep(1.0)
        await publish(app, A, B)
        return refresher.requests

    assert run(work) == [(A,), (B,), (A,)]


def test_what_could_not_be_requested_is_reported_and_requested_again() -> None:
    async def work(_: VirtualLoop) -> None:
        refresher = Refresher(refusals=1)
        app = app_with(refresher)
        assert (await publish(app, A))["refresh"] == {"requested": False, "reason": "AccessDeniedException: no"}
        assert (await publish(app, A))["refresh"] == {"requested": True, "scopes": 1}
        assert refresher.requests == [(A,), (A,)]

    run(work)


@pytest.mark.parametrize("stale", [(), (A,)])
def test_without_a_refresher_the_response_says_so(stale: tuple[Scope, ...]) -> None:
    async def work(_: VirtualLoop) -> dict[str, Any]:
        return await publish(app_with(None), *stale)

    body = run(work)
    assert body["servers"] == []
    refused = {"requested": False, "reason": "DATA_MANAGEMENT_FUNCTION_NAME is not set"}
    assert body.get("refresh") == (refused if stale else None)
