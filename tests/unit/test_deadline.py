"""Deadline and shutdown, on a virtual clock."""

from __future__ import annotations

import anyio
import pytest

from service.deadline import Deadline, Shutdown
from service.errors import DeadlineExceededError
from tests.simulation.clock import VirtualLoop, run


async def _write_many(deadline: Deadline, loop: VirtualLoop, *, rows: int) -> list[float]:
    """Write rows to a table that never responds; return the time at which each attempt ended."""
    ended = []
    for _ in range(rows):
        with deadline.grace_period():
            await anyio.sleep(1000.0)
        ended.append(loop.time())
    return ended


def test_however_much_is_to_be_written_a_silent_table_delays_the_end_once() -> None:
    async def work(loop: VirtualLoop) -> list[float]:
        return await _write_many(Deadline(Shutdown(), 10.0), loop, rows=28)

    assert run(work) == pytest.approx([16.0] * 28)


@pytest.mark.parametrize("begins_at", [0.0, 9.0, 10.0, 12.5])
def test_a_run_within_another_has_no_time_of_its_own(begins_at: float) -> None:
    """The tag sync can start in the grace period, when it got its lease late."""

    async def work(loop: VirtualLoop) -> list[float]:
        outer = Deadline(Shutdown(), 10.0)
        await anyio.sleep(begins_at)
        inner = Deadline(outer.shutdown, outer.time_left_s())
        assert inner.is_over is outer.is_over
        return await _write_many(inner, loop, rows=2)

    assert run(work) == pytest.approx([16.0] * 2)


def test_a_run_without_a_limit_gives_none_on() -> None:
    async def work(_: VirtualLoop) -> float | None:
        return Deadline(Shutdown()).time_left_s()

    assert run(work) is None


def test_a_process_told_to_stop_records_for_six_seconds() -> None:
    async def work(loop: VirtualLoop) -> list[float]:
        shutdown = Shutdown()
        deadline = Deadline(shutdown)
        await anyio.sleep(100.0)
        loop.call_soon(shutdown.request)  # like a signal handler, outside of any task
        await anyio.sleep(1.0)
        assert shutdown.is_requested
        return await _write_many(deadline, loop, rows=3)

    assert run(work) == pytest.approx([106.0] * 3)


def test_the_first_request_to_stop_counts() -> None:
    async def work(_: VirtualLoop) -> float | None:
        shutdown = Shutdown()
        shutdown.request()
        await anyio.sleep(5.0)
        shutdown.request()
        return shutdown.requested_at

    assert run(work) == 0.0


def test_what_a_run_cannot_begin_without_has_three_seconds_more() -> None:
    async def work(loop: VirtualLoop) -> float:
        deadline = Deadline(Shutdown(), 10.0)
        with pytest.raises(DeadlineExceededError):
            await deadline.run_essential(lambda: anyio.sleep(1000.0))
        return loop.time()

    assert run(work) == pytest.approx(13.0)


def test_what_is_being_written_when_the_process_is_told_to_stop_has_six_seconds_too() -> None:
    async def work(loop: VirtualLoop) -> list[float]:
        shutdown = Shutdown()
        loop.call_later(100.0, shutdown.request)
        return await _write_many(Deadline(shutdown), loop, rows=2)

    assert run(work) == pytest.approx([106.0] * 2)


def test_a_run_that_is_told_to_stop_while_it_selects_its_scopes_ends_in_three_seconds() -> None:
    async def work(loop: VirtualLoop) -> float:
        shutdown = Shutdown()
        loop.call_later(100.0, shutdown.request)
        with pytest.raises(DeadlineExceededError, match="told to stop"):
            await Deadline(shutdown).run_essential(lambda: anyio.sleep(1000.0))
        return loop.time()

    assert run(work) == pytest.approx(103.0)
