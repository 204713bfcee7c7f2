"""Topology that an earlier version left in the inventory table, and syncs that carry it over, killed or at once."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import anyio
import pytest

from service.aws.attribute_values import decode
from service.aws.dynamodb_write import Table
from service.context import SyncRequest
from service.errors import AwsError
from service.models import Shard
from service.queries.failback.facts import Facts
from service.queries.failback.query import FailbackQuery
from service.regions.status_reader import RegionStatusReader
from service.regions.status_writer import RegionStatusTable
from service.sync.engine.sync import Deps
from service.sync.inventory import topology_tables
from service.sync.inventory.sync import sync_inventory
from service.sync.inventory.templates import Templates
from service.topology.original import COPIED
from service.topology.table import TopologyTable
from tests.failback.cycle import HOST, RECOVERY, SOURCE, Cycle
from tests.support.direct import Crash, DirectAws, Faults

ACCOUNT: Final = "777000000003"
OWN: Final = "SOURCE_SERVER_TOPOLOGY_TABLE"
INVENTORY: Final = "SOURCE_SERVER_INVENTORY_TABLE"
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


class World:
    """One account whose inventory table has items of a server that is protected, and of one that is long gone."""

    def __init__(self) -> None:
        self.rng = random.Random(1)  # noqa: S311 - not a secret
        self.aws = DirectAws("777000000002", (ACCOUNT,), Faults(self.rng))
        self.moment = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
        self.cycle = Cycle(ACCOUNT, ACCOUNT)
        self.lineage = self.cycle.forward.arn

    def now(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment

    def seed(self) -> None:
        """Write what an earlier version left of the server that is gone: topology, three names, a member."""
        self.topology(GONE, topologyHistory=[MOVED, ABSENT])
        for name in ("s-00000000000000aaa", "i-00000000000000001", "old-host"):
            self.aws.put({"sourceServerArn": f"id#{name}", "stagingAccountId": f"LINEAGE#{GONE}", "lineageArn": GONE})
        member = {"memberArn": f"{GONE}b", "lineageArn": GONE}
        self.aws.put({"sourceServerArn": GONE, "stagingAccountId": f"MEMBER#{GONE}b", **member})

    def topology(self, lineage: str, **more: Any) -> None:
        """Write a topology item as an earlier version did."""
        self.aws.put({"sourceServerArn": lineage, "stagingAccountId": "TOPOLOGY", **ORIGINAL, **more})

    async def sync(self, shard: Shard | None = None, **settings: Any) -> dict[str, Any]:
        """Run an inventory sync."""
        chosen = self.aws.settings(drs_region_status_table="", **settings)
        deps = Deps(self.aws.aws_client(), chosen, RegionStatusTable(None, self.now, cache_s=0, timeout_s=60), self.now)
        request = SyncRequest(regions=(SOURCE, RECOVERY), shard=shard)
        return await sync_inventory(request, deps, Templates(self.now))

    def query(self, **settings: Any) -> FailbackQuery:
        """Return the failback query."""
        status = RegionStatusReader(None, self.now, cache_s=0, timeout_s=60)
        return FailbackQuery(self.aws.aws_client(), self.aws.settings(**settings), status, self.now)

    async def facts(self, name: str, **settings: Any) -> Facts:
        """Return the facts of the server with this name."""
        return (await self.query(**settings).facts(name)).facts

    def left(self) -> list[str]:
        """Return the sort keys of the inventory items that are no servers."""
        kinds = (item["stagingAccountId"]["S"] for item in self.aws.items(INVENTORY))
        return sorted(kind for kind in kinds if not kind.isdigit())

    def own(self, lineage: str = GONE, kind: str = "TOPOLOGY") -> dict[str, Any]:
        """Return an item of the topology table; empty if there is none."""
        items = (decode(item) for item in self.aws.items(OWN))
        return next((item for item in items if (item["pk"], item["sk"]) == (lineage, kind)), {})

    def known(self) -> list[dict[str, Any]]:
        """Return the topology of the server that is gone in each table that has it."""
        stored = (decode(item) for item in self.aws.items(INVENTORY))
        earlier = [
            item for item in stored if item["sourceServerArn"] == GONE and item["stagingAccountId"] == "TOPOLOGY"
        ]
        return [each for each in (self.own(), *earlier) if each]


@pytest.fixture
def world() -> Iterator[World]:
    started = World()
    yield started
    started.aws.forget()


def of_gone(world: World) -> dict[str, Any]:
    return {name: value for name, value in world.own().items() if name not in {"pk", "sk"}}


async def test_what_is_left_of_a_server_that_is_gone_is_carried_over_and_found(world: World) -> None:
    world.seed()
    report = await world.sync()
    assert (report["errors"], report["warnings"]) == ([], [])
    assert world.left() == []
    assert of_gone(world) == {**ORIGINAL, "topologyHistory": [MOVED, ABSENT]}
    for name in ("OLD-HOST", "i-00000000000000001", GONE):
        facts = await world.facts(name)
        assert (facts.lineage, facts.history, facts.notes) == (GONE, (MOVED, ABSENT), ())


async def test_the_search_ends_and_is_not_repeated(world: World) -> None:
    world.seed()
    await world.sync()
    scans = world.aws.counts["dynamodb", "Scan"]
    await world.sync()
    assert world.aws.counts["dynamodb", "Scan"] == scans + 1  # of the accounts
    assert world.own("carry-over", "inventory")["doneAt"]


async def test_few_pages_are_read_by_each_run_and_the_position_is_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.seed()
    monkeypatch.setattr(world.aws._dynamodb, "page", 2)
    monkeypatch.setattr(topology_tables, "_PAGES", 1)
    left = []
    for _ in range(6):
        await world.sync()
        left.append(len(world.left()))
    assert left[0] in {3, 4, 5}
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0
    assert world.own("carry-over", "inventory").get("position") is None


async def test_what_an_older_version_writes_later_is_found_by_the_next_run(world: World) -> None:
    """During a deployment, an older version may still run beside this one."""
    await world.sync()
    world.seed()
    assert world.left()
    await world.sync()
    assert world.left() == []


async def test_a_topology_that_a_scan_needs_is_carried_over_at_once_and_starts_the_search_again(world: World) -> None:
    await world.sync()
    for item in world.aws.items(OWN):  # as if an older version alone had run
        if item["sk"]["S"] != "inventory":
            world.aws.delete(item)
    world.seed()
    world.topology(world.lineage)
    for item in world.aws.items(INVENTORY):  # its item is written anew
        if item["stagingAccountId"]["S"].isdigit():
            world.aws.delete(item)
    await world.sync()
    assert world.own(world.lineage)["originalInstanceId"] == ORIGINAL["originalInstanceId"]
    assert world.left() == []
    (item,) = (decode(each) for each in world.aws.items(INVENTORY))
    assert {name: item.get(name) for name in COPIED} == {name: world.own(world.lineage).get(name) for name in COPIED}


async def calls_of_a_sync(world: World) -> int:
    before = world.aws.counts.total()
    await world.sync()
    return world.aws.counts.total() - before


@pytest.mark.parametrize("takes_effect", [False, True])
async def test_a_kill_at_any_call_loses_nothing(monkeypatch: pytest.MonkeyPatch, *, takes_effect: bool) -> None:
    first = World()
    first.seed()
    calls = await calls_of_a_sync(first)
    first.aws.forget()
    for at in range(calls):
        world = World()
        world.seed()
        world.aws.faults.crash_at = at
        monkeypatch.setattr(world.rng, "random", lambda: 0.0 if takes_effect else 0.9)
        killed = False
        try:
            await world.sync()
        except* Crash:
            killed = True
        assert killed
        assert any({**ORIGINAL, "topologyHistory": [MOVED, ABSENT]}.items() <= each.items() for each in world.known())
        world.aws.faults.crash_at = None
        assert (await world.facts("old-host")).lineage == GONE
        await world.sync()
        assert world.left() == []
        assert of_gone(world) == {**ORIGINAL, "topologyHistory": [MOVED, ABSENT]}
        world.aws.forget()


@pytest.mark.parametrize("seed", range(12))
async def test_two_runs_at_once_end_as_one_would(world: World, seed: int) -> None:
    world.seed()
    world.topology(world.lineage)
    world.rng.seed(seed)
    world.aws.faults.switch = 0.5
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.sync)
        tasks.start_soon(world.sync)
    assert world.left() == []
    assert of_gone(world) == {**ORIGINAL, "topologyHistory": [MOVED, ABSENT]}
    assert ORIGINAL.items() <= world.own(world.lineage).items()


async def test_a_query_finds_the_server_whenever_the_sync_comes_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    for at in range(1, 5):
        world = World()
        world.seed()
        perform, reads, operations = world.aws.perform, 0, list[str]()

        async def with_sync(call: Any, params: Any) -> dict[str, Any]:
            nonlocal reads
            answer = await perform(call, params)  # noqa: B023 - called in this iteration only
            reads += call.service == "dynamodb"
            if "target_accounts" not in str(params):
                operations.append(call.operation)  # noqa: B023
            if reads == at:  # noqa: B023
                with monkeypatch.context() as patch:
                    patch.setattr(world.aws, "perform", perform)  # noqa: B023
                    await world.sync()  # noqa: B023
            return answer

        monkeypatch.setattr(world.aws, "perform", with_sync)
        facts = await world.facts("old-host")
        assert (facts.lineage, facts.captured, facts.history) == (GONE, True, (MOVED, ABSENT)), at
        assert "Scan" not in operations, at  # the names led to it
        assert world.left() == []
        world.aws.forget()


async def test_an_item_that_changes_after_it_was_read_is_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older version completes the topology, and appends to its history, just before the item is removed."""
    world.seed()
    perform = world.aws.perform

    async def with_other(call: Any, params: Any) -> dict[str, Any]:
        if call.operation == "DeleteItem" and params["Key"]["stagingAccountId"]["S"] == "TOPOLOGY":
            monkeypatch.setattr(world.aws, "perform", perform)
            world.topology(
                GONE, sourceSideTemplate={"arn": "t"}, topologyHistory=[MOVED, ABSENT, {**MOVED, "at": "2027"}]
            )
        return await perform(call, params)

    monkeypatch.setattr(world.aws, "perform", with_other)
    await world.sync()
    assert world.left() == []
    assert world.own()["sourceSideTemplate"] == {"arn": "t"}
    assert [entry["at"] for entry in world.own()["topologyHistory"]] == [MOVED["at"], ABSENT["at"], "2027"]


