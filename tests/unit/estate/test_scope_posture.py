"""Posture of a scope: unknown never counts as ready, whatever a summary says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.estate.scope_posture import posture_of_scope
from service.inventory.posture import Posture
from service.models import Scope, iso
from service.regions.scope_state import ScopeState, StateRules, state_of
from service.regions.status_entry import AccountEntry

NOW = datetime(2026, 11, 23, 5, tzinfo=UTC)
RULES = StateRules(NOW, fresh=timedelta(minutes=15), allowed=timedelta(hours=2))
SCOPE = Scope("111100000001", "us-east-1")
FRESH, OLD, EMPTY, UNKNOWN = ScopeState.FRESH, ScopeState.OLD, ScopeState.EMPTY, ScopeState.UNKNOWN


def entry(count: int | None = 5, minutes: float = 1) -> AccountEntry:
    return AccountEntry(count, last_complete=NOW - timedelta(minutes=minutes))


def summary(minutes: float = 1, **posture: Any) -> dict[str, Any]:
    return {"asOf": iso(NOW - timedelta(minutes=minutes)), "posture": posture or {"ready": 5}}


@pytest.mark.parametrize(
    ("state", "stored", "given", "counts"),
    [
        (FRESH, entry(), summary(), {Posture.READY: 5}),
        (OLD, entry(minutes=60), summary(60), {Posture.READY: 5}),
        (FRESH, entry(), summary(ready=3, stalled=2), {Posture.READY: 3, Posture.STALLED: 2}),
        # The inventory cannot hold two records: they are unknown.
        (FRESH, entry(7), summary(), {Posture.READY: 5, Posture.UNKNOWN: 2}),
        (FRESH, entry(), None, {Posture.UNKNOWN: 5}),
        (FRESH, entry(), {"asOf": iso(NOW)}, {Posture.UNKNOWN: 5}),
        (FRESH, entry(), summary(121), {Posture.UNKNOWN: 5}),
        (FRESH, entry(), summary(-121), {Posture.UNKNOWN: 5}),
        (FRESH, entry(), {**summary(), "asOf": "yesterday"}, {Posture.UNKNOWN: 5}),
        (UNKNOWN, entry(minutes=300), summary(), {Posture.UNKNOWN: 5}),
        (UNKNOWN, None, summary(), {}),
        (UNKNOWN, AccountEntry(), summary(), {}),
        (EMPTY, entry(0), summary(), {}),
        (ScopeState.EXCLUDED, entry(), summary(), {}),
        (FRESH, entry(3), summary(ready=2, of_a_later_version=1), {Posture.READY: 2, Posture.UNKNOWN: 1}),
    ],
)
def test_counts_follow_from_state_and_summary(
    state: ScopeState, stored: AccountEntry | None, given: Any, counts: dict[Posture, int]
) -> None:
    assert posture_of_scope(SCOPE, state, stored, given, RULES).counts == counts


def test_a_scope_that_was_never_counted_says_so() -> None:
    assert not posture_of_scope(SCOPE, UNKNOWN, None, None, RULES).is_counted
    assert not posture_of_scope(SCOPE, UNKNOWN, AccountEntry(first_checked=NOW), None, RULES).is_counted
    assert posture_of_scope(SCOPE, UNKNOWN, entry(minutes=300), None, RULES).is_counted
    assert posture_of_scope(SCOPE, UNKNOWN, None, None, RULES).worst is Posture.UNKNOWN


@given(
    st.none() | st.integers(0, 50),
    st.integers(-300, 300),
    st.none()
    | st.text()
    | st.fixed_dictionaries(
        {
            "asOf": st.sampled_from([iso(NOW), iso(NOW - timedelta(hours=3)), "x"]),
            "posture": st.none()
            | st.dictionaries(st.sampled_from([*map(str, Posture), "other"]), st.none() | st.integers(-5, 60)),
        }
    ),
)
def test_whatever_is_stored_no_more_is_ready_than_a_recent_summary_says(count: Any, minutes: int, given: Any) -> None:
    stored = AccountEntry(count, last_complete=NOW - timedelta(minutes=minutes))
    found = posture_of_scope(SCOPE, state_of(stored, RULES), stored, given, RULES)
    ready = found.counts.get(Posture.READY, 0)
    assert all(number > 0 for number in found.counts.values())
    if ready:
        assert found.state in {FRESH, OLD}
        assert given["asOf"] == iso(NOW)
        assert ready <= given["posture"]["ready"]
    if found.state is UNKNOWN:
        assert found.servers == (count or 0)
