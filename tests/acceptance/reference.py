"""One populated estate, and the table contents that one clean run writes for it."""

from __future__ import annotations

from typing import Any, Final

from tests.acceptance.world import Tables, World, timeless

REGIONS: Final = (
    "us-east-1 us-east-2 us-west-1 us-west-2 sa-east-1 eu-west-1 eu-west-2 ap-south-1 me-south-1 il-central-1 "
    "eu-north-1 ca-central-1"
)


def populate(world: World, *, many: int) -> list[str]:
    """Create three accounts with servers; the first has `many` in one region. Return the account ids."""
    accounts = [world.account(), world.account(), world.list_hub()]
    world.servers(accounts[0], "us-west-2", many)
    world.servers(accounts[0], "ap-south-1", 2)
    world.servers(accounts[1], "us-west-2", 3)
    world.servers(accounts[1], "sa-east-1", 2)
    world.servers(accounts[2], "eu-west-1", 1)
    return accounts


def state(world: World, tables: Tables | None = None) -> tuple[Any, Any, Any]:
    """Return server items, other inventory items and region status rows, without their times."""
    rows = world.status(tables)
    return timeless(world.inventory(tables)), timeless(world.bookkeeping(tables)), timeless(rows)


def clean(world: World) -> tuple[Any, Any, Any]:
    """Return the state after one full scan of the same AWS into empty tables."""
    tables = world.make_tables()
    for row in world.items(world.tables.accounts):
        world.put(tables.accounts, row)
    world.sync("--full-scan", tables=tables)
    return state(world, tables)
