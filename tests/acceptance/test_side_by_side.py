"""Runs side by side end where one run would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.endpoint import Call, Trap
from tests.acceptance.world import Tables, World, finish, timeless


@pytest.fixture(autouse=True)
def _settings(world: World) -> None:
    world.settings["TOPOLOGY_READS_PER_SCOPE"] = "100"
    world.settings["DRS_REGIONS"] = " ".join(
        [
            "us-east-1",
            "us-east-2",
            "us-west-1",
            "us-west-2",
            "sa-east-1",
            "eu-west-1",
            "eu-west-2",
            "ap-south-1",
            "me-south-1",
            "il-central-1",
            "eu-north-1",
            "ca-central-1",
        ]
    )


def _state(world: World, tables: Tables | None = None) -> tuple[Any, Any, Any]:
    rows = world.status(tables)
    for row in rows.values():
        row.pop("version", None)  # how often it was written
    return timeless(world.inventory(tables)), timeless(world.bookkeeping(tables)), timeless(rows)


def _clean(world: World) -> tuple[Any, Any, Any]:
    """What one full run into empty tables makes of the same AWS."""
    tables = world.make_tables()
    for row in world.items(world.tables.accounts):
        world.put(tables.accounts, row)
    world.sync("--full-scan", tables=tables)
    return _state(world, tables)


def _populate(world: World) -> list[str]:
    accounts = [world.account(), world.account(), world.list_hub()]
    world.servers(accounts[0], "us-west-2", 12)
    world.servers(accounts[0], "ap-south-1", 2)
    world.servers(accounts[1], "us-west-2", 3)
    world.servers(accounts[1], "sa-east-1", 2)
    world.servers(accounts[2], "eu-west-1", 1)
    return accounts


def _look(world: World) -> Callable[[Call], bool]:
    return lambda call: call.operation == "DescribeSourceServers" and call.account in world.accounts


def test_two_runs_at_once_end_as_one(world: World) -> None:
    first, _, hub = _populate(world)
    world.sync()
    del world.scope(first, "us-west-2").servers[5:9]
    world.servers(hub, "eu-west-1", 3, first=50)
    start_line = Trap(lambda call: call.operation == "GetCallerIdentity" and call.account == world.hub)
    world.aws.traps.append(start_line)
    processes = [world.start("sync", "inventory") for _ in range(2)]
    assert start_line.wait_held(2)
    start_line.released.set()
    runs = [finish(process) for process in processes]
    world.aws.traps.remove(start_line)

    assert [run.code for run in runs] == [0, 0], [run.out for run in runs]
    inventory, _, rows = _state(world)
    clean_inventory, _, clean_rows = _clean(world)
    assert inventory == clean_inventory
    assert rows == clean_rows


def test_two_first_runs_at_once_end_as_one(world: World) -> None:
    _populate(world)
    start_line = Trap(lambda call: call.operation == "GetCallerIdentity" and call.account == world.hub)
    world.aws.traps.append(start_line)
    processes = [world.start("sync", "inventory") for _ in range(2)]
    assert start_line.wait_held(2)
    start_line.released.set()
    runs = [finish(process) for process in processes]
    world.aws.traps.remove(start_line)

    assert [run.code for run in runs] == [0, 0], [run.out for run in runs]
    assert _state(world) == _clean(world)


def test_runs_for_different_accounts_at_once_keep_each_others_counts(world: World) -> None:
    accounts = [world.account() for _ in range(3)]
    for number, account in enumerate(accounts, start=1):
        world.servers(account, "us-west-2", number)
        world.servers(account, "eu-west-1", 1)
    start_line = Trap(_look(world), after=0)
    world.aws.traps.append(start_line)
    regions = ("--region", "us-west-2", "--region", "eu-west-1")
    processes = [world.start("sync", "inventory", "--account", account, *regions) for account in accounts]
    assert start_line.wait_held(6)
    start_line.released.set()
    runs = [finish(process) for process in processes]
    world.aws.traps.remove(start_line)

    assert [run.code for run in runs] == [0, 0, 0], [run.out for run in runs]
    assert world.counts() == {"us-west-2": 6, "eu-west-1": 3}
    assert len(world.inventory()) == 9


def test_a_server_that_another_run_found_meanwhile_stays(world: World) -> None:
    """The earlier run lists later: what it writes is newer than the list that the later run goes by."""
    account = world.account()
    world.servers(account, "us-west-2", 1)
    world.servers(account, "us-west-2", 1, first=2)
    world.sync()
    listing = Trap(lambda call: call.operation == "DescribeSourceServers" and call.account == account)
    world.aws.traps.append(listing)
    earlier = world.start("sync", "inventory", "--region", "us-west-2")
    assert listing.wait_held()
    world.aws.traps.remove(listing)
    comparing = Trap(lambda call: call.operation == "Query" and call.table == world.tables.inventory)
    world.aws.traps.append(comparing)
    later = world.start("sync", "inventory", "--region", "us-west-2")
    assert comparing.wait_held()
    world.aws.traps.remove(comparing)

    new = world.servers(account, "us-west-2", 1, first=9)[0]
    listing.released.set()
    first = finish(earlier)
    found = new["arn"] in world.inventory()
    comparing.released.set()
    second = finish(later)

    assert (first.code, second.code) == (0, 0)
    assert found
    assert new["arn"] in world.inventory()
