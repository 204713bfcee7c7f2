"""Visits of many places, each in its time, on a clock that jumps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import groupby

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.deadline import Deadline, Shutdown
from service.models import Coverage, Problem, RegionStatus, Scope
from service.regions.selection import Selection
from service.sync.engine.fan_out import Visiting, in_turn
from service.sync.engine.outcome import Visit
from service.sync.engine.report import Looked
from tests.simulation.clock import VirtualLoop, run

START = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
SCOPE = Scope("111122223333", "us-west-2")
FAILED = Problem("InternalServerException", "no", RegionStatus.ERROR)


async def fails() -> Problem | None:
    return FAILED


async def hangs() -> Problem | None:
    await anyio.sleep(1000.0)
    return None


@pytest.mark.parametrize(
    ("remaining_s", "max_s", "after_s", "why"),
    [
        (60.0, 20.0, 20.0, "not done within 20 s"),
        (60.0, 90.0, 60.0, "the run's time was up before this place was done"),
        (0.0, 20.0, 0.0, "the run's time was up before this place's turn"),
        (None, 20.0, 20.0, "not done within 20 s"),
    ],
)
def test_a_place_without_end_costs_its_time_and_says_which_time_was_up(
    remaining_s: float | None, max_s: float, after_s: float, why: str
) -> None:
    async def work(loop: VirtualLoop) -> float:
        problem = await Visiting(Deadline(Shutdown(), remaining_s), max_s, 4, START).in_time(SCOPE, hangs)
        assert problem is not None
        assert (problem.code, Scope(problem.account_id, problem.region)) == ("DeadlineExceeded", SCOPE)
        assert problem.message == why
        return loop.time()

    assert run(work) == pytest.approx(after_s)


def test_a_process_told_to_stop_leaves_a_place_at_once_and_enters_no_other() -> None:
    async def work(loop: VirtualLoop) -> float:
        visiting = Visiting(Deadline(Shutdown()), 20.0, 4, START)
        loop.call_later(5.0, visiting.deadline.shutdown.request)  # as a signal does, outside of any task
        for when in ("place was done", "place's turn"):
            problem = await visiting.in_time(SCOPE, hangs)
            assert problem is not None
            assert problem.message == f"the process was told to stop before this {when}"
        return loop.time()

    assert run(work) == pytest.approx(5.0)


def test_what_broke_a_place_off_in_its_time_is_told_as_it_was() -> None:
    async def work(_: VirtualLoop) -> Problem | None:
        return await Visiting(Deadline(Shutdown(), 60.0), 20.0, 4, START).in_time(SCOPE, fails)

    assert run(work) is FAILED


class Told:
    """What a run told of its progress."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    def planned(self, selection: Selection, accounts: int) -> None:
        raise AssertionError(f"{accounts} accounts, {selection.reason}: not of a visit to tell")

    def looked(self, looked: Looked) -> None:
        self.scopes.append(looked.scope)


def test_progress_is_told_of_each_place_once() -> None:
    scopes = [Scope("111122223333", f"region-{number}") for number in range(9)]
    told = Told()

    async def visit(scope: Scope) -> Visit:
        return Visit(Looked(scope, Coverage.COMPLETE))

    async def work(_: VirtualLoop) -> list[Scope]:
        async with Visiting(Deadline(Shutdown()), 20.0, 4, START).visits(scopes, visit, told) as visits:
            return [each.looked.scope async for each in visits]

    assert sorted(run(work)) == sorted(told.scopes) == scopes


@given(
    scopes=st.sets(st.builds(Scope, st.sampled_from("ABC"), st.sampled_from("klmnop"))),
    started_at=st.datetimes(timezones=st.just(UTC)),
)
def test_places_have_their_turn_region_by_region_from_any_region_on(scopes: set[Scope], started_at: datetime) -> None:
    ordered = in_turn(scopes, started_at)
    assert set(ordered) == scopes
    assert len(ordered) == len(scopes)
    regions = [region for region, _ in groupby(scope.region for scope in ordered)]
    first = regions.index(min(regions)) if regions else 0
    assert [*regions[first:], *regions[:first]] == sorted({scope.region for scope in scopes})
    assert in_turn(ordered[::-1], started_at) == ordered


def test_no_region_is_always_the_last() -> None:
    """Where the time never suffices, each has its turn: of two days of syncs every region begins some."""
    scopes = [Scope("A", region) for region in "klmnop"]
    runs = [START + timedelta(minutes=15 * number) for number in range(192)]
    firsts = [in_turn(scopes, each)[0].region for each in runs]
    assert all(firsts.count(region) >= 192 / 6 / 2 for region in "klmnop")
