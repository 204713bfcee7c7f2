"""State of a scope: how much a query may claim about it, by region status. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Self

from service.models import RegionStatus, Scope
from service.regions.selection import StatusUnavailable
from service.regions.status_entry import AccountEntry
from service.regions.status_rows import RegionRow
from service.settings import Settings

__all__ = ["SWITCHED_OFF", "ScopeState", "StateRules", "is_switched_off", "known_count", "state_in", "state_of"]


class ScopeState(StrEnum):
    """How much is known about the servers of a scope."""

    FRESH = "fresh"
    """It has servers, as of a complete scan within INVENTORY_FRESH_SECONDS, or it was read from DRS now."""
    OLD = "old"
    """It has servers, as of a complete scan within the allowed age."""
    EMPTY = "empty"
    """It has no servers, as of a complete scan within the allowed age; or the account has switched the region off."""
    EXCLUDED = "excluded"
    """A setting excludes it from every scan."""
    UNKNOWN = "unknown"
    """It was never read completely, or too long ago."""


@dataclass(frozen=True, slots=True)
class StateRules:
    """The ages that decide a state, and what is excluded.

    `allowed` is the discovery window and one sync interval: a scan falls due within the window, and the run that does
    it may begin one interval later and takes time itself. An older scan proves nothing, because a sync that works would
    have replaced it.
    """

    now: datetime
    fresh: timedelta
    allowed: timedelta
    excluded_regions: frozenset[str] = frozenset()
    excluded_scopes: frozenset[Scope] = frozenset()

    @classmethod
    def of(cls, settings: Settings, now: datetime) -> Self:
        """Build the rules of the settings at a time."""
        return cls(
            now,
            timedelta(seconds=settings.inventory_fresh_seconds),
            timedelta(seconds=settings.discovery_window_seconds + settings.sync_interval_seconds),
            frozenset(settings.drs_excluded_regions),
            settings.excluded_scopes,
        )

    def excludes(self, scope: Scope) -> bool:
        """Whether a setting excludes a scope from every scan."""
        return scope.region in self.excluded_regions or scope in self.excluded_scopes


SWITCHED_OFF: Final = (RegionStatus.REGION_NOT_ENABLED, RegionStatus.REGION_NOT_OPTED_IN)
"""Statuses of a region that an account has switched off."""


def state_of(entry: AccountEntry | None, rules: StateRules) -> ScopeState:
    """Return the state of a scope that is not excluded, from its region status entry; None when it has none.

    A time ahead of the clock counts like one as far behind it.
    """
    if entry is None:
        return ScopeState.UNKNOWN
    count, last_complete = entry.server_count, entry.last_complete
    if count is not None and last_complete is not None:
        age = abs(rules.now - last_complete)
        if count and age < rules.fresh:
            return ScopeState.FRESH
        if age <= rules.allowed:
            return ScopeState.OLD if count else ScopeState.EMPTY
    return ScopeState.EMPTY if is_switched_off(entry, rules) else ScopeState.UNKNOWN


def state_in(scope: Scope, entry: AccountEntry | None, rules: StateRules) -> ScopeState:
    """Return the state of any scope, from its region status entry; None when it has none."""
    return ScopeState.EXCLUDED if rules.excludes(scope) else state_of(entry, rules)


def known_count(rows: Iterable[RegionRow] | StatusUnavailable, scope: Scope) -> int | None:
    """Return the server count of a scope at its last complete scan; None where there is none, or nothing was read."""
    readable = () if isinstance(rows, StatusUnavailable) else rows
    entries = (row.accounts.get(scope.account_id) for row in readable if row.region == scope.region)
    return next((entry.server_count for entry in entries if entry is not None), None)


def is_switched_off(entry: AccountEntry, rules: StateRules) -> bool:
    """Whether the account has switched the region off and no servers are known there.

    A sync stores these statuses only after another region accepted the same session.
    """
    if entry.status not in SWITCHED_OFF or entry.server_count or entry.last_checked is None:
        return False
    return abs(rules.now - entry.last_checked) <= rules.allowed
