"""Listing of servers: what a request chooses, and which part of which scope is on a page. Pure.

The document of the estate has the number of servers of each scope by posture. So without search and order, a page is a
few slices of a few scopes, and only these are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from service.models import Scope
from service.pages.server_facts import ServerRow
from service.pages.words import POSTURE_WORDS, rank_of

__all__ = ["PAGE_SIZE", "SORTS", "Choice", "Slice", "choice_of", "chosen_rows", "scopes_of", "slices_of"]

PAGE_SIZE: Final = 100
SORTS: Final = ("name", "account", "region", "posture", "reason", "since", "lag", "launch")
_MAX_TEXT: Final = 200
_MAX_PAGE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Choice:
    """What a request of the list of servers chooses.

    Args:
        q: words that each must be in the row.
        posture: a posture; empty for all.
        account: an account; empty for all.
        region: a region; empty for all.
        sort: a key of `SORTS`, with a minus for the other direction; empty for the order of the scopes.
        page: the page, from 1.
    """

    q: str = ""
    posture: str = ""
    account: str = ""
    region: str = ""
    sort: str = ""
    page: int = 1

    @property
    def needs_all(self) -> bool:
        """Whether every server has to be read, because a search or an order is about all of them."""
        return bool(self.q or self.sort)

    def href(self, **changes: object) -> str:
        """Return the address of this choice with some changes."""
        members = {"q": self.q, "posture": self.posture, "account": self.account, "region": self.region}
        members |= {"sort": self.sort, "page": "" if self.page == 1 else str(self.page)}
        members |= {name: str(value) for name, value in changes.items()}
        query = urlencode({name: value for name, value in members.items() if value})
        return f"/servers?{query}" if query else "/servers"


class Slice(NamedTuple):
    """The servers of a scope that are on a page: from `first`, before `last`; None for all that follow."""

    scope: Scope
    first: int
    last: int | None


def choice_of(params: Mapping[str, str]) -> Choice:
    """Read the parameters of a request. What is not understood chooses nothing."""
    page, sort, posture = params.get("page", ""), params.get("sort", ""), params.get("posture", "")
    return Choice(
        q=params.get("q", "").strip()[:_MAX_TEXT],
        posture=posture if posture in POSTURE_WORDS else "",
        account=params.get("account", "").strip()[:_MAX_TEXT],
        region=params.get("region", "").strip()[:_MAX_TEXT],
        sort=sort if sort.removeprefix("-") in SORTS else "",
        page=min(max(1, int(page)), _MAX_PAGE) if re.fullmatch(r"[0-9]{1,9}", page) else 1,
    )


def scopes_of(document: Mapping[str, Any], choice: Choice) -> list[tuple[Scope, int]]:
    """Return the scopes with servers that a choice is about, and how many it has of each; the worst first."""
    chosen = [
        each
        for each in document["scopes"]
        if choice.account in {"", each["accountId"]} and choice.region in {"", each["region"]}
    ]
    chosen.sort(key=lambda each: (rank_of(each["worst"]), each["accountId"], each["region"]))
    counted = [
        (
            Scope(each["accountId"], each["region"]),
            each["posture"].get(choice.posture, 0) if choice.posture else each["servers"],
        )
        for each in chosen
    ]
    return [(scope, count) for scope, count in counted if count]


def slices_of(scopes: Iterable[tuple[Scope, int]], page: int, *, size: int = PAGE_SIZE) -> list[Slice]:
    """Return what of which scope is on a page.

    Args:
        scopes: scopes, and how many servers each has.
        page: the page, from 1.
        size: servers of a page.
    """
    start, end, position = (page - 1) * size, page * size, 0
    found: list[Slice] = []
    for scope, count in scopes:
        first, last = max(start - position, 0), min(end - position, count)
        if first < last:
            found.append(Slice(scope, first, None if last == count else last))
        position += count
    return found


def chosen_rows(rows: Iterable[ServerRow], choice: Choice) -> list[ServerRow]:
    """Return the rows that a choice is about, in its order; what is not known comes last in both directions."""
    words = choice.q.casefold().split()
    found = [row for row in rows if choice.posture in {"", row.posture} and all(word in _text(row) for word in words)]
    key = choice.sort.removeprefix("-")
    if not key:
        return found
    known = [row for row in found if _value(row, key) not in {None, ""}]
    unknown = [row for row in found if _value(row, key) in {None, ""}]
    return [*sorted(known, key=lambda row: _value(row, key), reverse=choice.sort.startswith("-")), *unknown]


def _text(row: ServerRow) -> str:
    parts: Sequence[str] = (row.name, row.server_id, row.account, row.region, row.word, row.reason)
    return " ".join(parts).casefold()


def _value(row: ServerRow, key: str) -> Any:  # noqa: ANN401 - text or number, by the column
    return {
        "name": row.name.casefold(),
        "account": row.account,
        "region": row.region,
        "posture": row.rank,
        "reason": row.reason,
        "since": row.since_at,
        "lag": row.lag_s,
        "launch": row.launch_at,
    }[key]
