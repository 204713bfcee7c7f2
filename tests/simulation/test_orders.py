"""Every order of the calls of two inventory runs over one scope: two runs later, the tables are as DRS is."""

from __future__ import annotations

from typing import Final

import pytest

from tests.simulation.orders import Explored, Scenario, explore, play
from tests.simulation.planted import BUGS
from tests.simulation.stepping import Choice, are_independent

pytestmark = pytest.mark.deep

SCENARIOS: Final = (
    Scenario("active", ("a server leaves",)),
    Scenario("active", ("a server joins",), "killed"),
    Scenario("active", ("all leave",), "killed, late"),
    Scenario("active", ("all leave, DRS is not initialized",), "lost, late"),
    Scenario("active", ("all leave", "the index catches up")),
    Scenario("idle", ("all leave",)),
    Scenario("idle", ("all leave, DRS is not initialized",)),
)
MIN_SCHEDULES: Final = 60


def check(explored: Explored) -> None:
    schedule, wrong = next(iter(explored.failures.items()), ("", ""))
    assert not explored.failures, f"{len(explored.failures)} schedules fail, one of them: {schedule}\n{wrong}"


@pytest.mark.one_of_many
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_after_every_order_two_runs_repair_everything(scenario: Scenario) -> None:
    explored = explore(scenario)
    assert explored.schedules >= MIN_SCHEDULES, "too few schedules: the calls are no longer recognised"
    check(explored)


@pytest.mark.parametrize(
    "bug", ["a scope that was emptied is not scanned again", "stored items of idle scopes are not read"]
)
def test_an_order_shows_a_planted_bug(bug: str) -> None:
    with BUGS[bug]():
        explored = explore(Scenario("active", ("all leave",)))
    assert any("which has left" in wrong for wrong in explored.failures.values())


def test_a_schedule_can_be_played_again() -> None:
    scenario = Scenario("active", ("all leave",))
    played, wrong = play(scenario)
    assert wrong == ""
    again, _ = play(scenario, tuple(played.taken))
    assert again.taken == played.taken


def test_reads_and_calls_of_different_tables_are_independent() -> None:
    listing, stored, written = (
        Choice(*each) for each in (("A", "DescribeSourceServers"), ("B", "Query items"), ("B", "BatchWriteItem items"))
    )
    assert are_independent(listing, stored)
    assert are_independent(Choice("A", "Query items"), stored)
    assert not are_independent(Choice("A", "Query items"), written)
    assert not are_independent(stored, written), "two calls of one run"
    assert not are_independent(listing, Choice("aws", "all leave"))
