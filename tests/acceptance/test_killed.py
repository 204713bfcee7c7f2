"""A killed run and the next one together leave the tables as one clean run would."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.endpoint import Call, Trap
from tests.acceptance.reference import REGIONS, clean, populate, state
from tests.acceptance.world import World


@pytest.fixture(autouse=True)
def _settings(world: World) -> None:
    world.settings["TOPOLOGY_READS_PER_SCOPE"] = "0"
    world.settings["DRS_REGIONS"] = REGIONS


def _inventory_write(world: World) -> Callable[[Call], bool]:
    return lambda call: (
        world.tables.inventory in call.table.split(",")
        and call.operation in {"BatchWriteItem", "PutItem", "UpdateItem"}
    )


def _status_write(world: World) -> Callable[[Call], bool]:
    return lambda call: call.table == world.tables.status and call.operation in {"PutItem", "UpdateItem"}


def _scan(world: World) -> Callable[[Call], bool]:
    return lambda call: call.operation == "DescribeSourceServers" and call.account in world.accounts


def _kill_at(world: World, matches: Callable[[Call], bool], *, after: int, drops: bool) -> None:
    trap = Trap(matches, after=after, drops=drops)
    with world.holding(trap):
        process = world.start("sync", "inventory")
        try:
            assert trap.wait_blocked(), "the run never made the call at which it is to be killed"
        finally:
            process.kill()
            process.communicate()


_MOMENTS = [
    pytest.param(_scan, 18, True, id="half of the scans"),
    pytest.param(_inventory_write, 1, True, id="second write, lost"),
    pytest.param(_inventory_write, 1, False, id="second write, arrived"),
    pytest.param(_status_write, 3, True, id="fourth region row, lost"),
    pytest.param(_status_write, 9, False, id="tenth region row, arrived"),
]


@pytest.mark.parametrize(("kind", "after", "drops"), _MOMENTS)
def test_a_first_run_that_is_killed_is_completed_by_the_next(
    world: World, kind: Callable[[World], Callable[[Call], bool]], after: int, *, drops: bool
) -> None:
    populate(world, many=27)
    _kill_at(world, kind(world), after=after, drops=drops)

    world.sync()

    expected = clean(world)
    assert set(world.status()) == set(world.settings["DRS_REGIONS"].split())
    assert state(world) == expected


@pytest.mark.parametrize(("kind", "after"), [(_inventory_write, 0), (_inventory_write, 2), (_status_write, 1)])
def test_a_later_run_that_is_killed_is_completed_by_the_next(
    world: World, kind: Callable[[World], Callable[[Call], bool]], after: int
) -> None:
    first, second, hub = populate(world, many=27)
    world.sync()
    del world.scope(first, "us-west-2").servers[5:15]
    world.servers(first, "us-west-2", 27, first=200)
    world.scope(second, "sa-east-1").servers.clear()
    world.servers(hub, "eu-west-1", 5, first=50)
    _kill_at(world, kind(world), after=after, drops=True)

    world.sync()

    inventory, _, rows = state(world)
    clean_inventory, _, clean_rows = clean(world)
    assert inventory == clean_inventory
    # A write of the killed run may still arrive where the last server left, so that scope is scanned for a while.
    (emptied,) = [row["accounts"][second] for row in rows if row["region"] == "sa-east-1"]
    assert emptied.pop("lookRequestedAt")
    assert rows == clean_rows
