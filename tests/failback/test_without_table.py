"""Syncs without a topology table: originals stay on the inventory's items, and move to the table once there is one."""

from __future__ import annotations

from typing import Any

import pytest

from service.aws.attribute_values import decode
from service.errors import AwsError
from service.models import Shard
from service.topology.original import ORIGINALS
from tests.failback.cycle import HOST, SOURCE
from tests.failback.test_carry_over import GONE, INVENTORY, ORIGINAL, OWN, World, world

__all__ = ["world"]

UNSET: dict[str, Any] = {"source_server_topology_table": ""}


def servers(world: World) -> dict[str, dict[str, Any]]:
    items = (decode(item) for item in world.aws.items(INVENTORY) if item["stagingAccountId"]["S"].isdigit())
    return {item["sourceServerArn"]: item for item in items}


def originals(item: dict[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in (*ORIGINALS, "captureMethod", "originalHostname") if name in item}


async def test_originals_are_on_the_items_alone_and_the_run_warns_once(world: World) -> None:
    report = await world.sync(**UNSET)
    assert report["errors"] == []
    (warning,) = report["warnings"]
    assert (warning["code"], "drs-sync tables create" in warning["advice"]) == ("NoTopologyTable", True)
    assert (world.left(), world.aws.items(OWN)) == ([], [])
    item = servers(world)[world.lineage]
    assert item["originalSourceRegion"] == SOURCE
    assert item["originalReplicationConfiguration"]
    assert (item["captureMethod"], item["topologyComplete"]) == ("first_sight", True)


async def test_an_original_never_changes_when_its_item_is_written_again(world: World) -> None:
    await world.sync(**UNSET)
    before = originals(servers(world)[world.lineage])
    for step in ("recover", "reverse", "catch_up", "launch_back", "protect_again"):
        getattr(world.cycle, step)()
        await world.sync(**UNSET)
        assert originals(servers(world)[world.lineage]) == before, step
    facts = await world.facts(HOST, **UNSET)
    assert (facts.lineage, facts.original["originalSourceRegion"]) == (world.lineage, SOURCE)
    assert facts.notes == ("SOURCE_SERVER_TOPOLOGY_TABLE is not set: no history is kept.",)


async def test_an_item_that_the_index_does_not_show_yet_keeps_its_originals(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index of the inventory is eventually consistent: a server may seem new although it is stored."""
    await world.sync(**UNSET)
    before = originals(servers(world)[world.lineage])
    world.cycle.recover()
    perform = world.aws.perform

    async def lagging(call: Any, params: Any) -> dict[str, Any]:
        answer = await perform(call, params)
        return {**answer, "Items": []} if "IndexName" in params else answer

    monkeypatch.setattr(world.aws, "perform", lagging)
    await world.sync(**UNSET)
    assert servers(world)[world.lineage]["recoveryInstanceId"]
    assert originals(servers(world)[world.lineage]) == before


async def test_what_an_earlier_version_left_is_read_and_stays(world: World) -> None:
    world.seed()
    world.topology(world.lineage)
    left = world.left()
    await world.sync(**UNSET)
    assert world.left() == left
    assert servers(world)[world.lineage]["originalInstanceId"] == ORIGINAL["originalInstanceId"]
    assert (await world.facts("old-host", **UNSET)).lineage == GONE


async def test_originals_outlive_the_item_of_a_server_that_leaves(world: World) -> None:
    await world.sync(**UNSET)
    before = originals(servers(world)[world.lineage])
    world.cycle.dr.remove_source_server(world.cycle.forward.source_server_id)
    await world.sync(**UNSET)
    assert servers(world) == {}
    facts = await world.facts(HOST, **UNSET)
    assert {name: facts.original.get(name) for name in before} == before
    await world.sync()  # with the table
    assert world.left() == []
    assert originals(world.own(world.lineage)) == before


async def test_a_table_that_comes_later_gets_originals_and_names_in_one_sync(world: World) -> None:
    await world.sync(**UNSET)
    before = originals(servers(world)[world.lineage])
    world.cycle.forward.record["sourceCloudProperties"]["originAvailabilityZone"] = f"{SOURCE}f"
    report = await world.sync()
    assert (report["errors"], report["warnings"]) == ([], [])
    assert originals(world.own(world.lineage)) == before
    assert world.own(f"id#{HOST}", f"LINEAGE#{world.lineage}")
    assert [entry["event"] for entry in world.own(world.lineage)["topologyHistory"]] == ["moved"]
    assert servers(world)[world.lineage]["lineageNames"]


async def test_a_server_that_has_not_changed_gets_its_names_too(world: World) -> None:
    """Else a host name of two servers would lead to the one that changed first."""
    await world.sync(**UNSET)
    report = await world.sync()
    assert (report["serversWritten"], report["serversUnchanged"]) == (1, 0)
    assert world.own(f"id#{HOST}", f"LINEAGE#{world.lineage}")
    report = await world.sync()
    assert (report["serversWritten"], report["serversUnchanged"]) == (0, 1)


async def test_a_server_that_leaves_right_after_the_table_came_keeps_its_originals(world: World) -> None:
    await world.sync(**UNSET)
    before = originals(servers(world)[world.lineage])
    world.cycle.dr.remove_source_server(world.cycle.forward.source_server_id)
    await world.sync()
    assert originals(world.own(world.lineage)) == before
    assert [entry["event"] for entry in world.own(world.lineage)["topologyHistory"]] == ["absent"]


@pytest.mark.parametrize(
    ("code", "warning"),
    [
        ("ResourceNotFoundException", "NoTopologyTable"),
        ("AccessDeniedException", "TopologyTableUnusable"),
        ("ValidationException", "TopologyTableUnusable"),
    ],
)
async def test_a_table_that_cannot_be_used_costs_history_and_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch, code: str, warning: str
) -> None:
    perform = world.aws.perform

    async def without(call: Any, params: Any) -> dict[str, Any]:
        if "source_server_topology_table" in str(params):
            raise AwsError(code, "no", call)
        return await perform(call, params)

    monkeypatch.setattr(world.aws, "perform", without)
    report = await world.sync()
    assert (report["errors"], [each["code"] for each in report["warnings"]]) == ([], [warning])
    assert servers(world)[world.lineage]["originalSourceRegion"] == SOURCE


@pytest.mark.parametrize(("index", "warnings"), [(0, 1), (1, 0)])
async def test_of_shards_one_warns(world: World, index: int, warnings: int) -> None:
    report = await world.sync(shard=Shard(index, 2), **UNSET)
    assert len(report["warnings"]) == warnings
