"""Scopes that a query calls unknown although the inventory sync should know them. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from service.context import RunContext
from service.models import RegionStatus, Scope
from service.regions.scope_state import ScopeState, StateRules, state_of
from service.regions.selection import RegionSource, StatusUnavailable
from service.regions.status_entry import AccountEntry
from service.settings import Settings

__all__ = ["unknown_scopes"]

# Where no servers are known, a sync passes over these with a warning: nobody has to repair anything.
_CLOSED: Final = frozenset({RegionStatus.SCP_DENIED, RegionStatus.ENDPOINT_UNREACHABLE})


def unknown_scopes(context: RunContext, settings: Settings, now: datetime) -> list[Scope] | None:
    """Return the scopes of a run that were unknown before it, by region status as the run has read it.

    Scopes that are closed to the account, by a policy or because DRS of the region cannot be reached, are not among
    them while no servers are known there.

    Returns:
        None where that cannot be told: the run was to scan certain scopes only, or there is no region status.
    """
    selection, rows = context.selection, context.rows
    if (
        isinstance(rows, StatusUnavailable)
        or not rows
        or not (selection.source.is_filtered or selection.source is RegionSource.FULL_SCAN)
    ):
        return None
    entries = {row.region: row.accounts for row in rows}
    rules = StateRules.of(settings, now)
    every_scope = (*selection.scopes, *selection.skipped)
    found = ((scope, entries.get(scope.region, {}).get(scope.account_id)) for scope in every_scope)
    return sorted(
        scope for scope, entry in found if state_of(entry, rules) is ScopeState.UNKNOWN and not _is_closed(entry)
    )


def _is_closed(entry: AccountEntry | None) -> bool:
    return entry is not None and entry.status in _CLOSED and not entry.server_count
