"""Freshness: the scopes of a query, and whether the inventory of each is new enough to answer from. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from service.models import Scope, parse_iso
from service.regions.scope_state import ScopeState, StateRules, is_switched_off, state_of
from service.regions.selection import StatusUnavailable
from service.regions.status_entry import AccountEntry
from service.regions.status_rows import RegionRow

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
    """What the region status table says about the age of a scope's inventory."""

    FRESH = "fresh"
    STALE = "stale"
    UNKNOWN = "unknown"
    """The table has no row at all, so that the age of the items decides."""


@dataclass(frozen=True, slots=True)
class ScopeFreshness:
    """Freshness of the inventory of a scope.

    `server_count` is the number of servers that the scan at `last_complete` found, None when it is not known for this
    account alone; then `may_be_empty` is whether an inventory without any server can be right. `unusable` of them are
    not in the inventory, which cannot hold their records; `unusable_names` has the first.
    """

    level: Freshness
    last_complete: datetime | None = None
    server_count: int | None = None
    may_be_empty: bool = False
    unusable: int = 0
    unusable_names: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the scope is known to have no servers, so that nothing need be read."""
        return self.level is Freshness.FRESH and self.server_count == 0

    @property
    def stored(self) -> int:
        """How many servers the inventory should hold at least; zero where that is not known."""
        return max(0, (self.server_count or 0) - self.unusable)

    def lacks(self, servers: int) -> bool:
        """Whether so few servers prove that the inventory was emptied or is being filled."""
        too_few = servers < self.stored if self.server_count is not None else not servers
        return too_few and not self.may_be_empty


_UNKNOWN: Final = ScopeFreshness(Freshness.UNKNOWN)
_NEVER_SCANNED: Final = ScopeFreshness(Freshness.STALE)


class StatusView:
    """The region status table by region; without rows when it is empty or could not be read.

    `unavailable` says why it could not be read; it is empty when it could.
    """

    def __init__(self, rows: Sequence[RegionRow] | StatusUnavailable) -> None:
        self.unavailable = rows.reason if isinstance(rows, StatusUnavailable) else ""
        self.rows: Mapping[str, RegionRow] = (
            {} if isinstance(rows, StatusUnavailable) else {row.region: row for row in rows}
        )

    def entry(self, scope: Scope) -> AccountEntry | None:
        """Return the entry of a scope; None when there is none."""
        row = self.rows.get(scope.region)
        return row.accounts.get(scope.account_id) if row else None


def active_regions(view: StatusView, catalog: Iterable[str], excluded: Collection[str] = ()) -> tuple[str, ...]:
    """Return the regions with servers of any account; every region of the catalog when the table has none."""
    active = sorted(row.region for row in view.rows.values() if row.server_count > 0 and row.region not in excluded)
    return tuple(active) or tuple(sorted(set(catalog) - set(excluded)))


def choose_scopes(
    view: StatusView, accounts: Iterable[str], regions: Iterable[str], rules: StateRules, *, requested: bool
) -> tuple[Scope, ...]:
    """Choose the scopes that a query reads.

    An excluded scope is never read, and neither is one whose account has switched the region off. Regions that the
    caller requested are otherwise read for every account. Without a request, a scope is also left out if it is known to
    be empty while its region has servers of another account.
    """
    scopes = (Scope(account_id, region) for region in sorted(set(regions)) for account_id in sorted(set(accounts)))
    return tuple(scope for scope in scopes if _is_read(view, scope, rules, requested=requested))


def _is_read(view: StatusView, scope: Scope, rules: StateRules, *, requested: bool) -> bool:
    if rules.excludes(scope):
        return False
    row, entry = view.rows.get(scope.region), view.entry(scope)
    if entry is not None and is_switched_off(entry, rules):
        return False
    if requested or row is None or row.server_count == 0:
        return True
    return state_of(entry, rules) is not ScopeState.EMPTY


def freshness_of(view: StatusView, scope: Scope, *, now: datetime, fresh_s: float) -> ScopeFreshness:
    """Compute the freshness of a scope from region status. An age below `fresh_s` seconds is fresh."""
    if not view.rows:
        return _UNKNOWN
    row = view.rows.get(scope.region)
    if row is None:
        return _NEVER_SCANNED
    if row.is_legacy_format:
        settled = row.status is not None and row.status.settles_count
        fresh = settled and is_fresh(row.last_scanned, now, fresh_s)
        # The count is of all accounts together, so an empty inventory can only be right when it is zero.
        return ScopeFreshness(
            Freshness.FRESH if fresh else Freshness.STALE, row.last_scanned, may_be_empty=not row.server_count
        )
    entry = row.accounts.get(scope.account_id)
    if entry is None or entry.last_complete is None or entry.server_count is None:
        return _NEVER_SCANNED
    level = Freshness.FRESH if is_fresh(entry.last_complete, now, fresh_s) else Freshness.STALE
    return ScopeFreshness(
        level,
        entry.last_complete,
        entry.server_count,
        unusable=entry.unusable,
        unusable_names=entry.unusable_names,
    )


def is_fresh(moment: datetime | None, now: datetime, fresh_s: float) -> bool:
    """Whether a time is within `fresh_s` seconds of now, before or after; a clock far ahead makes nothing fresh."""
    return moment is not None and abs(now - moment) < timedelta(seconds=fresh_s)


def check_items(
    freshness: ScopeFreshness, items: Sequence[Mapping[str, Any]], *, now: datetime, fresh_s: float
) -> ScopeFreshness:
    """Correct the freshness of a scope by its items.

    An inventory with fewer servers than the last complete scan counted, without those that it cannot hold, was emptied
    or is being filled: it is stale.
    Without region status, the items are fresh when all of them were written within the last `fresh_s` seconds.
    """
    if freshness.level is Freshness.UNKNOWN:
        written = [parse_iso(item.get("lastUpdated")) for item in items]
        fresh = bool(items) and all(is_fresh(moment, now, fresh_s) for moment in written)
        oldest = min((moment for moment in written if moment), default=None)
        return replace(freshness, level=Freshness.FRESH if fresh else Freshness.STALE, last_complete=oldest)
    if freshness.level is Freshness.FRESH and freshness.lacks(len(items)):
        return replace(freshness, level=Freshness.STALE)
    return freshness
