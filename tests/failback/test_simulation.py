"""Random failback histories: a seed always gives the same one, and a lost or changed original fails it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.histories import History, play


async def run_history(seed: int) -> tuple[list[str], dict[tuple[str, str], int], list[str]]:
    history = History(seed)
    try:
        await history.play()
        tables = ("SOURCE_SERVER_INVENTORY_TABLE", "SOURCE_SERVER_TOPOLOGY_TABLE")
        items = sorted(str(list(item.values())[:2]) for table in tables for item in history.aws.items(table))
        return history.steps, dict(history.aws.counts), items
    finally:
        history.aws.forget()


@pytest.mark.parametrize("seed", range(5000, 5006))
async def test_the_same_seed_is_the_same_history(seed: int) -> None:
    assert await run_history(seed) == await run_history(seed)


async def test_histories_differ_and_reach_every_kind_of_problem() -> None:
    steps = {word for seed in range(5000, 5040) for word in (await run_history(seed))[0]}
    assert {"plain", "same account", "extended", "zone", "premises", "undescribed"} <= steps
    assert {f"sync:{how}" for how in ("none", "refused", "tables refused", "crash", "two", "two crash")} <= steps
    assert {"recover", "reverse", "launch_back", "protect_again", "forget", "delete_forward", "drop_item"} <= steps


async def test_a_topology_that_is_lost_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = History._act

    def lose(self: History, step: str) -> None:
        before(self, step)
        for item in self.aws.items("SOURCE_SERVER_TOPOLOGY_TABLE"):
            if item["sk"]["S"] == "TOPOLOGY":
                self.aws.delete(item)

    monkeypatch.setattr(History, "_act", lose)
    with pytest.raises(AssertionError, match=r"seed 5000, after .*(is lost|was .*, is )"):
        await play(5000)


async def test_a_changed_original_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = History._true_originals

    def other(self: History) -> dict[str, Any]:
        return {**before(self), "originalAccountId": "999999999999"}

    monkeypatch.setattr(History, "_true_originals", other)
    with pytest.raises(AssertionError, match="originalAccountId"):
        await play(5001)
