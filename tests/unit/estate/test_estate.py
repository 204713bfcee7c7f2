"""The estate: postures of scopes added up, and what can be said of all of them together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.estate.estate import Estate, estate_of
from service.estate.scope_posture import ScopePosture, posture_of_scope
from service.inventory.posture import Posture
from service.models import Scope, iso
from service.regions.scope_state import ScopeState, StateRules, state_of
from service.regions.status_entry import AccountEntry
from service.settings import Settings

NOW = datetime(2026, 11, 23, 5, tzinfo=UTC)
RULES = StateRules(NOW, fresh=timedelta(minutes=15), allowed=timedelta(hours=2))
A, B, S = "111100000001", "111100000002", "222200000001"


def scope(
    account_id: str, region: str, *, minutes: float = 1, count: int | None = None, **summary: Any
) -> ScopePosture:
    posture = summary.setdefault("posture", {"ready": 5})
    stored = AccountEntry(
        sum(posture.values()) if count is None else count, last_complete=NOW - timedelta(minutes=minutes)
    )
    summary["asOf"] = iso(NOW - timedelta(minutes=minutes))
    return posture_of_scope(Scope(account_id, region), state_of(stored, RULES), stored, summary, RULES)


def never_scanned(account_id: str, region: str) -> ScopePosture:
    return posture_of_scope(Scope(account_id, region), ScopeState.UNKNOWN, None, None, RULES)


def estate(*scopes: ScopePosture) -> Estate:
    return estate_of(scopes, Settings())


def test_an_estate_without_scopes_knows_nothing() -> None:
    found = estate()
    assert (found.servers, found.ready_percent, found.oldest, found.worst_lag) == (0, None, None, None)


@pytest.mark.parametrize(
    ("scopes", "percent"),
    [
        ([scope(A, "us-east-1")], 100.0),
        ([scope(A, "us-east-1", posture={"ready": 999, "stalled": 1})], 99.9),
        ([scope(A, "us-east-1", posture={"ready": 99_999, "stalled": 1})], 99.9),
        # Five of twelve were last seen long ago: they are unknown, not ready.
        ([scope(A, "us-east-1", posture={"ready": 7}), scope(A, "us-west-2", minutes=300)], 58.3),
        # Nobody knows how many servers are in a scope that was never scanned.
        ([scope(A, "us-east-1"), never_scanned(A, "us-west-2")], None),
    ],
)
def test_the_share_that_is_ready_never_rounds_up_and_never_ignores_what_is_unknown(
    scopes: list[ScopePosture], percent: float | None
) -> None:
    assert estate(*scopes).ready_percent == percent


def test_an_unknown_scope_is_in_the_counts_and_in_the_metrics() -> None:
    found = estate(scope(A, "us-east-1"), scope(B, "us-east-1", minutes=300, posture={"ready": 4, "stalled": 3}))
    assert found.counts == {Posture.READY: 5, Posture.UNKNOWN: 7}
    figures = found.figures(NOW)
    assert (figures["serversReady"], figures["serversUnknown"], figures["serversStalled"]) == (5, 7, 0)
    assert figures["oldestCompleteScanSeconds"] == 300 * 60
    assert figures["scopesUncounted"] == 0


def test_a_scope_that_was_never_counted_is_a_figure_so_that_no_dashboard_shows_that_all_are_ready() -> None:
    figures = estate(scope(A, "us-east-1"), never_scanned(A, "us-west-2")).figures(NOW)
    assert (figures["serversReady"], figures["serversUnknown"], figures["scopesUncounted"]) == (5, 0, 1)


def test_the_longest_lag_the_last_launch_and_reasons_are_found_across_scopes() -> None:
    stalled = {"posture": "stalled", "reason": "AGENT_NOT_SEEN"}
    found = estate(
        scope(
            A,
            "us-east-1",
            posture={"ready": 1, "stalled": 2},
            worstLag={"seconds": 60, "sourceServerID": "s-1"},
            lastLaunch={"time": "2026-11-01T00:00:00Z", "type": "DRILL", "sourceServerID": "s-1"},
            notReadyByReason=[{**stalled, "count": 2, "since": "2026-11-20T00:00:00+00:00"}],
            notReady=[{**stalled, "sourceServerID": "s-2"}],
            overObjective=1,
        ),
        scope(
            B,
            "us-east-1",
            posture={"ready": 1, "stalled": 3},
            worstLag={"seconds": 7200, "sourceServerID": "s-3"},
            lastLaunch={"time": "2026-11-02T00:00:00Z", "type": "RECOVERY", "sourceServerID": "s-3"},
            notReadyByReason=[{**stalled, "count": 3, "since": "2026-11-21T00:00:00+00:00"}],
            overObjective=2,
            withoutRecentDrill=4,
        ),
    )
    assert found.worst_lag == (7200.0, Scope(B, "us-east-1"), "s-3")
    assert found.last_launch is not None
    assert found.last_launch[1] == Scope(B, "us-east-1")
    (group,) = found.not_ready
    assert (group.count, group.since, len(group.scopes)) == (5, "2026-11-20T00:00:00+00:00", 2)
    assert group.examples == [{"accountId": A, "region": "us-east-1", **stalled, "sourceServerID": "s-2"}]
    assert (found.over_objective, found.without_recent_drill) == (3, 4)


def test_the_fill_of_a_staging_account_is_exact_where_it_was_scanned_and_a_lower_bound_elsewhere() -> None:
    found = estate(
        scope(A, "us-east-1", replicating={"": 2, A: 4, S: 270}),
        scope(B, "us-east-1", replicating={B: 1, S: 280, A: 99}),
    )
    assert [(fill.scope.account_id, fill.replicating, fill.is_lower_bound) for fill in found.staging] == [
        (S, 280, True),
        (A, 6, False),
        (B, 1, False),
    ]
    assert found.staging[0].percent == 93.3
    assert found.figures(NOW)["stagingFillPercent"] == 93.3


@pytest.mark.parametrize("damage", [None, -5, "x", [], [None], [5], {"seconds": "x"}, {"count": -1}])
def test_a_damaged_summary_costs_only_what_it_damages(damage: Any) -> None:
    names = (
        "worstLag",
        "lastLaunch",
        "notReady",
        "notReadyByReason",
        "replicating",
        "overObjective",
        "withoutRecentDrill",
    )
    found = estate(scope(A, "us-east-1", **dict.fromkeys(names, damage)))
    assert found.ready_percent == 100.0
    assert (found.over_objective, found.worst_lag, found.last_launch) == (0, None, None)
