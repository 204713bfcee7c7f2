"""Data of the live pages: what is about every server is made outside the event loop, and a page makes its rows only."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import pytest

from service.models import Scope
from service.queries.estate.servers import ScopeServers
from service.query_app import QueryApp
from service.web.data import LiveData
from service.web.listing import Choice
from tests.support.estate import ACCOUNT, NOW, document, scope, view

SERVERS = 250


class Watched(dict[str, Any]):
    """A view of a server that knows which threads asked for its lag, which only a row shows."""

    def __init__(self, members: Mapping[str, Any], threads: list[int]) -> None:
        super().__init__(members)
        self._threads = threads

    def __getitem__(self, name: str) -> Any:
        if name == "lagDuration":
            self._threads.append(threading.get_ident())
        return super().__getitem__(name)


class FakeApp:
    """The queries that the pages use, with servers in memory."""

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.status = self.estate = self.stored_servers = self

    def invalidate(self) -> None:
        """Do nothing."""

    async def run(self, _: object) -> None:
        """Do nothing."""

    async def publish(self, *_: object) -> dict[str, Any]:
        """Return the document of one scope."""
        entry = {**scope("us-east-1", SERVERS, "ready", 60), "posture": {"ready": SERVERS}}
        return document(scopes=[entry])

    async def read(self, scopes: Mapping[Scope, bool], *, in_brief: bool) -> AsyncIterator[ScopeServers]:
        """Yield the servers of the scope; a list asks for brief views only."""
        assert in_brief
        views = [Watched(view(f"s-{each:04}", "ready"), self.threads) for each in range(SERVERS)]
        for each in scopes:
            yield ScopeServers(each, cast("Any", views))


@pytest.fixture
def app() -> FakeApp:
    """Return the queries of servers in memory."""
    return FakeApp()


async def test_rows_of_every_server_are_made_in_a_thread_once(app: FakeApp) -> None:
    data = LiveData(cast("QueryApp", app), lambda: NOW)
    found = await data.listing(Choice(q="s-000", sort="-name"))
    assert [row.server_id for row in found.rows] == [f"s-{each:04}" for each in reversed(range(10))]
    assert len(app.threads) == SERVERS
    assert threading.get_ident() not in app.threads
    assert (await data.listing(Choice(q="s-0249"))).total == 1
    assert len(app.threads) == SERVERS


async def test_a_search_is_about_the_scopes_that_are_chosen(app: FakeApp) -> None:
    data = LiveData(cast("QueryApp", app), lambda: NOW)
    assert (await data.listing(Choice(q="s-00", region="us-east-1"))).total == 100
    assert (await data.listing(Choice(q="s-00", region="us-west-2"))).total == 0


@pytest.mark.parametrize(("page", "first", "number"), [(1, "s-0000", 100), (3, "s-0200", 50)])
async def test_a_page_makes_only_the_rows_that_it_shows(app: FakeApp, page: int, first: str, number: int) -> None:
    found = await LiveData(cast("QueryApp", app), lambda: NOW).listing(Choice(account=ACCOUNT, page=page))
    assert (found.rows[0].server_id, len(found.rows), found.total) == (first, number, SERVERS)
    assert len(app.threads) == number
