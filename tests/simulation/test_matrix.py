"""Twenty faults, six jobs, first, middle and last call: every promise holds, and two more runs repair the tables."""

from __future__ import annotations

from functools import cache

import pytest

from tests.simulation.clock import VirtualLoop, run
from tests.simulation.history import HistoryResult
from tests.simulation.matrix import CELL_FAULTS, JOBS, Cell

pytestmark = pytest.mark.deep

# These jobs make no call that the fault matches.
NO_SUCH_CALLS = {
    ("unprocessed items", "staging"),
    ("unprocessed items", "tags"),
    ("unprocessed items", "coverage"),
    ("unprocessed items", "failback query"),
    ("condition lost", "inventory query"),
    ("condition lost", "failback query"),
    ("token in circles", "coverage"),
    ("token in circles", "failback query"),
}


def play(job: str, kind: str, at: int) -> tuple[HistoryResult, str, int]:
    """Play a cell; return its result, the job's outcome, and how many calls the fault matches."""

    async def work(loop: VirtualLoop) -> tuple[HistoryResult, str, int]:
        cell = Cell(loop, job)
        await cell.prepare()
        calls = await cell.run_with_fault(CELL_FAULTS[kind], at)
        return await cell.end(), cell.outcome, calls

    return run(work)


@cache
def calls_of(job: str, kind: str) -> int:
    """Count the calls that a fault matches, without injecting it."""
    result, outcome, calls = play(job, kind, -1)
    result.check()
    assert outcome == "complete"
    return calls


def test_there_are_twenty_kinds_and_six_jobs() -> None:
    assert (len(CELL_FAULTS), len(JOBS)) == (20, 6)


@pytest.mark.one_of_many
@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("kind", CELL_FAULTS)
def test_one_failing_call_breaks_no_promise(kind: str, job: str) -> None:
    calls = calls_of(job, kind)
    assert (calls == 0) == ((kind, job) in NO_SUCH_CALLS)
    for at in sorted({0, calls // 2, calls - 1}) if calls else ():
        result, outcome, _ = play(job, kind, at)
        assert not result.broken, f"{kind} at call {at} of {calls} of the {job}, which ended {outcome}: {result.broken}"
