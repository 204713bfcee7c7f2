"""What a later record tells of an origin, where the inventory's items keep the originals: filled, never overwritten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest

from service.aws.dynamodb_write import Table
from service.inventory.table import ItemKey
from service.models import Call
from service.topology.items import ItemTopology
from service.topology.table import TopologyTable
from tests.failback.simulated import ACCOUNT, INVENTORY, OWN, SimulatedFailback
from tests.failback.test_carry_over import GONE, write_topology
from tests.simulation.aws import HUB_REGION
from tests.simulation.dynamodb import ServiceError

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


async def test_originals_of_a_reversed_server_are_kept_unless_the_forward_one_has_them(
    simulation: SimulatedFailback,
) -> None:
    await simulation.sync(source_server_topology_table="")
    forward = simulation.servers()[simulation.lineage]
    simulation.put({**forward, "sourceServerArn": GONE})
    reversed_key = ItemKey(GONE, forward["stagingAccountId"])
    topology = topology_of(simulation)
    await topology.keep_originals(simulation.lineage, reversed_key)
    assert simulation.left() == []
    simulation.delete(forward, INVENTORY)
    await topology.keep_originals(simulation.lineage, reversed_key)
    assert simulation.left() == ["TOPOLOGY"]
    before = simulation.items(INVENTORY)
    await topology.keep_originals(simulation.lineage, reversed_key)  # they are kept already
    await topology.keep_originals(f"{GONE}b", ItemKey(f"{GONE}b", ACCOUNT))  # nothing is known of it
    assert simulation.items(INVENTORY) == before


async def test_a_topology_that_others_keep_writing_is_left_to_the_next_run(simulation: SimulatedFailback) -> None:
    await simulation.sync()
    own, hub = simulation.own(simulation.lineage), simulation.host().aws_client.hub()
    seen: list[Any] = []

    def values_of(_: Any) -> dict[str, Any]:
        seen.append(f"other-{len(seen)}")
        simulation.put({**own, NAME: seen[-1]}, OWN)
        return {NAME: "ours"}

    table = TopologyTable(Table(hub, OWN, HUB_REGION), Table(hub, INVENTORY, HUB_REGION))
    await table.fill_origin(simulation.lineage, ItemKey(simulation.lineage, ACCOUNT), values_of)
    assert simulation.own(simulation.lineage)[NAME] == seen[-1]


async def test_a_topology_that_dynamodb_refuses_stays_where_it_is_and_the_others_move(
    simulation: SimulatedFailback, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_topology(simulation, GONE)
    write_topology(simulation, f"{GONE}b")
    serve = simulation.aws.serve

    def refusing(call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
        key = {**params.get("Key", {}), **params.get("Item", {})}
        if params.get("TableName") == OWN and call.operation != "GetItem" and key.get("pk") == {"S": GONE}:
            raise ServiceError("ValidationException")
        return serve(call, params)

    monkeypatch.setattr(simulation.aws, "serve", refusing)
    assert (await simulation.sync())["errors"] == []
    assert (simulation.left(), simulation.own(GONE)) == (["TOPOLOGY"], {})
    assert simulation.own(f"{GONE}b")
