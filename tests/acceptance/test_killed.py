"""A run that was killed, and the next one, end where one clean run would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.endpoint import Call, Trap
from tests.acceptance.world import Tables, World, timeless


@pytest.fixture(autouse=True)
def _settings(world: World) -> None:
    world.settings["TOPOLOGY_READS_PER_SCOPE"] = "0"
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
    world.servers(accounts[0], "us-west-2", 27)
    world.servers(accounts[0], "ap-south-1", 2)
    world.servers(accounts[1], "us-west-2", 3)
    world.servers(accounts[1], "sa-east-1", 2)
    world.servers(accounts[2], "eu-west-1", 1)
    return accounts


def _inventory_write(world: World) -> Callable[[Call], bool]:
    return lambda call: (
        world.tables.inventory in call.table.split(",")
        and call.operation in {"BatchWriteItem", "PutItem", "UpdateItem"}
    )


def _status_write(world: World) -> Callable[[Call], bool]:
    return lambda call: call.table == world.tables.status and call.operation in {"PutItem", "UpdateItem"}


def _look(world: World) -> Callable[[Call], bool]:
    return lambda call: call.operation == "DescribeSourceServers" and call.account in world.accounts


def _kill_at(world: World, matches: Callable[[Call], bool], *, after: int, drops: bool) -> None:
    trap = Trap(matches, after=after, drops=drops)
    world.aws.traps.append(trap)
    process = world.start("sync", "inventory")
    try:
        assert trap.wait_held(), "the run never came to the place where it is to be killed"
    finally:
        process.kill()
        process.communicate()
        trap.released.set()
        world.aws.traps.remove(trap)


_MOMENTS = [
    pytest.param(_look, 18, True, id="half of the looks"),
    pytest.param(_inventory_write, 1, True, id="second write, lost"),
    pytest.param(_inventory_write, 1, False, id="second write, arrived"),
    pytest.param(_status_write, 3, True, id="fourth region row, lost"),
    pytest.param(_status_write, 9, False, id="tenth region row, arrived"),
]


@pytest.mark.parametrize(("kind", "after", "drops"), _MOMENTS)
def test_a_first_run_that_is_killed_is_made_good_by_the_next(
    world: World, kind: Callable[[World], Callable[[Call], bool]], after: int, *, drops: bool
) -> None:
    _populate(world)
    _kill_at(world, kind(world), after=after, drops=drops)

    world.sync()

    clean = _clean(world)
    assert set(world.status()) == set(world.settings["DRS_REGIONS"].split())
    assert _state(world) == clean


@pytest.mark.parametrize(("kind", "after"), [(_inventory_write, 0), (_inventory_write, 2), (_status_write, 1)])
def test_a_later_run_that_is_killed_is_made_good_by_the_next(
    world: World, kind: Callable[[World], Callable[[Call], bool]], after: int
) -> None:
    first, second, hub = _populate(world)
    world.sync()
    del world.scope(first, "us-west-2").servers[5:15]
    world.servers(first, "us-west-2", 27, first=200)
    world.scope(second, "sa-east-1").servers.clear()
    world.servers(hub, "eu-west-1", 5, first=50)
    _kill_at(world, kind(world), after=after, drops=True)

    world.sync()

    inventory, _, rows = _state(world)
    clean_inventory, _, clean_rows = _clean(world)
    assert inventory == clean_inventory
    assert rows == clean_rows
