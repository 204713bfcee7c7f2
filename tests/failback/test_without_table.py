"""Syncs without a topology table: originals stay on the inventory's items, and move to the table once there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from service.models import Call, Shard
from service.topology.original import ORIGINALS
from tests.failback.simulated import OWN, SimulatedFailback
from tests.failback.test_carry_over import GONE, ORIGINAL, seed, write_topology
from tests.simulation.drs import cloud_properties
from tests.simulation.dynamodb import ServiceError
from tests.simulation.failback import HOST, SOURCE

UNSET: dict[str, Any] = {"source_server_topology_table": ""}


def originals(item: dict[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in (*ORIGINALS, "captureMethod", "originalHostname") if name in item}


async def test_originals_are_on_the_items_alone_and_the_run_warns_once(simulation: SimulatedFailback) -> None:
    report = await simulation.sync(**UNSET)
    assert report["errors"] == []
    (warning,) = report["warnings"]
    assert (warning["code"], "drs-sync tables create" in warning["advice"]) == ("NoTopologyTable", True)
    assert (simulation.left(), simulation.items(OWN)) == ([], [])
    item = simulation.servers()[simulation.lineage]
    assert item["originalSourceRegion"] == SOURCE
    assert item["originalReplicationConfiguration"]
    assert (item["captureMethod"], item["topologyComplete"]) == ("first_sight", True)


async def test_an_original_never_changes_when_its_item_is_written_again(simulation: SimulatedFailback) -> None:
    await simulation.sync(**UNSET)
    before = originals(simulation.servers()[simulation.lineage])
    for step in ("recover", "reverse", "catch_up", "launch_back", "protect_again"):
        getattr(simulation.failback, step)()
        await simulation.sync(**UNSET)
        assert originals(simulation.servers()[simulation.lineage]) == before, step
    facts = await simulation.facts(HOST, **UNSET)
    assert (facts.lineage, facts.original["originalSourceRegion"]) == (simulation.lineage, SOURCE)
    assert facts.notes == ("SOURCE_SERVER_TOPOLOGY_TABLE is not set: no history is kept.",)


async def test_an_item_that_the_index_does_not_show_yet_keeps_its_originals(simulation: SimulatedFailback) -> None:
    """The index of the inventory is eventually consistent: a server may seem new although it is stored."""
    await simulation.sync(**UNSET)
    before = originals(simulation.servers()[simulation.lineage])
    simulation.failback.recover()
    simulation.aws.dynamodb.index_as_of = -1.0
    await simulation.sync(**UNSET)
    assert simulation.servers()[simulation.lineage]["recoveryInstanceId"]
    assert originals(simulation.servers()[simulation.lineage]) == before


async def test_what_an_earlier_version_left_is_read_and_stays(simulation: SimulatedFailback) -> None:
    seed(simulation)
    write_topology(simulation, simulation.lineage)
    left = simulation.left()
    await simulation.sync(**UNSET)
    assert simulation.left() == left
    assert simulation.servers()[simulation.lineage]["originalInstanceId"] == ORIGINAL["originalInstanceId"]
    assert (await simulation.facts("old-host", **UNSET)).lineage == GONE


async def test_originals_outlive_the_item_of_a_server_that_leaves(simulation: SimulatedFailback) -> None:
    await simulation.sync(**UNSET)
    before = originals(simulation.servers()[simulation.lineage])
    simulation.failback.delete_forward()
    await simulation.sync(**UNSET)
    assert simulation.servers() == {}
    facts = await simulation.facts(HOST, **UNSET)
    assert {name: facts.original.get(name) for name in before} == before
    await simulation.sync()  # with the table
    assert simulation.left() == []
    assert originals(simulation.own(simulation.lineage)) == before


async def test_a_table_that_comes_later_gets_originals_and_names_in_one_sync(simulation: SimulatedFailback) -> None:
    await simulation.sync(**UNSET)
    before = originals(simulation.servers()[simulation.lineage])
    moved = cloud_properties(simulation.failback.source_side, "f")
    simulation.aws.change(
        simulation.failback.recovery_side, simulation.failback.forward_id, sourceCloudProperties=moved
    )
    report = await simulation.sync()
    assert (report["errors"], report["warnings"]) == ([], [])
    assert originals(simulation.own(simulation.lineage)) == before
    assert simulation.own(f"id#{HOST}", f"LINEAGE#{simulation.lineage}")
    assert [entry["event"] for entry in simulation.own(simulation.lineage)["topologyHistory"]] == ["moved"]
    assert simulation.servers()[simulation.lineage]["lineageNames"]


async def test_a_server_that_has_not_changed_gets_its_names_too(simulation: SimulatedFailback) -> None:
    """Else a host name of two servers would lead to the one that changed first."""
    await simulation.sync(**UNSET)
    report = await simulation.sync()
    assert (report["serversWritten"], report["serversUnchanged"]) == (1, 0)
    assert simulation.own(f"id#{HOST}", f"LINEAGE#{simulation.lineage}")
    report = await simulation.sync()
    assert (report["serversWritten"], report["serversUnchanged"]) == (0, 1)


async def test_a_server_that_leaves_right_after_the_table_came_keeps_its_originals(
    simulation: SimulatedFailback,
) -> None:
    await simulation.sync(**UNSET)
    before = originals(simulation.servers()[simulation.lineage])
    simulation.failback.delete_forward()
    await simulation.sync()
    assert originals(simulation.own(simulation.lineage)) == before
    assert [entry["event"] for entry in simulation.own(simulation.lineage)["topologyHistory"]] == ["absent"]


@pytest.mark.parametrize(
    ("code", "warning"),
    [
        ("ResourceNotFoundException", "NoTopologyTable"),
        ("AccessDeniedException", "TopologyTableUnusable"),
        ("ValidationException", "TopologyTableUnusable"),
    ],
)
async def test_a_table_that_cannot_be_used_costs_history_and_nothing_else(
    simulation: SimulatedFailback, monkeypatch: pytest.MonkeyPatch, code: str, warning: str
) -> None:
    serve = simulation.aws.serve

    def without(call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
        if OWN in str(params):
            raise ServiceError(code, "no")
        return serve(call, params)

    monkeypatch.setattr(simulation.aws, "serve", without)
    report = await simulation.sync()
    assert (report["errors"], [each["code"] for each in report["warnings"]]) == ([], [warning])
    assert simulation.servers()[simulation.lineage]["originalSourceRegion"] == SOURCE


@pytest.mark.parametrize(("index", "warnings"), [(0, 1), (1, 0)])
async def test_of_shards_one_warns(simulation: SimulatedFailback, index: int, warnings: int) -> None:
    report = await simulation.sync(shard=Shard(index, 2), **UNSET)
    assert len(report["warnings"]) == warnings
