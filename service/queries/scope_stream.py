"""Stream of scopes: reads the inventory of many servers and keeps none of its items. For queries with filters.

Each server is looked at when it arrives. A few queries run side by side, in the order of the scopes, so that when the
time is up, the first scopes are read and the others are not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

import anyio

from service.aws.dynamodb import Item
from service.errors import AwsError
from service.fanout import fan_out
from service.inventory.reader import InventoryReader, arn_prefix
from service.models import Scope
from service.queries.freshness import ScopeFreshness
from service.queries.matches import Matches, ScopeMatches
from service.queries.paging import Key, item_key
from service.queries.presenter import VIEW_ATTRIBUTES
from service.queries.read_result import DataSource, ScopeReadResult
from service.queries.scope_problems import left_out, not_reached
from service.queries.values_overlay import StoredValues

__all__ = ["ScopeStream", "Streamed"]

_QUERIES_AT_ONCE: Final = 8  # each has a page of up to 1 MB, which takes some ten times that as objects
_OWN_QUERY: Final = 100
"""Servers of an account on average from which on each account of a region has a query of its own."""


@dataclass(slots=True)
class Streamed:
    """What came of the scopes of a stream.

    Args:
        done: the scopes that were read to their end, and the number of their servers.
        late: those that were not when the time was up: the last server that counts, and how many were before it.
        has_pages: the next page can go on there.
    """

    done: dict[Scope, int] = field(default_factory=dict)
    late: dict[Scope, tuple[Key, int]] = field(default_factory=dict)
    has_pages: bool = True

    def results(self, freshness: Mapping[Scope, ScopeFreshness], seconds: float) -> dict[Scope, ScopeReadResult]:
        """Return the results of these scopes, without items.

        Args:
            freshness: of the scopes.
            seconds: QUERY_DEADLINE_SECONDS.
        """
        read, everything = len(self.done), len(self.done) + len(self.late)
        results = {
            scope: ScopeReadResult(
                scope,
                DataSource.INVENTORY,
                last_complete=freshness[scope].last_complete,
                rejected=left_out(scope, freshness[scope]),
                counted=servers,
            )
            for scope, servers in self.done.items()
        }
        for scope, (position, skipped) in self.late.items():
            problem = not_reached(scope.region, seconds, read=read, scopes=everything, has_pages=self.has_pages)
            last_complete = freshness[scope].last_complete
            results[scope] = ScopeReadResult(
                scope,
                DataSource.NONE,
                last_complete=last_complete,
                problem=problem,
                skipped=skipped,
                read_to=position,
            )
        return results


@dataclass(slots=True)
class _Found:
    """What was found in scopes that were read to their end, in those that were begun, and what could not be read."""

    done: dict[Scope, ScopeMatches] = field(default_factory=dict)
    begun: dict[Scope, tuple[Key, ScopeMatches]] = field(default_factory=dict)
    unread: set[Scope] = field(default_factory=set)


class ScopeStream:
    """Reads scopes and looks at each of their servers.

    Args:
        reader: of the inventory table.
        matches: what looks at the servers.
        values: waits for the moving values of the scopes.
        until: when to stop, by the event loop's clock.
    """

    def __init__(
        self, reader: InventoryReader, matches: Matches, values: Callable[[], Awaitable[StoredValues]], until: float
    ) -> None:
        self._reader = reader
        self._matches = matches
        self._values = values
        self._until = until

    async def read(self, freshness: Mapping[Scope, ScopeFreshness]) -> Streamed:
        """Read scopes until the time is up. Those that cannot be read, or lack servers, are in no member of the result.

        Where the table has answered nothing at all in that time, none is.

        Args:
            freshness: the scopes, by region and account, all of them fresh.
        """
        found = _Found()

        async def read(scopes: Sequence[Scope]) -> None:
            query = _Query(self._matches, found, scopes)
            start, _ = self._matches.resumed(scopes[0])
            with anyio.CancelScope(deadline=self._until):
                try:
                    items = self._reader.stream(
                        scopes[0].region,
                        [scope.account_id for scope in scopes],
                        after=start[1:] if start else None,
                        only=VIEW_ATTRIBUTES,
                    )
                    async with aclosing(items):
                        await self._follow(query, items)
                except AwsError:  # it is read once more, in the way of a scope that is not fresh, and told there
                    found.unread |= {scope for scope in scopes if scope not in found.done}
                    return
                query.end()
                return
            query.interrupt()

        queries = _queries({scope: each.stored for scope, each in freshness.items()}, self._matches)
        async with fan_out(queries, read, concurrency=_QUERIES_AT_ONCE) as done:
            async for _ in done:
                pass
        return self._settled(freshness, found)

    def _settled(self, freshness: Mapping[Scope, ScopeFreshness], found: _Found) -> Streamed:
        streamed = Streamed(has_pages=self._matches.has_pages)
        for scope, each in found.done.items():
            before = self._matches.resumed(scope)[1]
            if not freshness[scope].lacks(before + each.read):
                streamed.done[scope] = before + each.read
                self._matches.accept(scope, each)
        if not (found.done or found.begun):
            return streamed
        for scope in freshness:
            if scope in found.done or scope in found.unread:
                continue
            start, before = self._matches.resumed(scope)
            position = start or Key(scope.region, arn_prefix(scope), "")
            if not streamed.late and scope in found.begun:  # the page goes on here; later scopes are read again
                position, each = found.begun[scope]
                before += each.read
                self._matches.accept(scope, each)
            streamed.late[scope] = position, before
        return streamed

    async def _follow(self, query: _Query, items: AsyncIterator[tuple[Scope, Item]]) -> None:
        values: StoredValues | None = None
        async for scope, item in items:
            if values is None:
                values = await self._values()  # read meanwhile
            query.add(scope, item, values)


class _Query:
    """One query of an index: the scopes of a region, one after the other."""

    def __init__(self, matches: Matches, found: _Found, scopes: Sequence[Scope]) -> None:
        self._matches = matches
        self._all = found
        self._left = list(reversed(scopes))
        self._found = ScopeMatches()
        self._waiting: list[Mapping[str, Any]] = []  # items with the same ARN, which come in any order
        self._position: Key | None = None

    def add(self, scope: Scope, item: Item, values: StoredValues) -> None:
        """Look at the next server."""
        if self._left[-1] != scope and scope not in self._left:
            return  # out of order; its scope turns out to lack it
        while self._left[-1] != scope:
            self._close()
        if self._waiting and self._waiting[0]["sourceServerArn"] != item["sourceServerArn"]:
            self._look()
        self._waiting.append(values.of_item(scope, item))

    def _look(self) -> None:
        for item in sorted(self._waiting, key=item_key):
            self._matches.look_at(self._found, item)
            self._position = item_key(item)
        self._waiting = []

    def _close(self) -> None:
        self._look()
        self._all.done[self._left.pop()] = self._found
        self._found, self._position = ScopeMatches(), None

    def end(self) -> None:
        """Close the scopes that are left: they have no more servers."""
        while self._left:
            self._close()

    def interrupt(self) -> None:
        """Say how far the scope got that was not read to its end."""
        if self._left and self._position is not None:
            self._all.begun[self._left[-1]] = self._position, self._found


def _queries(counts: Mapping[Scope, int], matches: Matches) -> list[Sequence[Scope]]:
    """Divide scopes into queries: one for each region, or for each account where they have many servers."""
    by_region: dict[str, list[Scope]] = {}
    for scope in counts:
        by_region.setdefault(scope.region, []).append(scope)
    queries: list[Sequence[Scope]] = []
    for scopes in by_region.values():
        if matches.resumed(scopes[0])[0] is not None:
            queries.append([scopes.pop(0)])
        if sum(counts[scope] for scope in scopes) >= _OWN_QUERY * len(scopes):
            queries += [[scope] for scope in scopes]
        elif scopes:
            queries.append(scopes)
    return queries
