"""Topology that an earlier version left in the inventory table, and syncs that carry it over, killed or at once."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, Final

import anyio
import pytest

from service.aws.dynamodb_write import Table
from service.errors import AwsError
from service.models import Call
from service.sync.inventory import topology_tables
from service.topology import carry_over as carry_over_module
from service.topology.carry_over import CarryOver
from service.topology.original import COPIED
from service.topology.table import TopologyTable
from tests.failback.simulated import ACCOUNT, INVENTORY, OWN, SimulatedFailback
from tests.simulation.aws import HUB_REGION
from tests.simulation.dynamodb import ServiceError
from tests.simulation.failback import HOST, RECOVERY, SOURCE
from tests.simulation.host import Killed

GONE: Final = f"arn:aws:drs:{RECOVERY}:{ACCOUNT}:source-server/s-00000000000000aaa"
MOVED: Final = {"event": "moved", "at": "2026-01-02T00:00:00.000000+00:00", "instanceId": "i-2"}
ABSENT: Final = {"event": "absent", "at": "2026-01-03T00:00:00.000000+00:00", "serverArn": GONE}
ORIGINAL: Final[Mapping[str, Any]] = {
    "originalSourceRegion": SOURCE,
    "originalAccountId": ACCOUNT,
    "originalInstanceId": "i-00000000000000001",
    "originalReplicationConfiguration": {"groups": ["sg-1", "sg-2"], "throttling": 0},
    "captureMethod": "first_sight",
    "topologyLastUpdated": "2026-01-01T00:00:00.000000+00:00",
}


def seed(simulation: SimulatedFailback) -> None:
    """Write what an earlier version left of the server that is gone: topology, three names, a member."""
    write_topology(simulation, GONE, topologyHistory=[MOVED, ABSENT])
    for name in ("s-00000000000000aaa", "i-00000000000000001", "old-host"):
        simulation.put({"sourceServerArn": f"id#{name}", "stagingAccountId": f"LINEAGE#{GONE}", "lineageArn": GONE})
    member = {"memberArn": f"{GONE}b", "lineageArn": GONE}
    simulation.put({"sourceServerArn": GONE, "stagingAccountId": f"MEMBER#{GONE}b", **member})


def write_topology(simulation: SimulatedFailback, lineage: str, **more: Any) -> None:
    """Write a topology item as an earlier version did."""
    simulation.put({"sourceServerArn": lineage, "stagingAccountId": "TOPOLOGY", **ORIGINAL, **more})


def known(simulation: SimulatedFailback) -> list[dict[str, Any]]:
    """Return the topology of the server that is gone in each table that has it."""
    earlier = [
        item
        for item in simulation.items(INVENTORY)
        if item["sourceServerArn"] == GONE and item["stagingAccountId"] == "TOPOLOGY"
    ]
    return [each for each in (simulation.own(GONE), *earlier) if each]


def of_gone(simulation: SimulatedFailback) -> dict[str, Any]:
    return {name: value for name, value in simulation.own(GONE).items() if name not in {"pk", "sk"}}


async def test_what_is_left_of_a_server_that_is_gone_is_carried_over_and_found(simulation: SimulatedFailback) -> None:
    seed(simulation)
    report = await simulation.sync()
    assert (report["errors"], report["warnings"]) == ([], [])
    assert simulation.left() == []
    assert of_gone(simulation) == {**ORIGINAL, "topologyHistory": [MOVED, ABSENT]}
    for name in ("OLD-HOST", "i-00000000000000001", GONE):
        facts = await simulation.facts(name)
        assert (facts.lineage, facts.history, facts.notes) == (GONE, (MOVED, ABSENT), ())


async def test_the_search_ends_and_is_not_repeated(simulation: SimulatedFailback) -> None:
    seed(simulation)
    await simulation.sync()
    scans = simulation.aws.calls["dynamodb", "Scan"]
    await simulation.sync()
    assert simulation.aws.calls["dynamodb", "Scan"] == scans + 2  # of accounts and region status
    assert simulation.own("carry-over", "inventory")["doneAt"]


async def test_few_pages_are_read_by_each_run_and_the_position_is_kept(
    simulation: SimulatedFailback, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(simulation)
    simulation.aws.dynamodb.page = 2
    monkeypatch.setattr(topology_tables, "_PAGES", 1)
    left = []
    for _ in range(6):
        await simulation.sync()
        left.append(len(simulation.left()))
    assert left[0] in {3, 4, 5}
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0
    assert simulation.own("carry-over", "inventory").get("position") is None


async def test_what_an_older_version_writes_later_is_found_by_the_next_run(simulation: SimulatedFailback) -> None:
    """During a deployment, an older version may still run beside this one."""
    await simulation.sync()
    seed(simulation)
    assert simulation.left()
    await simulation.sync()
    assert simulation.left() == []


async def test_what_the_index_shows_is_carried_over_up_to_a_maximum_per_run(
    simulation: SimulatedFailback, monkeypatch: pytest.MonkeyPatch
) -> None:
    await simulation.sync()
    for number in range(5):
        write_topology(simulation, f"{GONE}{number}")
    monkeypatch.setattr(carry_over_module, "_MAX_LEFT", 2)
    host = simulation.host()
    own, inventory = (Table(host.aws_client.hub(), name, HUB_REGION) for name in (OWN, INVENTORY))
    left = []
    for _ in range(3):
        await CarryOver(own, inventory, host.now).run(pages=0)
        left.append(len(simulation.left()))
    assert left == [3, 1, 0]


async def test_a_topology_that_a_scan_needs_is_carried_over_at_once_and_starts_the_search_again(
    simulation: SimulatedFailback,
) -> None:
    await simulation.sync()
    for item in simulation.items(OWN):  # as if an older version alone had run
        if item["sk"] != "inventory":
            simulation.delete(item, OWN)
    seed(simulation)
    write_topology(simulation, simulation.lineage)
    for item in simulation.servers().values():  # its item is written anew
        simulation.delete(item, INVENTORY)
    await simulation.sync()
    assert simulation.own(simulation.lineage)["originalInstanceId"] == ORIGINAL["originalInstanceId"]
    assert simulation.left() == []
    (item,) = simulation.items(INVENTORY)
    assert {name: item.get(name) for name in COPIED} == {
        name: simulation.own(simulation.lineage).get(name) for name in COPIED
    }


@pytest.mark.usefixtures("simulation")
@pytest.mark.parametrize("takes_effect", [False, True])
async def test_a_kill_at_any_call_loses_nothing(*, takes_effect: bool) -> None:
    for number in itertools.count(1):
        tried = SimulatedFailback()
        seed(tried)
        host = tried.host()
        host.kill_at = number if takes_effect else number - 0.5
        try:
            await tried.sync(host)
        except* Killed:
            pass
        if not host.dead:
            break
        assert any({**ORIGINAL, "topologyHistory": [MOVED, ABSENT]}.items() <= each.items() for each in known(tried))
        assert (await tried.facts("old-host")).lineage == GONE
        await tried.sync()
        assert tried.left() == []
        assert of_gone(tried) == {**ORIGINAL, "topologyHistory": [MOVED, ABSENT]}
    assert number > 30  # the calls of a run, each of which was the last one of a run


@pytest.mark.parametrize("chance", range(12))
async def test_two_runs_at_once_end_as_one_would(simulation: SimulatedFailback, chance: int) -> None:
    seed(simulation)
    write_topology(simulation, simulation.lineage)
    simulation.rng.seed(chance)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(simulation.sync)
        tasks.start_soon(simulation.sync)
    assert simulation.left() == []
    assert of_gone(simulation) == {**ORIGINAL, "topologyHistory": [MOVED, ABSENT]}
    assert ORIGINAL.items() <= simulation.own(simulation.lineage).items()


@pytest.mark.parametrize("at", range(1, 5))
async def test_a_query_finds_the_server_whenever_the_sync_comes_in_between(
    simulation: SimulatedFailback, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    seed(simulation)
    host, reads, operations = simulation.host(), 0, list[str]()
    send = host.send_call

    async def with_sync(service: str, region: str, operation: str, params: Any) -> dict[str, Any]:
        nonlocal reads
        answer = await send(service, region, operation, params)
        reads += service == "dynamodb"
        if params.get("TableName") in {INVENTORY, OWN}:
            operations.append(operation)
        if reads == at:
            await simulation.sync()
        return answer

    monkeypatch.setattr(host, "send_call", with_sync)
    facts = await simulation.facts("old-host", host)
    assert (facts.lineage, facts.captured, facts.history) == (GONE, True, (MOVED, ABSENT))
    assert "Scan" not in operations  # the names led to it
    assert simulation.left() == []


async def test_an_item_that_changes_after_it_was_read_is_read_again(
    simulation: SimulatedFailback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older version completes the topology, and appends to its history, just before the item is removed."""
    seed(simulation)
    serve = simulation.aws.serve

    def with_other(call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
        if call.operation == "DeleteItem" and params["Key"]["stagingAccountId"]["S"] == "TOPOLOGY":
            monkeypatch.setattr(simulation.aws, "serve", serve)
            write_topology(
                simulation,
                GONE,
                sourceSideTemplate={"arn": "t"},
                topologyHistory=[MOVED, ABSENT, {**MOVED, "at": "2027"}],
            )
        return serve(call, params)

    monkeypatch.setattr(simulation.aws, "serve", with_other)
    await simulation.sync()
    assert simulation.left() == []
    assert simulation.own(GONE)["sourceSideTemplate"] == {"arn": "t"}
    assert [entry["at"] for entry in simulation.own(GONE)["topologyHistory"]] == [MOVED["at"], ABSENT["at"], "2027"]


async def test_an_entry_of_the_history_carries_the_topology_over_first(simulation: SimulatedFailback) -> None:
    seed(simulation)
    hub = simulation.host().aws_client.hub()
    own, inventory = (Table(hub, name, HUB_REGION) for name in (OWN, INVENTORY))
    entry = {"event": "absent", "at": "2027", "serverArn": GONE}
    assert await TopologyTable(own, inventory).add_history(GONE, lambda _: entry)
    assert of_gone(simulation) == {**ORIGINAL, "topologyHistory": [MOVED, ABSENT, entry]}
    assert not await TopologyTable(own, inventory).add_history(f"{GONE}b", lambda _: entry)


async def test_a_record_of_both_versions_keeps_what_readers_have_seen_and_the_rest_as_history(
    simulation: SimulatedFailback,
) -> None:
    seed(simulation)
    own = {"pk": GONE, "sk": "TOPOLOGY", **ORIGINAL, "originalInstanceId": "i-first", "topologyHistory": [MOVED]}
    del own["originalReplicationConfiguration"]
    simulation.put(own, OWN)
    await simulation.sync()
    assert simulation.left() == []
    after = simulation.own(GONE)
    assert (after["originalInstanceId"], after["originalReplicationConfiguration"]) == (
        "i-first",
        ORIGINAL["originalReplicationConfiguration"],
    )
    differed = {"event": "differed", "at": ORIGINAL["topologyLastUpdated"]}
    assert after["topologyHistory"] == [
        {**differed, "originals": {"originalInstanceId": ORIGINAL["originalInstanceId"]}},
        MOVED,
        ABSENT,
    ]


async def test_nothing_is_removed_while_the_topology_table_does_not_show_it(
    simulation: SimulatedFailback, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(simulation)
    before = simulation.left()
    serve = simulation.aws.serve

    def forgetful(call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
        answer = serve(call, params)
        if "source_server_topology_table" in str(params) and call.operation in {"GetItem", "BatchGetItem"}:
            return {"Responses": {}, "UnprocessedKeys": {}}
        return answer

    monkeypatch.setattr(simulation.aws, "serve", forgetful)
    report = await simulation.sync()
    assert simulation.left() == before
    assert [each["code"] for each in report["warnings"]] == ["TransactionConflictException"]


async def test_a_query_whose_topology_table_fails_answers_from_the_inventory_and_says_so(
    simulation: SimulatedFailback, monkeypatch: pytest.MonkeyPatch
) -> None:
    await simulation.sync()
    serve = simulation.aws.serve

    def failing(call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
        if params.get("TableName") == OWN:
            raise ServiceError("AccessDeniedException", "no")
        return serve(call, params)

    monkeypatch.setattr(simulation.aws, "serve", failing)
    facts = await simulation.facts(HOST)
    assert (facts.lineage, facts.original["originalSourceRegion"], facts.captured) == (
        simulation.lineage,
        SOURCE,
        False,
    )
    assert "AccessDeniedException" in facts.notes[0]
    with pytest.raises(AwsError, match="AccessDenied"):  # not "no such server"
        await simulation.facts("old-host")
    with pytest.raises(AwsError, match="AccessDenied"):
        await simulation.query().estate()
