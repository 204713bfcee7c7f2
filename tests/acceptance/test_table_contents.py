"""Contents of the tables after a sync: counts, removed servers, old row formats, staging accounts, broken records."""

from __future__ import annotations

from typing import Any

import pytest

from service.sandbox.moto_drs import drs_backends
from tests.support.estate import FEW_REGIONS, Estate
from tests.support.received_calls import ReceivedCalls

WEST, EAST = "us-west-2", "eu-west-1"
OLD = "2026-01-01T00:00:00.000000+00:00"


def flat_row(account: str, server_id: str) -> dict[str, Any]:
    """Return an item of an earlier version: without members of the DRS record and without the scanned account."""
    return {
        "sourceServerArn": f"arn:aws:drs:{WEST}:{account}:source-server/{server_id}",
        "stagingAccountId": account,
        "sourceServerID": server_id,
        "sourceAccountId": account,
        "sourceRegion": "us-east-2",
        "hostname": "old-name",
        "fqdn": "",
        "instanceId": "i-0123456789abcdef0",
        "agentVersion": "5.0.0",
        "replicationRegion": WEST,
        "replicationState": "CONTINUOUS",
        "lagDuration": "P0D",
        "lastUpdated": OLD,
        "cpuCores": 2,
        "ramBytes": 1,
        "disks": [{"deviceName": "/dev/sda1", "bytes": 1}],
        "networkConfig": {"vpcId": "vpc-1"},
        "sourceTags": {"Name": "old"},
    }


async def test_old_rows_of_both_tables_are_read(estate: Estate) -> None:
    """They have no `accounts` and no `lastChecked`; the zero of a row with an error is not a count.

    The rows of the target accounts name their roles as earlier versions did.
    """
    estate.set(DRS_REGIONS=" ".join(FEW_REGIONS))
    role = {"name": "OldRole"}
    account = estate.add_account(role=role, regions={WEST: {"servers": 2}, EAST: {"servers": 1}})
    other = estate.add_account(role=role, regions={WEST: {"servers": 1}})
    targets = estate.table("TARGET_ACCOUNTS_TABLE")
    targets.put_item(Item={"accountId": account, "assumeRoleName": "OldRole"})
    targets.put_item(Item={"accountId": other, "crossAccountRoleArn": f"arn:aws:iam::{other}:role/OldRole"})
    words = {WEST: ("ACTIVE", 2), EAST: ("THROTTLED", 0), "sa-east-1": ("UNINITIALIZED", 0)}
    for region in FEW_REGIONS:
        status, count = words.get(region, ("NOT_INITIALIZED", 0))
        old = {"region": region, "serverCount": count, "status": status, "accountId": account, "lastUpdated": OLD}
        estate.table("DRS_REGION_STATUS_TABLE").put_item(Item=old)
    recorded = estate.records(account, WEST)[0]
    stale = flat_row(account, "s-00000000000000099")
    for row in (flat_row(account, recorded["sourceServerID"]), stale):
        estate.table("SOURCE_SERVER_INVENTORY_TABLE").put_item(Item=row)

    report = await estate.sync()

    assert report["regionSource"] == "status_table"
    assert report["regionsScanned"] < len(FEW_REGIONS)
    assert estate.counts() == {WEST: 3, EAST: 1}
    items = {item["sourceServerArn"]: item for item in estate.items()}
    assert items[recorded["arn"]]["hostname"] == recorded["sourceProperties"]["identificationHints"]["hostname"]
    assert items[recorded["arn"]]["_queryAccount"] == account
    assert estate.records(account, EAST)[0]["arn"] in items
    assert stale["sourceServerArn"] not in items, "the ARN names its scope, which was listed completely"
    row = estate.status()[WEST]
    assert row["lastChecked"]
    assert {name: int(entry["serverCount"]) for name, entry in row["accounts"].items()} == {account: 2, other: 1}

    await estate.sync()

    assert estate.counts() == {WEST: 3, EAST: 1}


@pytest.mark.parametrize(
    "row",
    [
        {"serverCount": 1, "status": "AVAILABLE", "lastChecked": "2026-01-01T00:00:00Z", "errorMessage": None},
        {"serverCount": 1, "status": "ACTIVE", "lastChecked": "2026-01-01T00:00:00+00:00Z"},
        {"serverCount": 1},
        {"serverCount": 1, "status": "NEW_WORD", "lastChecked": "yesterday", "accounts": {}},
        {"serverCount": 1, "accounts": {"123456789012": {"serverCount": 1, "status": "ACTIVE"}}},
    ],
    ids=["helper", "two-offsets", "bare", "strange", "account-gone"],
)
async def test_row_shapes_of_an_active_region(row: dict[str, Any], estate: Estate) -> None:
    estate.add_account(regions={WEST: {"servers": 1}})
    estate.table("DRS_REGION_STATUS_TABLE").put_item(Item={"region": WEST, **row})

    await estate.sync()

    assert estate.counts()[WEST] == 1
    assert len(estate.items()) == 1


