"""Data of the live pages: the estate's document and rows of servers, read when needed and kept for some seconds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

import anyio
from anyio import to_thread

from service.models import Now, Problem, Scope, is_account_id, utc_now
from service.pages.server_facts import ServerRow, in_order, rows_of
from service.partitions import partition_of
from service.queries.estate.servers import scopes_with_servers
from service.queries.failback.query import FailbackAnswer
from service.queries.failback.render import as_text
from service.queries.failback.runbook import write_runbook
from service.queries.params import ScopesParams
from service.query_app import QueryApp
from service.web.listing import PAGE_SIZE, Choice, chosen_rows, scopes_of, slices_of

__all__ = ["Listing", "LiveData", "ServerPage"]

_DOCUMENT_S: Final = 10.0
_ROWS_S: Final = 60.0


class Listing(NamedTuple):
    """One page of servers.

    Args:
        rows: those on the page.
        total: how many the choice is about.
        problems: what could not be read.
        read_at: when they were read.
    """

    rows: Sequence[ServerRow]
    total: int
    problems: Sequence[str]
    read_at: datetime


class ServerPage(NamedTuple):
    """One server: its row, None if the inventory does not have it; its runbook; when it was read, and from where."""

    row: ServerRow | None
    name: str
    runbook: Sequence[str]
    problems: Sequence[str]
    read_at: datetime
    is_live: bool


class _Rows(NamedTuple):
    """The rows of every server."""

    rows: Sequence[ServerRow]
    problems: Sequence[str]
    read_at: datetime


@dataclass
class LiveData:
    """Reads for the pages. Failures are never kept.

    Args:
        app: the queries.
        now: the wall clock.
        clock: the clock by which what was read grows old, in seconds.
    """

    app: QueryApp
    now: Now = utc_now
    clock: Callable[[], float] = anyio.current_time
    _lock: anyio.Lock = field(default_factory=anyio.Lock)
    _rows_lock: anyio.Lock = field(default_factory=anyio.Lock)
    _document: tuple[float, Mapping[str, Any]] | None = None
    _rows: tuple[float, _Rows] | None = None

    async def document(self) -> Mapping[str, Any]:
        """Return the estate's document, at most ten seconds old. Raises as `EstateQuery.run`."""
        async with self._lock:
            if self._document is None or self.clock() - self._document[0] > _DOCUMENT_S:
                self.app.status.invalidate()  # its cache lasts longer
                started = self.clock()
                body = await self.app.publish("get_estate", await self.app.estate.run(ScopesParams()))
                self._document = (started, body)
            return self._document[1]

    async def why_not_ready(self) -> str:
        """Return why the tables cannot be read now; empty if they can. Nothing of it is kept."""
        return await self.app.readiness.why_not()

    async def listing(self, choice: Choice) -> Listing:
        """Return one page of servers; without search and order, only the scopes on it are read."""
        document = await self.document()
        scopes = scopes_of(document, choice)
        if choice.needs_all:
            everything = await self._all(document)
            wanted = {scope for scope, _ in scopes}
            found = await to_thread.run_sync(_chosen, everything.rows, wanted, choice)
            start = (choice.page - 1) * PAGE_SIZE
            page = found[start : start + PAGE_SIZE]
            return Listing(page, len(found), everything.problems, everything.read_at)
        slices = {each.scope: each for each in slices_of(scopes, choice.page)}
        known, now = scopes_with_servers(document), self.now()
        chosen: list[ServerRow] = []
        problems: list[str] = []
        async for part in self.app.stored_servers.read(
            {scope: known.get(scope, False) for scope in slices}, in_brief=True
        ):
            views = [view for view in in_order(part.servers) if choice.posture in {"", view["posture"]}]
            shown = slices[part.scope]
            chosen += rows_of(views[shown.first : shown.last], now, with_facts=False)
            if part.problem is not None:
                problems.append(_text(part.problem, part.scope))
        return Listing(chosen, sum(count for _, count in scopes), problems, now)

    async def _all(self, document: Mapping[str, Any]) -> _Rows:
        """Return the rows of every server, at most a minute old, without what only a server's own page shows.

        They are made and sorted in a thread, so that other pages are answered meanwhile.
        """
        async with self._rows_lock:
            if self._rows is None or self.clock() - self._rows[0] > _ROWS_S:
                rows: list[ServerRow] = []
                problems: list[str] = []
                started, now = self.clock(), self.now()
                async for found in self.app.stored_servers.read(scopes_with_servers(document), in_brief=True):
                    rows += await to_thread.run_sync(partial(rows_of, found.servers, now, with_facts=False))
                    if found.problem is not None:
                        problems.append(_text(found.problem, found.scope))
                read = _Rows(await to_thread.run_sync(_sorted, rows), problems, now)
                if problems:
                    return read
                self._rows = (started, read)
            return self._rows[1]

    async def server(self, server_id: str, account: str, region: str, *, reads_drs: bool = False) -> ServerPage:
        """Return one server, as the tables have it, or with its present state in DRS. Raises as `FailbackQuery.run`.

        Args:
            server_id: its source server id.
            account: its account; it and the region tell servers of the same id apart.
            region: its region.
            reads_drs: its runbook is of its present state.
        """
        name = server_id
        if is_account_id(account) and region in self.app.settings.known_regions:
            name = f"arn:{partition_of(region).name}:drs:{region}:{account}:source-server/{server_id}"
        now = self.now()
        answer = await self.app.failback.run(name, reads_drs=reads_drs)
        scopes = _scopes_of(answer, server_id)
        known = scopes_with_servers(await self.document())
        row: ServerRow | None = None
        problems: list[str] = []
        async for found in self.app.stored_servers.read({scope: known.get(scope, False) for scope in scopes}):
            views = [view for view in found.servers if view["sourceServerID"] == server_id]
            row = row or next(iter(rows_of(views, now)), None)
            if found.problem is not None:
                problems.append(_text(found.problem, found.scope))
        lines = as_text(answer.facts, write_runbook(answer.facts)).splitlines()
        return ServerPage(row, answer.facts.host or server_id, lines, problems, now, reads_drs)


def _sorted(rows: Sequence[ServerRow]) -> list[ServerRow]:
    return sorted(rows, key=lambda row: (row.rank, row.name.casefold(), row.account, row.region, row.server_id))


def _chosen(rows: Sequence[ServerRow], scopes: Collection[Scope], choice: Choice) -> list[ServerRow]:
    return chosen_rows((row for row in rows if Scope(row.account, row.region) in scopes), choice)


def _scopes_of(answer: FailbackAnswer, server_id: str) -> list[Scope]:
    records = [each for each in (answer.facts.forward, answer.facts.reversed) if each is not None]
    return [Scope(each.account_id, each.region) for each in records if each.server_id == server_id]


def _text(problem: Problem, scope: Scope) -> str:
    return f"servers of {scope.account_id} {scope.region}: {problem.code}: {problem.message}. Fix: {problem.advice}"
