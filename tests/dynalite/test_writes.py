"""Writes to the inventory and target accounts tables, on dynalite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.accounts.table import TargetAccountsTable
from service.aws.client import AwsClient
from service.aws.dynamodb import Item
from service.aws.dynamodb_write import Table
from service.errors import AwsError
from service.inventory.table import InventoryTable, ItemKey
from service.models import Scope, iso
from service.settings import load_settings
from service.topology.carry_over import CarryOver
from service.topology.keys import inventory_key
from service.topology.lineage import name_items
from service.topology.origin import missing_values
from service.topology.store import Completion
from service.topology.table import TopologyTable
from tests.support.sandbox import EngineSandbox

NOW = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
SCOPE = Scope("111122223333", "us-west-2")
ARN = f"arn:aws:drs:{SCOPE.region}:{SCOPE.account_id}:source-server/s-"
TOPOLOGY = {"pk": f"{ARN}0", "sk": "TOPOLOGY", "originalInstanceId": "i-1"}
KEY = ItemKey(f"{ARN}0", SCOPE.account_id)


@pytest.fixture
async def aws_client(sandbox: EngineSandbox) -> AsyncIterator[AwsClient]:
    async with AwsClient(load_settings(), lambda: NOW) as opened:
        yield opened


@pytest.fixture
def table(aws_client: AwsClient, sandbox: EngineSandbox) -> Table:
    return Table(aws_client.hub(), sandbox.server.environment()["SOURCE_SERVER_INVENTORY_TABLE"], aws_client.hub_region)


@pytest.fixture
def own(aws_client: AwsClient, sandbox: EngineSandbox) -> Table:
    return Table(aws_client.hub(), sandbox.server.environment()["SOURCE_SERVER_TOPOLOGY_TABLE"], aws_client.hub_region)


def server(number: int, **members: Any) -> dict[str, Any]:
    key = {"sourceServerArn": f"{ARN}{number}", "stagingAccountId": SCOPE.account_id}
    return {**key, "replicationRegion": SCOPE.region, "sourceAccountId": "777788889999", "contentHash": "h", **members}


async def test_a_scope_is_written_in_batches_and_stored(table: Table, sandbox: EngineSandbox) -> None:
    inventory = InventoryTable(table)
    await inventory.write([server(number, tags={}, hostname="", none=None) for number in range(60)])
    await inventory.write([{**server(99), "replicationRegion": "eu-west-1"}])
    assert sandbox.calls()["dynamodb", "BatchWriteItem"] == 3 + 1
    stored = await inventory.stored_items(SCOPE, partition="aws")
    assert set(stored) == {ItemKey(f"{ARN}{number}", SCOPE.account_id) for number in range(60)}
    assert {each.digest for each in stored.values()} == {"h"}


async def test_what_does_not_fit_one_answer_is_requested_again(table: Table, sandbox: EngineSandbox) -> None:
    """A response is limited to 16 MB, in dynalite to 1.5 MB; further keys come back unprocessed."""
    for number in range(0, 36, 2):  # aiohttp warns about bodies above 1 MB, and warnings fail tests
        await table.put_many([server(each, fill="x" * 390_000) for each in (number, number + 1)])
    sandbox.calls()
    keys = [{name: server(number)[name] for name in ("sourceServerArn", "stagingAccountId")} for number in range(36)]
    items = await table.get_many(keys)
    assert sorted(item["sourceServerArn"] for item in items) == sorted(key["sourceServerArn"] for key in keys)
    assert sandbox.calls()["dynamodb", "BatchGetItem"] > 10


async def test_a_server_that_was_written_meanwhile_is_not_removed(table: Table) -> None:
    inventory, later = InventoryTable(table), NOW + timedelta(seconds=1)
    items = [server(1, writtenAt=iso(NOW)), server(2, writtenAt=iso(later)), server(3, lastUpdated=iso(NOW)), server(4)]
    await inventory.write(items)
    stored = await inventory.stored_items(SCOPE, partition="aws")
    # Its writer's clock is behind that of the first writer.
    await inventory.write([server(2, writtenAt=iso(NOW)), server(5, lastUpdated=iso(later))])
    removed = {key.arn: await inventory.remove(key, item) for key, item in stored.items()}
    assert removed == {f"{ARN}{number}": number != 2 for number in range(1, 5)}
    assert not any([await inventory.remove(key, item) for key, item in stored.items()])
    assert sorted([item["sourceServerArn"] async for item in table.scan()]) == [f"{ARN}2", f"{ARN}5"]


async def test_an_item_that_gained_or_lost_its_stamp_meanwhile_is_not_removed(table: Table) -> None:
    inventory = InventoryTable(table)
    await inventory.write([server(1), server(2, writtenAt=iso(NOW)), server(3, lastUpdated=iso(NOW))])
    stored = await inventory.stored_items(SCOPE, partition="aws")
    await inventory.write([server(1, writtenAt=iso(NOW)), server(2), server(3, lastUpdated=iso(NOW), writtenAt="x")])
    assert not any([await inventory.remove(key, item) for key, item in stored.items()])
    assert len([item async for item in table.scan()]) == 3


async def test_an_original_is_written_once_and_only_filled_up(own: Table, table: Table) -> None:
    topologies = TopologyTable(own, table)
    await topologies.capture([TOPOLOGY])
    other = {**TOPOLOGY, "pk": f"{ARN}2"}
    captured = await topologies.capture([{**TOPOLOGY, "originalInstanceId": "i-2"}, other])
    assert captured == {f"{ARN}0": TOPOLOGY, f"{ARN}2": other}

    async def complete(number: int, **found: object) -> Item | AwsError:
        lineages = (f"{ARN}{number}", f"{ARN}2")
        return (await topologies.complete([Completion(lineage, KEY, found) for lineage in lineages]))[lineages[0]]

    filled = await complete(0, originalReplicationConfiguration={"subnet": "a"}, captureMethod="late")
    again = await complete(0, originalReplicationConfiguration={"subnet": "b"}, sourceSideTemplate={"arn": "t"})
    assert isinstance(filled, dict)
    assert again == {**filled, "sourceSideTemplate": {"arn": "t"}}
    assert again["originalReplicationConfiguration"] == {"subnet": "a"}
    assert await complete(1, originalReplicationConfiguration={"subnet": "a"}) == {}


class _Overtaken(Table):
    """A table in which another run fills a topology between the first read and the write that follows it."""

    others: Mapping[str, Any] | None = None

    async def get(self, key: Mapping[str, Any]) -> Item | None:
        item, others, self.others = await super().get(key), self.others, None
        if others is not None:
            await self.update_if(key, others, "attribute_exists( #pk )")
        return item


@pytest.mark.parametrize("others", [{"originalInstanceId": "i-1"}, {"originalAvailabilityZone": "us-east-1b"}])
async def test_an_origin_is_filled_from_one_report_by_two_runs_at_once(
    aws_client: AwsClient, own: Table, table: Table, others: dict[str, Any]
) -> None:
    overtaken = _Overtaken(aws_client.hub(), own.name, aws_client.hub_region)
    topologies = TopologyTable(overtaken, table)
    key = {name: TOPOLOGY[name] for name in ("pk", "sk")}
    await topologies.capture([key])
    overtaken.others = others
    reported = {"originalInstanceId": "i-2", "originalAvailabilityZone": "us-east-1a"}
    filled = await topologies.fill_origin(f"{ARN}0", KEY, lambda topology: missing_values(topology, reported))
    assert filled == await own.get(key) == {**key, **others}
    assert await topologies.fill_origin(f"{ARN}1", KEY, lambda topology: missing_values(topology, reported)) == {}


async def test_the_copy_in_an_item_is_brought_up_to_date_and_a_removed_server_stays_removed(table: Table) -> None:
    """Topology details are read after the removals of the scope, and another run may remove items too."""
    inventory = InventoryTable(table)
    await inventory.write([server(1)])
    keys = [ItemKey(f"{ARN}{number}", SCOPE.account_id) for number in (1, 2)]
    assert await inventory.refresh_copies({key: {"topologyComplete": True} for key in keys}) == {}
    assert [item async for item in table.scan()] == [{**server(1), "topologyComplete": True}]


async def test_a_history_is_begun_and_none_of_it_lost(own: Table, table: Table) -> None:
    """In dynalite equal lists compare as different, so appending to a history always conflicts and changes nothing."""
    topologies = TopologyTable(own, table)
    assert not await topologies.add_history(f"{ARN}0", lambda _: {"instanceId": "i-2"})
    await topologies.capture([TOPOLOGY])
    assert await topologies.add_history(f"{ARN}0", lambda _: {"instanceId": "i-2"})
    begun = await topologies.topologies({f"{ARN}0": ()})
    assert not await topologies.add_history(f"{ARN}0", lambda _: {"instanceId": "i-3"})
    assert await topologies.topologies({f"{ARN}0": (), f"{ARN}1": ()}) == begun


async def test_names_lead_to_their_lineage(own: Table, table: Table) -> None:
    inventory, topologies = InventoryTable(table), TopologyTable(own, table)
    items = name_items(f"{ARN}0", f"{ARN}1", [f"name-{number}" for number in range(40)])
    await topologies.put_name_items(items)
    await topologies.put_name_items(items)
    await topologies.capture([TOPOLOGY])
    await inventory.write([server(1)])
    for number in range(40):  # two batches, and the ends of both
        assert await topologies.lineages.by_name(f"NAME-{number}") == (f"{ARN}0",)
    assert await topologies.lineages.by_name("nobody") == ()
    items = await topologies.lineages.items(f"{ARN}0")
    assert [item.get("sk") or item["stagingAccountId"] for item in items] == ["TOPOLOGY", SCOPE.account_id]


async def test_what_an_earlier_version_left_is_carried_over(own: Table, table: Table) -> None:
    earlier: list[dict[str, Any]] = [
        {
            **inventory_key(TOPOLOGY),
            "originalInstanceId": "i-1",
            "originalReplicationConfiguration": {"groups": ["sg"]},
        },
        *({**inventory_key(each), "lineageArn": f"{ARN}0"} for each in name_items(f"{ARN}0", f"{ARN}1", ["a", "b"])),
        {**inventory_key({**TOPOLOGY, "pk": f"{ARN}9"}), "originalInstanceId": "i-9"},
        *(server(number, fill="x" * 390_000) for number in range(3)),  # more than one page
    ]
    for item in earlier:
        await table.put_many([item])
    await TopologyTable(own, table).capture([{**TOPOLOGY, "pk": f"{ARN}9", "captureMethod": "late"}])
    walk = CarryOver(own, table, lambda: NOW)
    carried = [await walk.run(pages=1) for _ in range(4)]
    assert (sum(carried), carried[-1]) == (5, 0)
    assert [item["stagingAccountId"] async for item in table.scan()] == [SCOPE.account_id] * 3
    kept = {(item["pk"], item["sk"]): item async for item in own.scan()}
    assert kept[f"{ARN}0", "TOPOLOGY"]["originalReplicationConfiguration"] == {"groups": ["sg"]}
    assert kept[f"{ARN}9", "TOPOLOGY"]["originalInstanceId"] == "i-1"
    (differed,) = kept[f"{ARN}9", "TOPOLOGY"]["topologyHistory"]
    assert differed["originals"] == {"originalInstanceId": "i-9"}
    assert await TopologyTable(own, table).lineages.by_name("A") == (f"{ARN}0",)
    assert kept["carry-over", "inventory"]["doneAt"] == iso(NOW)


async def test_a_staging_account_joins_a_record(aws_client: AwsClient, sandbox: EngineSandbox) -> None:
    name = sandbox.server.environment()["TARGET_ACCOUNTS_TABLE"]
    accounts = TargetAccountsTable(Table(aws_client.hub(), name, aws_client.hub_region))
    wanted = [{"accountId": "444455556666", "accountName": "", "addedAt": iso(NOW)}]
    assert await accounts.change_staging(sandbox.names.a, lambda *_: (wanted, []), now=NOW) == wanted
    record = await accounts.get(sandbox.names.a)
    assert record is not None
    assert (record["stagingAccounts"], record["updatedAt"]) == (wanted, iso(NOW))
    assert "removedStagingAccounts" not in record
