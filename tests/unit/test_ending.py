"""The end of a run's time, on a clock that jumps."""

from __future__ import annotations

import anyio
import pytest

from service.ending import Limit, Stop
from service.errors import DeadlineExceededError
from tests.simulation.clock import VirtualLoop, run


async def _write_many(limit: Limit, loop: VirtualLoop, *, rows: int) -> list[float]:
    """Try to write rows into a table that never answers; tell when each attempt was given up."""
    ended = []
    for _ in range(rows):
        with limit.closing():
            await anyio.sleep(1000.0)
        ended.append(loop.time())
    return ended


def test_however_much_is_to_be_written_a_silent_table_delays_the_end_once() -> None:
    async def work(loop: VirtualLoop) -> list[float]:
        return await _write_many(Limit(Stop(), 10.0), loop, rows=28)

    assert run(work) == pytest.approx([16.0] * 28)


@pytest.mark.parametrize("begins_at", [0.0, 9.0, 10.0, 12.5])
def test_a_run_within_another_has_no_time_of_its_own(begins_at: float) -> None:
    """The tag sync begins within the three seconds after the end when its lock came late."""

    async def work(loop: VirtualLoop) -> list[float]:
        outer = Limit(Stop(), 10.0)
        await anyio.sleep(begins_at)
        inner = Limit(outer.stop, outer.budget_s())
        assert inner.is_over is outer.is_over
        return await _write_many(inner, loop, rows=2)

    assert run(work) == pytest.approx([16.0] * 2)


def test_a_run_without_a_limit_gives_none_on() -> None:
    async def work(_: VirtualLoop) -> float | None:
        return Limit(Stop()).budget_s()

    assert run(work) is None


def test_a_process_told_to_stop_writes_down_for_six_seconds() -> None:
    async def work(loop: VirtualLoop) -> list[float]:
        stop = Stop()
        limit = Limit(stop)
        await anyio.sleep(100.0)
        loop.call_soon(stop.ask)  # as a signal does, outside of any task
        await anyio.sleep(1.0)
        assert stop.asked
        return await _write_many(limit, loop, rows=3)

    assert run(work) == pytest.approx([106.0] * 3)


def test_the_first_word_to_stop_counts() -> None:
    async def work(_: VirtualLoop) -> float | None:
        stop = Stop()
        stop.ask()
        await anyio.sleep(5.0)
        stop.ask()
        return stop.asked_at

    assert run(work) == 0.0


def test_what_a_run_cannot_begin_without_has_three_seconds_more() -> None:
    async def work(loop: VirtualLoop) -> float:
        limit = Limit(Stop(), 10.0)
        with pytest.raises(DeadlineExceededError):
            await limit.whole(lambda: anyio.sleep(1000.0))
        return loop.time()

    assert run(work) == pytest.approx(13.0)


def test_what_is_being_written_when_the_process_is_told_to_stop_has_six_seconds_too() -> None:
    async def work(loop: VirtualLoop) -> list[float]:
        stop = Stop()
        loop.call_later(100.0, stop.ask)
        return await _write_many(Limit(stop), loop, rows=2)

    assert run(work) == pytest.approx([106.0] * 2)


def test_a_run_that_is_told_to_stop_while_it_learns_where_to_look_ends_in_three_seconds() -> None:
    async def work(loop: VirtualLoop) -> float:
        stop = Stop()
        loop.call_later(100.0, stop.ask)
        with pytest.raises(DeadlineExceededError, match="told to stop"):
            await Limit(stop).whole(lambda: anyio.sleep(1000.0))
        return loop.time()

    assert run(work) == pytest.approx(103.0)
