"""What a later record tells of an origin, where the inventory's items keep the originals: filled, never overwritten."""

from __future__ import annotations

from typing import Any, Final

import pytest

from service.aws.dynamodb_write import Table
from service.inventory.table import ItemKey
from service.topology.items import ItemTopology
from tests.failback.simulated import ACCOUNT, INVENTORY, SimulatedFailback
from tests.failback.test_carry_over import GONE
from tests.simulation.aws import HUB_REGION

NAME: Final = "originalHostname"


def topology_of(simulation: SimulatedFailback) -> ItemTopology:
    return ItemTopology(Table(simulation.host().aws_client.hub(), INVENTORY, HUB_REGION))


@pytest.mark.parametrize(
    ("writes_of_others", "stored"),
    [
        (0, "ours"),
        (1, "other-1"),  # read again, and then it is known
        (99, "other-4"),  # given up after four attempts; the next run tries again
    ],
)
async def test_an_origin_is_filled_unless_another_writer_did(
    simulation: SimulatedFailback, writes_of_others: int, stored: str
) -> None:
    await simulation.sync(source_server_topology_table="")
    item = simulation.servers()[simulation.lineage]
    item.pop(NAME, None)
    simulation.put(item)
    key = ItemKey(simulation.lineage, item["stagingAccountId"])
    calls: list[Any] = []

    def values_of(topology: dict[str, Any]) -> dict[str, Any]:
        calls.append(topology.get(NAME))
        if len(calls) <= writes_of_others:
            simulation.put({**item, NAME: f"other-{len(calls)}"})
            return {NAME: "ours"}
        return {} if topology.get(NAME) else {NAME: "ours"}

    topology = await topology_of(simulation).fill_origin(simulation.lineage, key, values_of)
    assert simulation.servers()[simulation.lineage][NAME] == stored
    assert topology.get(NAME) == (stored if writes_of_others < len(calls) else None)
    assert topology["originalSourceRegion"] == item["originalSourceRegion"]


async def test_no_item_is_made_for_a_server_that_has_left(simulation: SimulatedFailback) -> None:
    key = ItemKey(GONE, ACCOUNT)
    assert await topology_of(simulation).fill_origin(GONE, key, lambda _: {NAME: "ours"}) == {}
    assert simulation.items(INVENTORY) == []


async def test_no_history_is_kept_on_items(simulation: SimulatedFailback) -> None:
    topology = topology_of(simulation)
    assert not await topology.add_history(GONE, lambda _: {"event": "absent"})
    await topology.put_name_items([{"pk": "id#s", "sk": "x"}])
    assert simulation.items(INVENTORY) == []
