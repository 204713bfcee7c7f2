"""How long a first sync takes on a virtual clock: what needs no other answer is asked for at the same time."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Final

from service.context import SyncRequest
from service.models import Call, Scope
from tests.simulation.aws import SimulatedAws
from tests.simulation.clock import VirtualLoop, run
from tests.simulation.fault_injection import Fault, FaultInjector
from tests.simulation.host import Host
from tests.simulation.promises import Promises

ACCOUNT: Final = "200000000001"
REGION: Final = "us-west-2"
ROUND_TRIP_S: Final = 1.0  # of each call: more than the limits of rates take for so few
SIDE_BY_SIDE: Final = {"DescribeReplicationConfigurationTemplates", "GetReplicationConfiguration"}


def test_details_of_new_servers_are_read_side_by_side() -> None:
    """Templates of the scope and of the source side, and replication configurations."""
    sent: list[tuple[str, str, float]] = []

    async def in_loop(loop: VirtualLoop) -> None:
        aws = SimulatedAws(loop, random.Random(0), (ACCOUNT,), (REGION, "us-east-1"))  # noqa: S311 - not a secret
        aws.protect(Scope(ACCOUNT, REGION), tags={})

        def slow(call: Call, _params: Mapping[str, Any]) -> Fault:
            sent.append((call.operation, call.region, loop.time()))
            return Fault("delayed", None, wait_s=ROUND_TRIP_S)

        host = Host("host", aws, FaultInjector(aws.rng, latency_s=0.0, intercept=slow), Promises())
        await host.run("inventory", SyncRequest(full_scan=True))

    run(in_loop)
    reads = [each for each in sent if each[0] in SIDE_BY_SIDE]
    assert {operation for operation, _, _ in reads} == SIDE_BY_SIDE
    assert len({region for _, region, _ in reads}) == 2, "the source side is read too"
    began = [at for _, _, at in reads]
    assert max(began) - min(began) < ROUND_TRIP_S
