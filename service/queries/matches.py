"""Servers that match a query with filters, collected while scopes are read: a page of them and their numbers. Pure.

However many servers there are, no more than two pages of the matching ones are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

from service.inventory.posture import Objectives
from service.models import Scope
from service.queries.brief import ServerView, brief
from service.queries.page_scopes import scope_of
from service.queries.paging import Key, key_of
from service.queries.params import InventoryParams
from service.queries.presenter import present
from service.queries.read_result import DataSource, ScopeReadResult

__all__ = ["Matches", "Order", "ScopeMatches"]

Order = Callable[[Mapping[str, Any]], Any]


class _Kept(NamedTuple):
    """A server that may be on the page; `rank` is its place."""

    rank: tuple[Any, Key]  # the first is None for all without an order of their own
    view: ServerView


@dataclass(slots=True)
class ScopeMatches:
    """What was found in one scope so far.

    Attributes:
        read: how many servers were read.
        count: how many of them match.
        following: how many of those come after the page before.
        kept: the first of these.
    """

    read: int = 0
    count: int = 0
    following: int = 0
    kept: list[_Kept] = field(default_factory=list)


class Matches:
    """Collects the servers of a page with filters, or with an order of its own.

    Args:
        params: the query.
        objectives: what the estate wants of its servers.
        now: the time of the query.
        size: servers of the page at most; None for all, which are then all kept.
        order: sorts all servers by this key; None for the order of keys.
    """

    def __init__(
        self,
        params: InventoryParams,
        objectives: Objectives,
        now: datetime,
        *,
        size: int | None,
        order: Order | None = None,
    ) -> None:
        self._params = params
        self._objectives = objectives
        self._now = now
        self._size = size
        self._order = order
        self._after = params.cursor.last if params.cursor else None
        self._kept: list[_Kept] = []
        self.counts: Counter[Scope] = Counter()
        self.following = 0

    @property
    def has_pages(self) -> bool:
        """Whether another page can follow: not in an order of its own."""
        return self._order is None

    def resumed(self, scope: Scope) -> tuple[Key | None, int]:
        """Return the server after which a scope is read, and how many an earlier page has read up to that one."""
        cursor = self._params.cursor
        if cursor is None or cursor.shown is None or scope_of(cursor.last) != scope:
            return None, 0
        return cursor.last, cursor.shown

    def look_at(self, found: ScopeMatches, item: Mapping[str, Any], *, is_stale: bool = False) -> None:
        """Add a server to what was found in its scope."""
        found.read += 1
        if not self._params.filters.matches_brief(brief(item)):
            return  # most servers: a whole view takes several times as long
        view = present(item, self._objectives)
        if not self._params.matches(view, self._now):
            return
        found.count += 1
        key = key_of(view)
        if self._after is not None and key <= self._after:
            return
        found.following += 1
        if is_stale:
            view["stale"] = True
        found.kept.append(_Kept((self._order(view) if self._order else None, key), view))
        if self._size is not None and len(found.kept) >= 2 * self._size:
            found.kept = self._first(found.kept)

    def accept(self, scope: Scope, found: ScopeMatches) -> None:
        """Add what was found in a scope that was read."""
        self.counts[scope] += found.count
        self.following += found.following
        self._kept = self._first([*self._kept, *found.kept])

    def take(self, result: ScopeReadResult) -> ScopeReadResult:
        """Collect the servers of a scope that was read as a whole, and return its result without them."""
        found = ScopeMatches()
        for item in result.items:
            self.look_at(found, item, is_stale=result.source is DataSource.STALE)
        self.accept(result.scope, found)
        return replace(result, items=(), records=(), counted=found.read)

    def page(self) -> list[ServerView]:
        """Return the first servers of what was accepted, in order."""
        return [each.view for each in self._kept]

    def _first(self, kept: Iterable[_Kept]) -> list[_Kept]:
        return sorted(kept, key=itemgetter(0))[: self._size]
