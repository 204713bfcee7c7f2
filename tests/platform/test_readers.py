"""The double itself: what its readers answer, and that its checks find what does not belong into the tables."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from boto3.dynamodb.conditions import Key

from tests.platform.installation import BEGIN, TAGS, Installation
from tests.platform.kinds import strangers, strangers_among
from tests.platform.readers import FRESH_FOR, REGIONS, PlatformReaders, UnansweredError, doubled, moment_of

ARN = "arn:aws:drs:us-west-2:111122223333:source-server/s-3b8f0c91d27a4e56f"
ITEM: dict[str, Any] = {
    "sourceServerArn": ARN,
    "stagingAccountId": "444455556666",
    "sourceServerID": "s-3b8f0c91d27a4e56f",
    "sourceAccountId": "777788889999",
    "replicationRegion": "us-west-2",
    "lastUpdated": "2024-11-23T05:00:00.123456+00:00",
    "tags": {"Name": "app-web-01", **TAGS},
}
ROW: dict[str, Any] = {
    "region": "us-west-2",
    "status": "ACTIVE",
    "serverCount": 1,
    "lastUpdated": "2024-11-23T05:00:00.123456+00:00",
    "lastChecked": "2024-11-23T05:00:00Z",
}


def put(installation: Installation, *, item: dict[str, Any] | None = None, row: dict[str, Any] | None = None) -> None:
    """Put one item and one row; a member that is None is left out."""
    for table, whole in ((installation.tables.inventory, item), (installation.tables.status, row)):
        if whole is not None:
            table.put_item(Item={name: value for name, value in whole.items() if value is not None})


def changed(whole: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return a changed copy; a member that becomes None is left out."""
    return {name: value for name, value in {**whole, **change}.items() if value is not None}


def test_what_both_write_is_known() -> None:
    items = [ITEM, {**ITEM, "stagingAccountId": "111122223333", "sourceTags": {}}]
    rows = [ROW, {**ROW, "region": "eu-west-1", "errorMessage": "denied", "serverCount": 0}]
    assert strangers_among(items, rows, [{"accountId": "999900001111", "accountName": "Hub"}]) == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"stagingAccountId": "TOPOLOGY"}, "stagingAccountId is 'TOPOLOGY'"),
        ({"sourceServerArn": "scope#111122223333#us-west-2"}, "its key is not the ARN of a source server"),
        ({"lastUpdated": None}, "lastUpdated is None"),
        ({"lastUpdated": "2024-11-23T05:00:00+00:00Z"}, "lastUpdated is"),
        ({"lastUpdated": "2024-11-23T05:00:00"}, "lastUpdated is"),
        ({"replicationRegion": "eu-west-1"}, "replicationRegion is 'eu-west-1'"),
        ({"sourceServerID": None}, "sourceServerID is None"),
        ({"sourceAccountId": "hub"}, "sourceAccountId is 'hub'"),
        ({"tags": None}, "it has no tags"),
        ({"tags": {"Name": 1}}, "tags is not a map of texts"),
    ],
)
def test_an_item_of_another_kind_is_found(change: dict[str, Any], why: str) -> None:
    item = changed(ITEM, change)
    [found] = strangers_among(items=[item])
    assert found.startswith(f"item {item['sourceServerArn']}: {why}")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"region": "_full_scan"}, "region is '_full_scan'"),
        ({"status": "AVAILABLE"}, "status is 'AVAILABLE'"),
        ({"status": None}, "status is None"),
        ({"serverCount": None}, "serverCount is None"),
        ({"serverCount": -1}, "serverCount is -1"),
        ({"lastUpdated": None}, "lastUpdated is None"),
        ({"lastChecked": "yesterday"}, "lastChecked is 'yesterday'"),
        ({"accountId": "all"}, "accountId is 'all'"),
    ],
)
def test_a_row_of_another_kind_is_found(change: dict[str, Any], why: str) -> None:
    row = changed(ROW, change)
    assert strangers_among(rows=[row]) == [f"row {row['region']}: {why}"]


def test_a_target_account_of_another_kind_is_found(installation: Installation) -> None:
    accounts, names = installation.tables.accounts, installation.sandbox.names
    accounts.put_item(Item={"accountId": "_tag_sync_lock"})
    accounts.update_item(
        Key={"accountId": names.a}, UpdateExpression="REMOVE stagingAccounts[0].externalId, stagingAccounts[0].addedBy"
    )
    assert sorted(strangers(installation.readers)) == sorted(
        [
            "account _tag_sync_lock: accountId is '_tag_sync_lock'",
            "account _tag_sync_lock: accountName is None",
            f"account {names.a}: staging account {names.apps} has no externalId",
            f"account {names.a}: staging account {names.apps} has no addedBy",
        ]
    )
    with pytest.raises(KeyError, match="externalId"):
        installation.readers.staging_records(names.a, BEGIN)


