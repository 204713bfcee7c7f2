"""Posture of one scope: how many servers are ready, and how many are not known, from its state and its summary. Pure.

A scope that is unknown has no server that is ready, whatever its last summary says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from service.inventory.posture import SEVERITY, Posture
from service.models import Scope, parse_iso
from service.regions.scope_state import ScopeState, StateRules
from service.regions.status_entry import AccountEntry

__all__ = ["NO_SUMMARY", "ScopePosture", "count_of", "entries_of", "posture_of_scope"]

NO_SUMMARY: Final = "NO_SUMMARY"
"""Why the servers of a scope that was scanned are unknown: no summary of that scan could be read."""
_KNOWN: Final = frozenset({ScopeState.FRESH, ScopeState.OLD})


@dataclass(frozen=True, slots=True)
class ScopePosture:
    """Posture of a scope.

    Args:
        scope: the account and region.
        state: how much is known about it.
        counts: number of servers by posture; none without servers.
        is_counted: a complete scan has counted its servers, be it long ago.
        last_complete: when the last complete scan began; None where there was none.
        summary: the members of its summary that count; empty where there is none, or it says nothing any more.
        lacks_summary: it was scanned, and no summary of a recent scan could be read.
        cause: why it is unknown: the status of the last attempt, NEVER_SCANNED or SCAN_TOO_OLD; else empty.
    """

    scope: Scope
    state: ScopeState
    counts: Mapping[Posture, int] = field(default_factory=dict)
    is_counted: bool = True
    last_complete: datetime | None = None
    summary: Mapping[str, Any] = field(default_factory=dict)
    lacks_summary: bool = False
    cause: str = ""

    @property
    def servers(self) -> int:
        """How many servers it has, as far as known."""
        return sum(self.counts.values())

    @property
    def worst(self) -> Posture | None:
        """The worst posture among its servers; that of a scope that is unknown is unknown. None without servers."""
        if self.state is ScopeState.UNKNOWN:
            return Posture.UNKNOWN
        return next((posture for posture in SEVERITY if self.counts.get(posture)), None)


def posture_of_scope(
    scope: Scope, state: ScopeState, entry: AccountEntry | None, summary: object, rules: StateRules
) -> ScopePosture:
    """Compute the posture of a scope.

    Args:
        scope: the account and region.
        state: its state.
        entry: its region status; None where there is none.
        summary: its stored summary, whatever it is; None where there is none.
        rules: ages.
    """
    count, last_complete = (entry.server_count, entry.last_complete) if entry else (None, None)
    is_counted = count is not None and last_complete is not None
    if state in {ScopeState.EXCLUDED, ScopeState.EMPTY}:
        return ScopePosture(scope, state, last_complete=last_complete)
    if state is ScopeState.UNKNOWN:
        counts = {Posture.UNKNOWN: count} if count else {}
        return ScopePosture(
            scope, state, counts, is_counted=is_counted, last_complete=last_complete, cause=_cause(entry)
        )
    valid = _valid(summary, rules)
    if valid is None:
        counts = {Posture.UNKNOWN: count} if count else {}
        return ScopePosture(scope, state, counts, last_complete=last_complete, lacks_summary=True)
    counts = _counts(valid["posture"])
    missing = (count or 0) - sum(counts.values())  # such as records that the inventory cannot hold
    if missing > 0:
        counts[Posture.UNKNOWN] = counts.get(Posture.UNKNOWN, 0) + missing
    return ScopePosture(scope, state, counts, last_complete=last_complete, summary=valid)


def _cause(entry: AccountEntry | None) -> str:
    if entry is not None and entry.status is not None and not entry.status.settles_count:
        return str(entry.status)
    return "NEVER_SCANNED" if entry is None or entry.last_complete is None else "SCAN_TOO_OLD"


def _valid(summary: object, rules: StateRules) -> Mapping[str, Any] | None:
    """Return a summary that says something about now; None where it is missing, damaged, or of long ago."""
    if not isinstance(summary, Mapping) or not isinstance(summary.get("posture"), Mapping):
        return None
    as_of = parse_iso(summary.get("asOf"))
    is_recent = as_of is not None and abs(rules.now - as_of) <= rules.allowed
    return summary if is_recent else None


def _counts(postures: Mapping[str, Any]) -> dict[Posture, int]:
    counts: dict[Posture, int] = {}
    for word, value in postures.items():
        posture = Posture(word) if word in set(Posture) else Posture.UNKNOWN
        if number := count_of(value):
            counts[posture] = counts.get(posture, 0) + number
    return counts


def count_of(value: object) -> int:
    """Return a count as a summary has it; 0 for anything that is no whole number above 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def entries_of(value: object) -> Sequence[Mapping[str, Any]]:
    """Return the mappings of a list as a summary has them; anything else is left out."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
