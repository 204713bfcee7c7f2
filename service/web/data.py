"""Data of the live pages: the estate's document and rows of servers, read when needed and kept for some seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import anyio

from service.models import Now, Problem, Scope, is_account_id, utc_now
from service.pages.server_facts import ServerRow, rows_of
from service.partitions import partition_of
from service.queries.estate.servers import scopes_with_servers
from service.queries.failback.query import FailbackAnswer
from service.queries.failback.render import as_text
from service.queries.failback.runbook import write_runbook
from service.queries.params import ScopesParams
from service.query_app import QueryApp
from service.regions.selection import StatusUnavailable
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
    """

    rows: Sequence[ServerRow]
    total: int
    problems: Sequence[str]


class ServerPage(NamedTuple):
    """One server: its row, None if the inventory does not have it; its runbook; whether all of it is current."""

    row: ServerRow | None
    name: str
    runbook: Sequence[str]
    is_complete: bool
    problems: Sequence[str]


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
    _rows: tuple[float, Sequence[ServerRow], Sequence[str]] | None = None

    async def document(self) -> Mapping[str, Any]:
        """Return the estate's document, at most ten seconds old. Raises as `EstateQuery.run`."""
        async with self._lock:
            if self._document is None or self.clock() - self._document[0] > _DOCUMENT_S:
                body = await self.app.publish("get_estate", await self.app.estate.run(ScopesParams()))
                self._document = (self.clock(), body)
            return self._document[1]

    async def why_not_ready(self) -> str:
        """Return why the tables cannot be read; empty if they can. Raises as `document`."""
        rows = await self.app.status.rows()
        if isinstance(rows, StatusUnavailable):
            return f"region status cannot be read: {rows.reason}"
        await self.document()
        return ""

    async def listing(self, choice: Choice) -> Listing:
        """Return one page of servers; without search and order, only the scopes on it are read."""
        document = await self.document()
        scopes = scopes_of(document, choice)
        if choice.needs_all:
            rows, problems = await self._all(document)
            wanted = {scope for scope, _ in scopes}
            found = chosen_rows((row for row in rows if Scope(row.account, row.region) in wanted), choice)
            start = (choice.page - 1) * PAGE_SIZE
            return Listing(found[start : start + PAGE_SIZE], len(found), problems)
        slices = {each.scope: each for each in slices_of(scopes, choice.page)}
        known = scopes_with_servers(document)
        chosen: list[ServerRow] = []
        problems = []
        async for found_scope in self.app.stored_servers.read({scope: known.get(scope, False) for scope in slices}):
            rows = rows_of(found_scope.servers, self.now())
            if choice.posture:
                rows = [row for row in rows if row.posture == choice.posture]
            part = slices[found_scope.scope]
            chosen += rows[part.first : part.last]
            if found_scope.problem is not None:
                problems.append(_text(found_scope.problem, found_scope.scope))
        return Listing(chosen, sum(count for _, count in scopes), problems)

    async def _all(self, document: Mapping[str, Any]) -> tuple[Sequence[ServerRow], Sequence[str]]:
        """Return the rows of every server, at most a minute old, without what only a server's own page shows."""
        async with self._rows_lock:
            if self._rows is None or self.clock() - self._rows[0] > _ROWS_S:
                rows: list[ServerRow] = []
                problems: list[str] = []
                async for found in self.app.stored_servers.read(scopes_with_servers(document), in_brief=True):
                    rows += rows_of(found.servers, self.now(), with_facts=False)
                    if found.problem is not None:
                        problems.append(_text(found.problem, found.scope))
                rows.sort(key=lambda row: (row.rank, row.name.casefold(), row.account, row.region, row.server_id))
                if problems:
                    return rows, problems
                self._rows = (self.clock(), rows, problems)
            return self._rows[1], self._rows[2]

    async def server(self, server_id: str, account: str, region: str) -> ServerPage:
        """Return one server; account and region tell servers of the same id apart. Raises as `FailbackQuery.run`."""
        name = server_id
        if is_account_id(account) and region in self.app.settings.known_regions:
            name = f"arn:{partition_of(region).name}:drs:{region}:{account}:source-server/{server_id}"
        answer = await self.app.failback.run(name)
        scopes = _scopes_of(answer, server_id)
        known = scopes_with_servers(await self.document())
        row: ServerRow | None = None
        problems: list[str] = []
        async for found in self.app.stored_servers.read({scope: known.get(scope, False) for scope in scopes}):
            views = [view for view in found.servers if view["sourceServerID"] == server_id]
            row = row or next(iter(rows_of(views, self.now())), None)
            if found.problem is not None:
                problems.append(_text(found.problem, found.scope))
        lines = as_text(answer.facts, write_runbook(answer.facts)).splitlines()
        return ServerPage(row, answer.facts.host or server_id, lines, answer.is_complete and not problems, problems)


def _scopes_of(answer: FailbackAnswer, server_id: str) -> list[Scope]:
    records = [each for each in (answer.facts.forward, answer.facts.reversed) if each is not None]
    return [Scope(each.account_id, each.region) for each in records if each.server_id == server_id]


def _text(problem: Problem, scope: Scope) -> str:
    return f"servers of {scope.account_id} {scope.region}: {problem.code}: {problem.message}. Fix: {problem.advice}"
