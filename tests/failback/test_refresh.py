"""Replication settings and templates read again over a day: how often, on a virtual clock."""

from __future__ import annotations

import anyio

from tests.failback.simulated import SimulatedFailback
from tests.simulation.host import Host

HOUR_S = 3600.0
CHANGED = {"stagingAreaSubnetId": "subnet-0000000000000beef"}


async def sync_every(seconds: float, times: int, simulation: SimulatedFailback, host: Host) -> None:
    for _ in range(times):
        assert not (await simulation.sync(host))["errors"]
        await anyio.sleep(seconds)


async def test_a_configuration_edited_in_drs_is_found_within_a_day_and_the_original_stays(
    simulation: SimulatedFailback,
) -> None:
    host = simulation.host(sync_interval_seconds=HOUR_S)
    await sync_every(HOUR_S, 1, simulation, host)
    before = simulation.own(simulation.lineage)
    failback = simulation.failback
    simulation.aws.drs[failback.recovery_side].configurations[failback.forward_id] = CHANGED
    simulation.aws.calls.clear()
    await sync_every(HOUR_S, 36, simulation, host)
    after = simulation.own(simulation.lineage)
    (entry,) = after.pop("topologyHistory")
    assert (entry["event"], entry["configuration"]) == ("reconfigured", CHANGED)
    assert after == before
    assert simulation.aws.calls["drs", "GetReplicationConfiguration"] in {1, 2}  # a day and a half
    await sync_every(HOUR_S, 24, simulation, host)
    assert len(simulation.own(simulation.lineage)["topologyHistory"]) == 1


async def test_templates_are_read_once_an_hour_however_many_servers_come(simulation: SimulatedFailback) -> None:
    host = simulation.host()
    aws, failback = simulation.aws, simulation.failback
    for number in range(4):
        aws.add_server(failback.recovery_side, {"hostname": f"host-{number}"}, failback.source_side)
        await sync_every(HOUR_S / 4, 1, simulation, host)
    # One read in the recovery region and one in the original region.
    assert aws.calls["drs", "DescribeReplicationConfigurationTemplates"] == 2
    for number in range(4, 6):
        aws.add_server(failback.recovery_side, {"hostname": f"host-{number}"}, failback.source_side)
        await sync_every(HOUR_S / 4, 1, simulation, host)
    assert aws.calls["drs", "DescribeReplicationConfigurationTemplates"] == 3
