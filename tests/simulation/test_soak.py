"""Soak test of one warm process over simulated days: memory does not grow, and no task is left."""

from __future__ import annotations

import asyncio
import gc
import random
import tracemalloc
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from service.errors import DrsSyncError
from service.models import Scope
from tests.simulation.aws import REGIONS, TARGETS, SimulatedAws
from tests.simulation.clock import VirtualLoop, run
from tests.simulation.fault_injection import FAULT_KINDS, FaultInjector
from tests.simulation.host import Host
from tests.simulation.promises import Promises

pytestmark = pytest.mark.deep

INTERVAL_S = 900.0
DAY = int(86_400 / INTERVAL_S)
# The simulated network keeps parameters of requests, some 80 KB in two days; 1 KB a run would be more than 250 KB.
MAX_GROWTH = 150_000
OURS = tracemalloc.Filter(inclusive=True, filename_pattern=str(Path(__file__).parents[2] / "service" / "*"))


def _allocated_bytes(aws: SimulatedAws) -> int:
    """Return the bytes that our own code has allocated and not released, without the items it has sent to the tables.

    The simulated tables keep those as they were sent, and their number and history differ from day to day.
    """
    for name in ("source_server_inventory_table", "source_server_topology_table"):
        aws.dynamodb.tables[name].items.clear()
    gc.collect()
    return sum(each.size for each in tracemalloc.take_snapshot().filter_traces([OURS]).statistics("filename"))


async def _day(host: Host, aws: SimulatedAws, rng: random.Random) -> None:
    """Simulate a day: all three syncs at their intervals, servers added and deleted, occasional faults."""
    for number in range(DAY):
        scope = Scope(rng.choice(TARGETS), rng.choice(REGIONS))
        aws.protect(scope, tags={"Name": f"n{number}"})
        if len(aws.drs[scope].servers) > 3:
            aws.delete(scope, next(iter(aws.drs[scope].servers)))
        host.faults.share = rng.choice((0.0, 0.0, 0.0, 0.2, 1.0))
        for job in ("inventory", "staging", "tags")[: 1 + 2 * (number % 4 == 0)]:
            with suppress(DrsSyncError):  # a run that cannot start is expected under faults
                await host.run(job)
        await anyio.sleep(INTERVAL_S)
        # Memory of the simulated AWS and its observer is not the engine's.
        host.promises.listings.clear()
        host.promises.shown.clear()
        for table in aws.dynamodb.tables.values():
            table.journal.clear()
        for name in ("source_server_inventory_table", "source_server_topology_table"):
            items = aws.dynamodb.tables[name].items
            for key in [key for key in items if len(items) > 400][:100]:
                del items[key]


def test_a_warm_process_does_not_grow_in_days() -> None:
    async def work(loop: VirtualLoop) -> None:
        rng = random.Random(7)  # noqa: S311 - not a secret
        aws = SimulatedAws(loop, rng)
        host = Host("host", aws, FaultInjector(rng, kinds=tuple(FAULT_KINDS)), Promises())
        await _day(host, aws, rng)
        tasks = len(asyncio.all_tasks())
        tracemalloc.start()
        try:
            await _day(host, aws, rng)
            before = _allocated_bytes(aws)
            for _ in range(2):
                await _day(host, aws, rng)
            assert _allocated_bytes(aws) < before + MAX_GROWTH
        finally:
            tracemalloc.stop()
        assert len(asyncio.all_tasks()) == tasks
        assert len(host.aws_client._roles) <= 2 * len(TARGETS) + 2  # to read, and to write
        assert len(host.aws_client._rate_limiters) <= 4 * (len(TARGETS) + 2) * (len(REGIONS) + 1)

    run(work)
