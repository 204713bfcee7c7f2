"""The estate after a sync of everything, for report and metrics: read from rows and summaries, not from servers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from service.estate.changes import Change
from service.estate.estate import Estate, estate_of
from service.estate.estate_changes import EVENTS_KEY, estate_changes
from service.estate.scope_posture import posture_of_scope
from service.inventory.values_reader import ValuesReader
from service.models import Problem, Scope
from service.regions.scope_state import ScopeState, StateRules, state_in
from service.regions.status_rows import RegionRow
from service.sync.engine.sync import Deps
from service.sync.inventory.outbox import Outbox, announcer_of

__all__ = ["ESTATE", "announce_estate", "read_estate"]

ESTATE: Final = "estate"
"""Member of the report: the figures of the estate."""
_SCANNED: Final = frozenset({ScopeState.FRESH, ScopeState.OLD})


async def read_estate(deps: Deps, accounts: Collection[str], rows: Iterable[RegionRow]) -> Estate | None:
    """Read the summaries of the scopes that have servers, and add up the estate.

    Args:
        deps: of the process.
        accounts: the target accounts.
        rows: region status after the sync.

    Returns:
        None without SOURCE_SERVER_TOPOLOGY_TABLE, which holds the summaries.

    Raises:
        AwsError: the summaries could not be read.
    """
    settings, by_region = deps.settings, {row.region: row for row in rows}
    if not settings.source_server_topology_table:
        return None
    rules = StateRules.of(settings, deps.now())
    active = {row.region for row in by_region.values() if row.server_count > 0}
    scopes = [
        Scope(account_id, region) for region in sorted({*settings.regions, *active}) for account_id in sorted(accounts)
    ]
    entries = {
        scope: row.accounts.get(scope.account_id)
        for scope in scopes
        if (row := by_region.get(scope.region)) is not None
    }
    states = {scope: state_in(scope, entries.get(scope), rules) for scope in scopes}
    reader = ValuesReader(deps.table(settings.source_server_topology_table))
    summaries = await reader.summaries(scope for scope in scopes if states[scope] in _SCANNED)
    postures = [
        posture_of_scope(scope, states[scope], entries.get(scope), summaries.get(scope), rules) for scope in scopes
    ]
    return estate_of(postures, settings)


async def announce_estate(deps: Deps, estate: Estate, *, as_of: datetime) -> Sequence[Problem]:
    """Announce what has changed of the estate as a whole, if an event bus is set; return why events were not sent.

    Args:
        deps: of the process.
        estate: the estate.
        as_of: when it was read.

    Raises:
        AwsError: what was announced could not be read or written, or the bus does not accept events.
    """
    announcer = announcer_of(deps)
    if announcer is None:
        return ()

    def compare(item: Mapping[str, Any]) -> tuple[Sequence[Change], Mapping[str, Any]]:
        return estate_changes(estate, deps.settings, item)

    return (await Outbox(announcer, EVENTS_KEY, None).announce(compare, as_of=as_of)).problems
