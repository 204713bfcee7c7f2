"""Completeness of an answer: the state of every scope it is about, and which of them are unknown. Pure.

A query is about all scopes there could be, not only about those in which servers are known. An answer with an unknown
scope is incomplete, whatever was read elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.models import Problem, Scope
from service.queries.freshness import StatusView
from service.queries.read_result import DataSource, ScopeReadResult
from service.queries.unknown_scopes import UnknownScope, by_cause, cause_of
from service.regions.scope_state import SWITCHED_OFF, ScopeState, StateRules, state_of
from service.regions.status_entry import AccountEntry
from service.settings import Settings

__all__ = ["MAX_LISTED", "Completeness", "all_regions", "completeness_of", "without_accounts"]

MAX_LISTED: Final = 100
"""Unknown scopes that an answer lists; all of them are counted."""
_NAMED: Final = 3  # unknown scopes that a message names


@dataclass(frozen=True, slots=True)
class Completeness:
    """How much is known about the scopes of an answer.

    Args:
        states: number of scopes by state.
        unknown: the unknown scopes, by region and account.
        status_unavailable: why region status could not be read; empty when it could.
    """

    states: Mapping[ScopeState, int]
    unknown: tuple[UnknownScope, ...] = ()
    status_unavailable: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether no scope is unknown."""
        return not self.unknown

    def as_json(self) -> dict[str, Any]:
        """Return the members that every answer has."""
        listed, causes = by_cause(self.unknown, self.status_unavailable, listed=MAX_LISTED)
        return {
            "scopeStates": {str(state): self.states.get(state, 0) for state in ScopeState},
            "unknown": listed,
            "unknownByCause": causes,
        }

    def unknown_text(self) -> str:
        """Name the first unknown scopes with their causes, and count the rest; empty when there are none."""
        named = [
            f"{each.account_id} {each.region} ({cause_of(each, self.status_unavailable).code})".strip()
            for each in self.unknown[:_NAMED]
        ]
        more = len(self.unknown) - len(named)
        return ", ".join(named) + (f" and {more} more scopes" if more else "")


def all_regions(view: StatusView, settings: Settings) -> tuple[str, ...]:
    """Return every region that may have servers: the catalog, and the regions in which the table has servers."""
    active = (row.region for row in view.rows.values() if row.server_count > 0)
    return tuple(sorted({*settings.regions, *active}))


def completeness_of(
    view: StatusView,
    accounts: Iterable[str],
    regions: Iterable[str],
    rules: StateRules,
    results: Sequence[ScopeReadResult] = (),
) -> Completeness:
    """Compute the completeness of an answer about these accounts in these regions.

    Args:
        view: region status.
        accounts: the accounts that the question is about.
        regions: the regions that the question is about.
        rules: ages and exclusions.
        results: what the query has read; it takes precedence over region status.
    """
    read = {result.scope: result for result in results}
    refused = _refused_accounts(results)
    ordered_accounts = sorted(set(accounts))
    states: list[ScopeState] = []
    unknown: list[UnknownScope] = []
    for region in sorted(set(regions)):
        row = view.rows.get(region)
        entries: Mapping[str, AccountEntry] = row.accounts if row else {}
        for account_id in ordered_accounts:
            scope = Scope(account_id, region)
            if rules.excludes(scope):
                states.append(ScopeState.EXCLUDED)
                continue
            entry, result = entries.get(account_id), read.get(scope)
            state = state_of(entry, rules) if result is None else _state_after(state_of(entry, rules), entry, result)
            states.append(state)
            if state is ScopeState.UNKNOWN:
                problem = result.problem if result else refused.get(account_id) if entry is None else None
                unknown.append(UnknownScope(account_id, region, entry, problem, rules.now if problem else None))
    return Completeness({state: states.count(state) for state in ScopeState}, tuple(unknown), view.unavailable)


def _refused_accounts(results: Iterable[ScopeReadResult]) -> dict[str, Problem]:
    """Return the accounts that could not be entered; that is the cause in each region without an attempt on record."""
    return {
        result.scope.account_id: result.problem
        for result in results
        if result.problem and result.problem.service == "sts"
    }


def _state_after(state: ScopeState, entry: AccountEntry | None, result: ScopeReadResult) -> ScopeState:
    """Return the state of a scope that the query has read, or tried to read."""
    if result.source is DataSource.DRS:
        return ScopeState.EMPTY if result.status in SWITCHED_OFF else ScopeState.FRESH
    if result.source is DataSource.INVENTORY:
        return state
    lacks_items = entry is not None and len(result.items) < entry.item_count
    return ScopeState.UNKNOWN if lacks_items else state


def without_accounts(problem: Problem) -> Completeness:
    """Return the completeness of an answer for which not even the accounts could be listed."""
    return Completeness({ScopeState.UNKNOWN: 1}, (UnknownScope("", "", problem=problem),))