async def test_an_entry_of_the_history_carries_the_topology_over_first(world: World) -> None:
    world.seed()
    hub = world.aws.aws_client().hub()
    own, inventory = (Table(hub, world.aws.tables[name], "us-east-1") for name in (OWN, INVENTORY))
    entry = {"event": "absent", "at": "2027", "serverArn": GONE}
    assert await TopologyTable(own, inventory).add_history(GONE, lambda _: entry)
    assert of_gone(world) == {**ORIGINAL, "topologyHistory": [MOVED, ABSENT, entry]}
    assert not await TopologyTable(own, inventory).add_history(f"{GONE}b", lambda _: entry)


async def test_a_record_of_both_versions_keeps_what_readers_have_seen_and_the_rest_as_history(world: World) -> None:
    world.seed()
    own = {"pk": GONE, "sk": "TOPOLOGY", **ORIGINAL, "originalInstanceId": "i-first", "topologyHistory": [MOVED]}
    del own["originalReplicationConfiguration"]
    world.aws.put(own, OWN)
    await world.sync()
    assert world.left() == []
    after = world.own()
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
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.seed()
    before = world.left()
    perform = world.aws.perform

    async def forgetful(call: Any, params: Any) -> dict[str, Any]:
        answer = await perform(call, params)
        if "source_server_topology_table" in str(params) and call.operation in {"GetItem", "BatchGetItem"}:
            return {"Responses": {}, "UnprocessedKeys": {}}
        return answer

    monkeypatch.setattr(world.aws, "perform", forgetful)
    report = await world.sync()
    assert world.left() == before
    assert [each["code"] for each in report["warnings"]] == ["TransactionConflictException"]


async def test_a_query_whose_topology_table_fails_answers_from_the_inventory_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.sync()
    perform = world.aws.perform

    async def failing(call: Any, params: Any) -> dict[str, Any]:
        if params.get("TableName") == "source_server_topology_table":
            raise AwsError("AccessDeniedException", "no", call)
        return await perform(call, params)

    monkeypatch.setattr(world.aws, "perform", failing)
    facts = await world.facts(HOST)
    assert (facts.lineage, facts.original["originalSourceRegion"], facts.captured) == (world.lineage, SOURCE, False)
    assert "AccessDeniedException" in facts.notes[0]
    with pytest.raises(AwsError, match="AccessDenied"):  # not "no such server"
        await world.facts("old-host")
    with pytest.raises(AwsError, match="AccessDenied"):
        await world.query().estate()
