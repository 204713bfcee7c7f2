"""Random failback histories: a seed always gives the same one; a lost or a changed original breaks a promise of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.failback_history import FailbackHistory, play_failback

SEEDS = range(5000, 5030)


def test_the_same_seed_is_the_same_history() -> None:
    for seed in SEEDS[:6]:
        assert play_failback(seed) == play_failback(seed)


def test_histories_differ_and_reach_every_kind_of_problem() -> None:
    results = [play_failback(seed) for seed in SEEDS]
    assert len({result.trace for result in results}) == len(SEEDS)
    events = {event for result in results for event in result.events}
    assert {"plain", "same account", "extended", "zone", "premises", "undescribed"} <= events
    faults = ("none", "refused", "tables refused", "any", "killed", "two", "two, killed")
    assert {f"sync:{how}" for how in faults} <= events
    assert {"recover", "reverse", "launch_back", "protect_again", "forget", "delete_forward", "drop_item"} <= events


def test_a_topology_that_is_lost_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = FailbackHistory.act

    def lose(self: FailbackHistory, step: str) -> None:
        before(self, step)
        items = self.aws.dynamodb.tables["source_server_topology_table"].items
        for key in [each for each in items if each[1] == "TOPOLOGY"]:
            del items[key]

    monkeypatch.setattr(FailbackHistory, "act", lose)
    with pytest.raises(
        AssertionError, match=r"seed 5000: originals are kept(.|\n)*--seed 5000 --histories 1 --failback"
    ):
        play_failback(5000).check()


def test_a_changed_original_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = FailbackHistory.true_originals

    def other(self: FailbackHistory) -> dict[str, Any]:
        return {**before(self), "originalAccountId": "999999999999"}

    monkeypatch.setattr(FailbackHistory, "true_originals", other)
    with pytest.raises(AssertionError, match=r"originals are true: .*originalAccountId"):
        play_failback(5001).check()
