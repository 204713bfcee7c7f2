"""Jobs killed before and after each call takes effect: every promise holds, and two more runs repair the tables."""

from __future__ import annotations

import pytest

from tests.simulation.clock import VirtualLoop, run
from tests.simulation.fault_injection import FaultInjector
from tests.simulation.host import Host, Killed
from tests.simulation.matrix import SYNCS, Cell

pytestmark = [pytest.mark.deep, pytest.mark.one_of_many]


def play(job: str, half: int | None) -> int:
    """Run a job that is killed after so many half calls, then settle; return how many calls it made."""

    async def work(loop: VirtualLoop) -> int:
        cell = Cell(loop, job)
        await cell.prepare()
        host = Host("killed", cell.aws, FaultInjector(cell.rng, latency_s=0.01), cell.promises)
        host.kill_at = None if half is None else half / 2
        if half is None:
            await host.run(job)
        else:
            try:
                await host.run(job)
            except* Killed:
                pass
            assert host.dead
        await cell.settle()
        if job == "coverage":
            await cell.cover(cell.hosts[-1])
        cell.result().check()
        return host.calls

    return run(work)


@pytest.mark.parametrize("job", [*SYNCS, "coverage"])
def test_a_kill_at_any_call_is_repaired_by_the_next_runs(job: str) -> None:
    calls = play(job, None)
    assert calls > 15, "too few calls for a useful test"
    for half in range(1, 2 * calls - 2):
        play(job, half)
