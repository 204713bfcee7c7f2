"""What was stale is asked to be refreshed once a minute, however many questions find it so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import anyio
import pytest

from service.errors import AwsError
from service.models import Call, Scope
from service.queries.answer import Answer
from service.query_app import QueryApp
from service.settings import Settings
from tests.simulation.clock import VirtualLoop, run

A: Final = Scope("111122223333", "us-west-2")
B: Final = Scope("444455556666", "eu-west-1")
UNUSED: Final[Any] = None


class Refresher:
    """Takes down what it is asked for; refuses as often as told."""

    def __init__(self, refusals: int = 0) -> None:
        self.asked: list[tuple[Scope, ...]] = []
        self._refusals = refusals

    async def refresh(self, scopes: Sequence[Scope]) -> None:
        self.asked.append(tuple(scopes))
        if self._refusals:
            self._refusals -= 1
            raise AwsError("AccessDeniedException", "no", Call("lambda", "Invoke", "hub", "us-east-1"))


def app_with(refresher: Refresher | None) -> QueryApp:
    unused = (UNUSED, UNUSED, UNUSED, UNUSED, UNUSED, UNUSED, UNUSED)
    return QueryApp(Settings(), *unused, refresher)


async def told(app: QueryApp, *stale: Scope) -> dict[str, Any]:
    return await app.publish("x", Answer({"servers": []}, stale, {"drs_api": len(stale)}))


def test_each_place_is_asked_for_once_a_minute() -> None:
    async def work(_: VirtualLoop) -> list[tuple[Scope, ...]]:
        refresher = Refresher()
        app = app_with(refresher)
        for pause_s in (0.0, 30.0, 29.0):
            await anyio.sleep(pause_s)
            assert (await told(app, A))["refresh"] == {"requested": True, "scopes": 1}
        assert (await told(app, A, B))["refresh"] == {"requested": True, "scopes": 2}
        await anyio.sleep(1.0)
        await told(app, A, B)
        return refresher.asked

    assert run(work) == [(A,), (B,), (A,)]


def test_what_could_not_be_asked_for_is_told_and_asked_for_again() -> None:
    async def work(_: VirtualLoop) -> None:
        refresher = Refresher(refusals=1)
        app = app_with(refresher)
        assert (await told(app, A))["refresh"] == {"requested": False, "reason": "AccessDeniedException: no"}
        assert (await told(app, A))["refresh"] == {"requested": True, "scopes": 1}
        assert refresher.asked == [(A,), (A,)]

    run(work)


@pytest.mark.parametrize("stale", [(), (A,)])
def test_without_anyone_to_ask_the_answer_says_so(stale: tuple[Scope, ...]) -> None:
    async def work(_: VirtualLoop) -> dict[str, Any]:
        return await told(app_with(None), *stale)

    refresh = {"refresh": {"requested": False, "reason": "DATA_MANAGEMENT_FUNCTION_NAME is not set"}}
    assert run(work) == {"servers": [], **(refresh if stale else {})}