def test_one_row_or_else_one_item_decides_on_freshness(installation: Installation) -> None:
    now, readers = BEGIN + timedelta(hours=1), installation.readers
    assert not readers.is_fresh(now), "there is no row"
    for item_age_s, row_age_s, fresh in [(0, 899, True), (0, 900, False), (899, None, True), (900, None, False)]:
        updated = (now - timedelta(seconds=item_age_s)).isoformat()
        checked = row_age_s and (now - timedelta(seconds=row_age_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
        put(installation, item={**ITEM, "lastUpdated": updated}, row={**ROW, "lastChecked": checked})
        assert readers.is_fresh(now) is fresh
        assert (readers.stale_if_first(now) == []) is fresh
        assert readers.wave_servers("us-west-2", TAGS, now) == ([ITEM["sourceServerID"]] if fresh else [])
        assert readers.wave_servers("us-west-2", {**TAGS, "Name": "App-Web-01"}, now) == []


def test_any_row_may_be_the_one_that_is_read(installation: Installation) -> None:
    put(installation, row=ROW)
    now = moment_of(str(ROW["lastChecked"])) + timedelta(minutes=20)
    installation.tables.status.put_item(Item={**ROW, "region": "eu-west-1", "lastChecked": now.isoformat()})
    assert installation.readers.stale_if_first(now) == ["us-west-2"]


def test_a_time_that_cannot_be_read_leaves_the_answer_to_an_item(installation: Installation) -> None:
    now, readers = BEGIN + timedelta(hours=1), installation.readers
    for checked in (doubled(now), "2024-11-23T05:59:00", "yesterday", "", 1):
        for item_age_s, fresh in ((899, True), (900, False)):
            updated = (now - timedelta(seconds=item_age_s)).isoformat()
            put(installation, item={**ITEM, "lastUpdated": updated}, row={**ROW, "lastChecked": checked})
            assert readers.is_fresh(now) is fresh, checked
            assert readers.stale_if_first(now) == ([] if fresh else [ARN])
    for unknown in ("2024-11-23T05:59:00", "yesterday", None):
        put(installation, item=changed(ITEM, {"lastUpdated": unknown}))
        assert not readers.is_fresh(now), unknown
        assert readers.stale_if_first(now) == [ARN]


def test_the_first_item_of_a_server_id_decides_for_a_wave(installation: Installation) -> None:
    now, server_id = BEGIN, ITEM["sourceServerID"]
    items = [{**ITEM, "stagingAccountId": account_id} for account_id in ("444455556666", "111122223333")]
    for item in items:
        put(installation, item=item, row=ROW)
    read = installation.tables.inventory.query(
        IndexName="ReplicationRegionIndex", KeyConditionExpression=Key("replicationRegion").eq("us-west-2")
    )["Items"]
    first, second = (
        next(each for each in items if each["stagingAccountId"] == key["stagingAccountId"]) for key in read
    )
    assert installation.readers.wave_servers("us-west-2", TAGS, now) == [server_id]
    put(installation, item={**second, "tags": {}})
    assert installation.readers.wave_servers("us-west-2", TAGS, now) == [server_id]
    put(installation, item=second)
    put(installation, item={**first, "tags": {}})
    assert installation.readers.wave_servers("us-west-2", TAGS, now) == []


def test_items_without_an_id_or_with_null_tags(installation: Installation) -> None:
    readers, account_id, server_id = installation.readers, ITEM["sourceAccountId"], ITEM["sourceServerID"]
    tagged = {**ITEM, "sourceTags": TAGS}
    other = f"{ARN[:-1]}0"
    put(installation, item=tagged, row=ROW)
    put(installation, item=changed(tagged, {"sourceServerArn": other, "sourceServerID": None}))
    assert readers.wave_servers("us-west-2", TAGS, BEGIN) == [server_id]
    assert readers.group_members(account_id, "us-west-2", TAGS) == [server_id]
    assert readers.group_preview(account_id, "us-west-2", TAGS) == ["", server_id]
    installation.tables.inventory.put_item(Item={**tagged, "sourceServerArn": other, "tags": None, "sourceTags": None})
    assert readers.group_members(account_id, "us-west-2", TAGS) == []
    with pytest.raises(UnansweredError, match=f"tags of {other} is None"):
        readers.group_preview(account_id, "us-west-2", TAGS)
    assert readers.group_members(account_id, "eu-west-1", TAGS) == readers.group_preview(account_id, "eu-west-1", TAGS)


def test_servers_of_a_staging_account_need_a_fresh_inventory(installation: Installation) -> None:
    put(installation, item=ITEM, row=ROW)
    assert installation.readers.staged_servers(ITEM["stagingAccountId"], BEGIN) == [ARN]
    assert installation.readers.staged_servers(ITEM["stagingAccountId"], BEGIN + FRESH_FOR) == []


def test_without_its_indexes_a_wave_scans_and_the_others_find_nothing(installation: Installation) -> None:
    bare = installation.other_tables()
    bare.status.put_item(Item=ROW)
    bare.inventory.put_item(Item={**ITEM, "sourceTags": TAGS})
    bare.inventory.put_item(Item={**ITEM, "sourceServerArn": f"{ARN}0", "replicationRegion": "eu-west-1"})
    readers = PlatformReaders(bare)
    assert readers.wave_servers("us-west-2", TAGS, BEGIN) == [ITEM["sourceServerID"]]
    assert readers.wave_servers("sa-east-1", TAGS, BEGIN) == []
    assert readers.staged_servers(ITEM["stagingAccountId"], BEGIN) == []
    assert readers.group_members(ITEM["sourceAccountId"], "us-west-2", TAGS) == []
    with pytest.raises(UnansweredError, match="index"):
        readers.group_preview(ITEM["sourceAccountId"], "us-west-2", TAGS)


def test_a_row_without_a_count_is_no_active_region(installation: Installation) -> None:
    put(installation, row=changed(ROW, {"serverCount": None}))
    assert installation.readers.active_regions() == sorted(REGIONS)
    put(installation, row={**ROW, "region": "eu-west-1"})
    assert installation.readers.active_regions() == ["eu-west-1"]


def test_readers_of_one_moment_read_everything_once(installation: Installation) -> None:
    put(installation, item=ITEM, row=ROW)
    readers = installation.readers.at_one_moment()
    assert [item["sourceServerArn"] for item in readers.items()] == [ARN]
    assert readers.active_regions() == ["us-west-2"]
    installation.tables.status.delete_item(Key={"region": "us-west-2"})
    assert readers.active_regions() == ["us-west-2"]
    assert installation.readers.active_regions() == sorted(REGIONS)
