"""Which places a question is about, and whether what the tables know of a place is new enough. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from service.models import Scope, parse_iso
from service.regions.selection import StatusUnavailable
from service.regions.status_rows import AccountEntry, RegionRow

__all__ = [
    "Freshness",
    "ScopeFreshness",
    "StatusView",
    "active_regions",
    "check_items",
    "choose_scopes",
    "freshness_of",
]


class Freshness(StrEnum):
    """What the status table says of the inventory of a place."""

    FRESH = "fresh"
    STALE = "stale"
    UNKNOWN = "untold"
    """The table says nothing at all, so the items themselves must tell."""


@dataclass(frozen=True, slots=True)
class ScopeFreshness:
    """How far the inventory of a place may be believed.

    `server_count` is what the look at `last_complete` counted, None when that is not known of this account alone;
    then `may_be_empty` tells whether an inventory without a single server can be right.
    """

    level: Freshness
    last_complete: datetime | None = None
    server_count: int | None = None
    may_be_empty: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is known to be nothing, so that nothing need be read."""
        return self.level is Freshness.FRESH and self.server_count == 0


_UNKNOWN: Final = ScopeFreshness(Freshness.UNKNOWN)
_NEVER_SEEN: Final = ScopeFreshness(Freshness.STALE)


class StatusView:
    """The region status table by region. A table that is empty or cannot be read tells nothing."""

    def __init__(self, rows: Sequence[RegionRow] | StatusUnavailable) -> None:
        self.rows: Mapping[str, RegionRow] = (
            {} if isinstance(rows, StatusUnavailable) else {row.region: row for row in rows}
        )

    def entry(self, scope: Scope) -> AccountEntry | None:
        """Give what the table knows of a place itself."""
        row = self.rows.get(scope.region)
        return row.accounts.get(scope.account_id) if row else None


def active_regions(view: StatusView, catalog: Iterable[str], excluded: Collection[str] = ()) -> tuple[str, ...]:
    """Name the regions that have servers of anyone; when the table knows of none, every region of the catalog."""
    active = sorted(row.region for row in view.rows.values() if row.server_count > 0 and row.region not in excluded)
    return tuple(active) or tuple(sorted(set(catalog) - set(excluded)))


def choose_scopes(
    view: StatusView, accounts: Iterable[str], regions: Iterable[str], *, asked_for: bool
) -> tuple[Scope, ...]:
    """Name the places that a question is about.

    Regions that were asked for count for every account. Otherwise a place is left out whose last complete look found
    nothing, as long as its region has servers of another account; one that was never looked at stays in.
    """
    scopes = (Scope(account_id, region) for region in sorted(set(regions)) for account_id in sorted(set(accounts)))
    return tuple(scope for scope in scopes if asked_for or not _known_idle(view, scope))


def _known_idle(view: StatusView, scope: Scope) -> bool:
    row, entry = view.rows.get(scope.region), view.entry(scope)
    return bool(row and row.server_count > 0 and entry and entry.server_count == 0)


def freshness_of(view: StatusView, scope: Scope, *, now: datetime, fresh_s: float) -> ScopeFreshness:
    """Judge a place by the status table. Younger than `fresh_s` seconds is fresh, exactly that old is not."""
    if not view.rows:
        return _UNKNOWN
    row = view.rows.get(scope.region)
    if row is None:
        return _NEVER_SEEN
    if row.is_legacy_format:
        settled = row.status is not None and row.status.settles_count
        fresh = settled and is_fresh(row.last_checked, now, fresh_s)
        # The count is that of some account, so only a count of zero everywhere lets an empty place pass for fresh.
        return ScopeFreshness(
            Freshness.FRESH if fresh else Freshness.STALE, row.last_checked, may_be_empty=not row.server_count
        )
    entry = row.accounts.get(scope.account_id)
    if entry is None or entry.last_complete is None or entry.server_count is None:
        return _NEVER_SEEN
    level = Freshness.FRESH if is_fresh(entry.last_complete, now, fresh_s) else Freshness.STALE
    return ScopeFreshness(level, entry.last_complete, entry.server_count)


def is_fresh(moment: datetime | None, now: datetime, fresh_s: float) -> bool:
    """Tell whether a moment is nearer to now than the window, on either side: a clock far ahead makes nothing fresh."""
    return moment is not None and abs(now - moment) < timedelta(seconds=fresh_s)


def check_items(
    freshness: ScopeFreshness, items: Sequence[Mapping[str, Any]], *, now: datetime, fresh_s: float
) -> ScopeFreshness:
    """Judge a place once more, with its items at hand.

    An inventory that holds fewer servers than the last complete look counted was emptied or is being filled: it is not
    believed. Where the status table says nothing, the items are fresh when all of them were written within the window.
    """
    if freshness.level is Freshness.UNKNOWN:
        written = [parse_iso(item.get("lastUpdated")) for item in items]
        fresh = bool(items) and all(is_fresh(moment, now, fresh_s) for moment in written)
        oldest = min((moment for moment in written if moment), default=None)
        return replace(freshness, level=Freshness.FRESH if fresh else Freshness.STALE, last_complete=oldest)
    short = len(items) < freshness.server_count if freshness.server_count is not None else not items
    if freshness.level is Freshness.FRESH and short and not freshness.may_be_empty:
        return replace(freshness, level=Freshness.STALE)
    return freshness
