"""Races with another writer between the read of an item and the write that follows, against a simulated DynamoDB."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import pytest

from service.accounts.staging import StagingRecords
from service.app import open_app
from service.aws.client import AwsClient
from service.aws.dynamodb_write import Table
from service.errors import RefusalError
from service.inventory.table import ItemKey
from service.models import RegionStatus, utc_now
from service.regions.known_accounts import KnownAccounts
from service.regions.status_rows import Observation
from service.regions.status_writer import Recording
from service.settings import load_settings
from service.topology.history import ATTRIBUTE, history_of
from service.topology.original import TEMPLATE_ID
from service.topology.store import Completion
from service.topology.table import TopologyTable
from tests.support.sandbox import EngineSandbox

LINEAGE: Final = "arn:aws:drs:us-west-2:111122223333:source-server/s-0123456789abcdef0"
KEY: Final = {"pk": LINEAGE, "sk": "TOPOLOGY"}


def topology_table(sandbox: EngineSandbox, aws_client: AwsClient) -> TopologyTable:
    own, inventory = (
        Table(aws_client.hub(), sandbox.server.environment()[name], aws_client.hub_region)
        for name in ("SOURCE_SERVER_TOPOLOGY_TABLE", "SOURCE_SERVER_INVENTORY_TABLE")
    )
    return TopologyTable(own, inventory)


async def test_a_target_that_was_deleted_meanwhile_does_not_come_back(sandbox: EngineSandbox) -> None:
    target = {"accountId": sandbox.names.a}
    accounts = sandbox.table("TARGET_ACCOUNTS_TABLE")
    accounts.update_item(Key=target, UpdateExpression="REMOVE stagingAccounts, removedStagingAccounts")

    def change(stored: StagingRecords, removed: StagingRecords) -> tuple[StagingRecords, StagingRecords]:
        accounts.delete_item(Key=target)
        return [*stored, {"accountId": sandbox.names.b}], removed

    async with open_app(load_settings()) as app:
        with pytest.raises(RefusalError, match="there is no target account"):
            await app.target_accounts().change_staging(sandbox.names.a, change, now=utc_now())
    assert "Item" not in accounts.get_item(Key=target)


@pytest.mark.parametrize("begun", [False, True])
async def test_of_two_that_append_to_a_history_at_once_both_are_in_it(sandbox: EngineSandbox, *, begun: bool) -> None:
    items = sandbox.table("SOURCE_SERVER_TOPOLOGY_TABLE")
    before = [{"event": "before"}] if begun else []
    items.put_item(Item={**KEY, **({ATTRIBUTE: before} if begun else {})})
    reads: list[list[dict[str, Any]]] = []

    def entry_of(topology: Mapping[str, Any]) -> Mapping[str, Any]:
        reads.append(history_of(topology))
        if len(reads) == 1:
            items.put_item(Item={**KEY, ATTRIBUTE: [*before, {"event": "other"}]})
        return {"event": "own"}

    async with AwsClient(load_settings(), utc_now) as aws_client:
        assert await topology_table(sandbox, aws_client).add_history(LINEAGE, entry_of)
    assert reads == [before, [*before, {"event": "other"}]]
    assert items.get_item(Key=KEY)["Item"][ATTRIBUTE] == [*before, {"event": "other"}, {"event": "own"}]


async def test_a_region_row_that_another_run_wrote_meanwhile_has_the_counts_of_both(sandbox: EngineSandbox) -> None:
    a, b, region = sandbox.names.a, sandbox.names.b, "us-west-2"

    def counted(account_id: str, servers: int) -> Observation:
        return Observation(account_id, RegionStatus.ACTIVE, utc_now(), servers)

    async with open_app(load_settings()) as app:
        others = 0

        async def read_existing(accounts: Collection[str]) -> frozenset[str]:
            nonlocal others
            if not others:  # between the read of the row and the first write
                others += 1
                await app.status.record(region, Recording([counted(b, 5)]))
            return frozenset(accounts)

        await app.status.record(region, Recording([counted(b, 1)]))
        known = KnownAccounts(frozenset({a}), read_existing)
        await app.status.record(region, Recording([counted(a, 3)], known_accounts=known))
    row = sandbox.status()[region]
    assert (others, row["serverCount"]) == (1, 8)
    assert {account: entry["serverCount"] for account, entry in row["accounts"].items()} == {a: 3, b: 5}


async def test_details_that_come_later_change_no_original(sandbox: EngineSandbox) -> None:
    items = sandbox.table("SOURCE_SERVER_TOPOLOGY_TABLE")
    recorded = {"originalReplicationConfiguration": {"subnet": "subnet-1"}}
    items.put_item(Item={**KEY, **recorded})
    key = ItemKey(LINEAGE, sandbox.names.a)
    async with AwsClient(load_settings(), utc_now) as aws_client:
        topologies = topology_table(sandbox, aws_client)
        later = {"originalReplicationConfiguration": {"subnet": "subnet-2"}, TEMPLATE_ID: "rct-1"}
        found = await topologies.complete([Completion(LINEAGE, key, later)])
        captured = await topologies.capture([{**KEY, "originalAccountId": sandbox.names.b}])
    assert found == captured == {LINEAGE: {**KEY, **recorded, TEMPLATE_ID: "rct-1"}}
    assert items.get_item(Key=KEY)["Item"] == found[LINEAGE]


async def test_an_origin_that_another_run_fills_meanwhile_stays(sandbox: EngineSandbox) -> None:
    items = sandbox.table("SOURCE_SERVER_TOPOLOGY_TABLE")
    items.put_item(Item=KEY)
    other = {"originalSourceRegion": "eu-west-1", "originalInstanceId": "i-1"}
    reads: list[str] = []

    def values_of(topology: Mapping[str, Any]) -> Mapping[str, Any]:
        reads.append(str(topology.get("originalSourceRegion", "")))
        if len(reads) == 1:
            items.put_item(Item={**KEY, **other})
        return {} if reads[-1] else {"originalSourceRegion": "us-east-1"}

    async with AwsClient(load_settings(), utc_now) as aws_client:
        found = await topology_table(sandbox, aws_client).fill_origin(LINEAGE, ItemKey(LINEAGE, "-"), values_of)
    assert reads == ["", "eu-west-1"]
    assert found == items.get_item(Key=KEY)["Item"] == {**KEY, **other}
