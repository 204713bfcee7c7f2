"""Scopes that a page need not read, because it is full before it reaches them. Pure.

A page shows servers in the order of regions, accounts and ARNs. The region status table has the number of servers of
each scope, so that it is known which scopes a page of so many servers reaches.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from service.models import Scope
from service.queries.freshness import Freshness, StatusView, freshness_of
from service.queries.paging import Key

__all__ = ["beyond_page", "from_key"]


def from_key(scopes: Sequence[Scope], last: Key | None) -> tuple[Scope, ...]:
    """Return the scopes from that of a server on, in order; all of them without one."""
    if last is None:
        return tuple(scopes)
    first = _scope_of(last)
    return tuple(scope for scope in scopes if (scope.region, scope.account_id) >= (first.region, first.account_id))


def beyond_page(
    scopes: Sequence[Scope], view: StatusView, *, last: Key | None, needed: int, now: datetime, fresh_s: float
) -> frozenset[Scope]:
    """Return the scopes that a page does not reach, of those whose servers are counted and whose inventory is fresh.

    None may be left out where the count of any is not known, because the answer has the total.

    Args:
        scopes: the scopes of the query, by region and account.
        view: region status.
        last: the last server of the page before; None for the first page.
        needed: servers of a page.
        now: the time of the query.
        fresh_s: age in seconds below which an inventory is fresh.
    """
    first = _scope_of(last) if last else None
    counted, beyond = 0, set[Scope]()
    for scope in scopes:
        freshness = freshness_of(view, scope, now=now, fresh_s=fresh_s)
        if freshness.server_count is None:
            return frozenset()
        if counted > needed and freshness.level is Freshness.FRESH:
            beyond.add(scope)
        elif scope != first and not beyond:  # how many of the first scope are left is not known
            counted += max(0, freshness.server_count - freshness.unusable)
    return frozenset(beyond)


def _scope_of(last: Key) -> Scope:
    parts = last.arn.split(":")
    return Scope(parts[4] if len(parts) > 5 else "", last.region)  # noqa: PLR2004 - parts of an ARN
