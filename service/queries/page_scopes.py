"""What a page reads of which scopes: none of those that it does not reach, and of a large one only its own part. Pure.

A page shows servers in the order of regions, accounts and ARNs. The region status table has the number of servers of
each scope, so that it is known which scopes a page of so many servers reaches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from service.inventory.reader import owner_account
from service.models import Scope
from service.queries.freshness import Freshness, StatusView, freshness_of
from service.queries.paging import Cursor, Key

__all__ = ["WHOLE", "PagePlan", "Part", "from_key", "plan_page", "scope_of"]


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a scope that a page may show.

    Args:
        size: how many servers of it at most, or a few more.
        stored: how many servers the inventory should hold of the whole scope.
        after: the server before it; None where it begins with the first.
        shown: how many servers the pages before have shown of the scope.
    """

    size: int
    stored: int
    after: Key | None = None
    shown: int = 0


@dataclass(frozen=True, slots=True)
class PagePlan:
    """What a page reads of its scopes: all of those that are in neither member.

    Args:
        beyond: scopes that the page does not reach: they are counted, and not read.
        parts: scopes of which it reads a part.
    """

    beyond: frozenset[Scope] = frozenset()
    parts: Mapping[Scope, Part] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything is not read."""
        return bool(self.beyond or self.parts)


WHOLE: Final = PagePlan()
"""Everything is read."""


def from_key(scopes: Sequence[Scope], last: Key | None) -> tuple[Scope, ...]:
    """Return the scopes from that of a server on, in order; all of them without one."""
    if last is None:
        return tuple(scopes)
    first = scope_of(last)
    return tuple(scope for scope in scopes if (scope.region, scope.account_id) >= (first.region, first.account_id))


def plan_page(
    scopes: Sequence[Scope], view: StatusView, *, cursor: Cursor | None, needed: int, now: datetime, fresh_s: float
) -> PagePlan:
    """Plan what a page reads. Only scopes whose servers are counted and whose inventory is fresh are not read in full.

    Everything is read where the count of any scope is not known, because the answer has the total.

    Args:
        scopes: the scopes of the query, by region and account.
        view: region status.
        cursor: where the page before ended; None for the first page.
        needed: servers of a page.
        now: the time of the query.
        fresh_s: age in seconds below which an inventory is fresh.
    """
    first = scope_of(cursor.last) if cursor else None
    counted, beyond, parts = 0, set[Scope](), dict[Scope, Part]()
    for scope in scopes:
        freshness = freshness_of(view, scope, now=now, fresh_s=fresh_s)
        if freshness.server_count is None:
            return WHOLE
        is_fresh = freshness.level is Freshness.FRESH
        if counted > needed and is_fresh:
            beyond.add(scope)
            continue
        shown = cursor.shown if cursor and scope == first else 0
        if shown is None:
            continue  # how many are left of the first scope is not known
        if is_fresh and freshness.stored > needed:
            after = cursor.last if cursor and scope == first else None
            parts[scope] = Part(needed, freshness.stored, after, shown)
        if not beyond:
            counted += max(0, freshness.stored - shown)
    return PagePlan(frozenset(beyond), parts)


def scope_of(last: Key) -> Scope:
    """Return the account and region of a server."""
    return Scope(owner_account({"sourceServerArn": last.arn}), last.region)
