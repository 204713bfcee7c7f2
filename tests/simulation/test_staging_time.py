"""How long a staging sync takes on a virtual clock: half a minute is enough for five active regions with slow calls."""

from __future__ import annotations

import random
from typing import Final

import pytest

from service.context import SyncRequest
from service.models import Scope
from service.settings import Settings
from tests.simulation.aws import STAGING, SimulatedAws
from tests.simulation.clock import VirtualLoop, run
from tests.simulation.fault_injection import FaultInjector
from tests.simulation.host import Host
from tests.simulation.promises import Promises

LIMIT_S: Final = 30.0
LATENCY_S: Final = 1.0  # at most, one way: a call takes three quarters of a second on average
TARGETS: Final = tuple(f"2000000000{number:02}" for number in range(10))
REGIONS: Final = Settings().catalog
ACTIVE: Final = REGIONS[:5]


@pytest.mark.parametrize("waiting", [0, 60])
def test_five_active_regions_take_less_than_half_a_minute(waiting: int) -> None:
    """Ten targets; the staging account of the first has so many servers to extend in each active region."""

    async def work(loop: VirtualLoop) -> None:
        rng = random.Random(0)  # noqa: S311 - not a secret
        aws = SimulatedAws(loop, rng, TARGETS, REGIONS)
        aws.page = 200
        for region in ACTIVE:
            for target in TARGETS:
                aws.protect(Scope(target, region), tags={})
            for _ in range(waiting):
                aws.protect(Scope(STAGING, region), tags={})
        host = Host("host", aws, FaultInjector(rng), Promises())
        await host.run("inventory", SyncRequest(full_scan=True))
        host.faults = FaultInjector(rng, latency_s=LATENCY_S)
        began = loop.time()
        report = await host.run("staging")
        assert report["durationSeconds"] == pytest.approx(loop.time() - began, abs=0.01)
        assert report["durationSeconds"] < LIMIT_S
        assert (report["status"], report["serversExtended"]) == ("complete", waiting * len(ACTIVE))
        assert set(report["regions"]["scanned"]) == set(ACTIVE)

    run(work)
