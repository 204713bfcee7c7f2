"""Concurrent runs leave the tables as one run would."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.endpoint import Call, Trap
from tests.acceptance.reference import REGIONS, clean, populate, state
from tests.acceptance.world import World, finish


@pytest.fixture(autouse=True)
def _settings(world: World) -> None:
    world.settings["TOPOLOGY_READS_PER_SCOPE"] = "100"
    world.settings["DRS_REGIONS"] = REGIONS


def _scan(world: World) -> Callable[[Call], bool]:
    return lambda call: call.operation == "DescribeSourceServers" and call.account in world.accounts


def test_two_runs_at_once_end_as_one(world: World) -> None:
    first, _, hub = populate(world, many=12)
    world.sync()
    del world.scope(first, "us-west-2").servers[5:9]
    world.servers(hub, "eu-west-1", 3, first=50)
    start_line = Trap(lambda call: call.operation == "GetCallerIdentity" and call.account == world.hub)
    world.aws.traps.append(start_line)
    processes = [world.start("sync", "inventory") for _ in range(2)]
    assert start_line.wait_blocked(2)
    start_line.released.set()
    runs = [finish(process) for process in processes]
    world.aws.traps.remove(start_line)

    assert [run.code for run in runs] == [0, 0], [run.out for run in runs]
    inventory, _, rows = state(world)
    clean_inventory, _, clean_rows = clean(world)
    assert inventory == clean_inventory
    assert rows == clean_rows


def test_two_first_runs_at_once_end_as_one(world: World) -> None:
    populate(world, many=12)
    start_line = Trap(lambda call: call.operation == "GetCallerIdentity" and call.account == world.hub)
    world.aws.traps.append(start_line)
    processes = [world.start("sync", "inventory") for _ in range(2)]
    assert start_line.wait_blocked(2)
    start_line.released.set()
    runs = [finish(process) for process in processes]
    world.aws.traps.remove(start_line)

    assert [run.code for run in runs] == [0, 0], [run.out for run in runs]
    assert state(world) == clean(world)


def test_runs_for_different_accounts_at_once_keep_each_others_counts(world: World) -> None:
    accounts = [world.account() for _ in range(3)]
    for number, account in enumerate(accounts, start=1):
        world.servers(account, "us-west-2", number)
        world.servers(account, "eu-west-1", 1)
    start_line = Trap(_scan(world), after=0)
    world.aws.traps.append(start_line)
    regions = ("--region", "us-west-2", "--region", "eu-west-1")
    processes = [world.start("sync", "inventory", "--account", account, *regions) for account in accounts]
    assert start_line.wait_blocked(6)
    start_line.released.set()
    runs = [finish(process) for process in processes]
    world.aws.traps.remove(start_line)

    assert [run.code for run in runs] == [0, 0, 0], [run.out for run in runs]
    assert world.counts() == {"us-west-2": 6, "eu-west-1": 3}
    assert len(world.inventory()) == 9


def test_a_server_that_another_run_wrote_meanwhile_stays(world: World) -> None:
    """It was stored and not listed; before it is removed, another run lists and writes it."""
    account = world.account()
    world.servers(account, "us-west-2", 3)
    world.sync()
    server = world.scope(account, "us-west-2").servers.pop()
    trap = Trap(lambda call: call.operation == "DeleteItem" and call.table == world.tables.inventory)
    with world.holding(trap):
        removing = world.start("sync", "inventory", "--region", "us-west-2")
        assert trap.wait_blocked()
        server["dataReplicationInfo"]["dataReplicationState"] = "STALLED"
        world.scope(account, "us-west-2").servers.append(server)
        assert world.sync("--region", "us-west-2").report["serversWritten"] == 1
        trap.released.set()
        late = finish(removing)

    assert (late.code, late.report["serversRemoved"]) == (0, 0)
    assert world.inventory()[server["arn"]]["replicationState"] == "STALLED"