async def test_a_region_that_lost_its_servers_becomes_inactive(estate: Estate) -> None:
    account = estate.add_account(regions={WEST: {"servers": 2}, EAST: {"servers": 1}})
    estate.add_account(regions={WEST: {"servers": 1}})
    await estate.sync()
    for region in (WEST, EAST):
        estate.remove(account, region, estate.records(account, region))

    report = await estate.sync()

    assert report["serversRemoved"] == 3
    assert estate.counts() == {WEST: 1}
    row = estate.status()[EAST]
    assert (int(row["serverCount"]), row["status"]) == (0, "ACTIVE")


async def test_a_server_vanishes_with_its_own_scope_only(estate: Estate) -> None:
    healthy = estate.add_account(regions={WEST: {"servers": 2}, EAST: {"servers": 1}})
    failing = estate.add_account(regions={WEST: {"servers": 2}})
    await estate.sync()
    removed, unconfirmed = (estate.records(account, WEST)[-1] for account in (healthy, failing))
    estate.remove(healthy, WEST, [removed])
    estate.remove(failing, WEST, [unconfirmed])
    estate.remove(healthy, EAST, estate.records(healthy, EAST))
    failure = {"service": "drs", "operation": "DescribeSourceServers", "error": "ValidationException", "status": 400}
    scopes = ((healthy, EAST), (failing, WEST))
    estate.faults(fail=[{**failure, "account_id": account, "region": region} for account, region in scopes])

    report = await estate.sync()

    assert {(error["accountId"], *error["regions"]) for error in report["errors"]} == set(scopes)
    arns = {item["sourceServerArn"] for item in estate.items()}
    assert (removed["arn"] in arns, unconfirmed["arn"] in arns, len(arns)) == (False, True, 4)
    assert estate.counts() == {WEST: 3, EAST: 1}


async def test_count_and_records_agree_where_drs_is_no_longer_in_use(estate: Estate) -> None:
    """Two responses that DRS is not initialised set the count to zero, so the items must be removed as well."""
    account = estate.add_account(regions={WEST: {"servers": 1}, EAST: {"servers": 1}})
    await estate.sync()
    drs_backends[account][WEST].initialized = False

    assert (await estate.sync())["status"] == "partial"

    assert estate.counts() == {WEST: 1, EAST: 1}, "one such response may be wrong"
    assert len(estate.items()) == 2

    await estate.sync()

    assert estate.counts() == {EAST: 1}
    assert {item["replicationRegion"] for item in estate.items()} == {EAST}


async def test_naming_an_account_deletes_nothing_of_others(estate: Estate) -> None:
    here, there = (estate.add_account(regions={WEST: {"servers": 1}}) for _ in range(2))
    await estate.sync()
    for account in (here, there):
        estate.remove(account, WEST, estate.records(account, WEST))

    await estate.sync(accounts=(here,))

    assert {item["_queryAccount"] for item in estate.items()} == {there}
    assert estate.counts() == {WEST: 1}


async def test_a_server_that_changes_its_staging_account_has_one_row(estate: Estate) -> None:
    staging = estate.add_account(kind="staging")
    account = estate.add_account(regions={WEST: {"servers": 1}})
    await estate.sync()
    (record,) = estate.records(account, WEST)
    record["stagingArea"] = {
        "status": "EXTENDED",
        "stagingAccountID": staging,
        "stagingSourceServerArn": f"arn:aws:drs:{WEST}:{staging}:source-server/s-0aa11bb22cc33dd44",
    }

    await estate.sync()

    (row,) = [item for item in estate.items() if item["_queryAccount"] == account]
    assert (row["stagingAccountId"], row["sourceServerArn"]) == (staging, record["arn"])


async def test_an_empty_list_of_accounts_is_a_complete_run(estate: Estate, received: ReceivedCalls) -> None:
    report = await estate.sync()

    assert (report["status"], report["serversSynced"], report["errors"]) == ("complete", 0, [])
    assert received.of("drs") == []
