"""Contents of the tables after a sync: counts, removed servers, old row formats, staging accounts, broken records."""

from __future__ import annotations

from typing import Any

import pytest

from service.sandbox.moto_drs import drs_backends
from tests.support.received_calls import ReceivedCalls
from tests.support.sandbox import FEW_REGIONS, EngineSandbox

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


async def test_old_rows_of_both_tables_are_read(sandbox: EngineSandbox) -> None:
    """They have no `accounts` and no `lastChecked`; the zero of a row with an error is not a count.

    The rows of the target accounts name their roles as earlier versions did.
    """
    sandbox.set(DRS_REGIONS=" ".join(FEW_REGIONS))
    role = {"name": "OldRole"}
    account = sandbox.add_account(role=role, regions={WEST: {"servers": 2}, EAST: {"servers": 1}})
    other = sandbox.add_account(role=role, regions={WEST: {"servers": 1}})
    targets = sandbox.table("TARGET_ACCOUNTS_TABLE")
    targets.put_item(Item={"accountId": account, "assumeRoleName": "OldRole"})
    targets.put_item(Item={"accountId": other, "crossAccountRoleArn": f"arn:aws:iam::{other}:role/OldRole"})
    words = {WEST: ("ACTIVE", 2), EAST: ("THROTTLED", 0), "sa-east-1": ("UNINITIALIZED", 0)}
    for region in FEW_REGIONS:
        status, count = words.get(region, ("NOT_INITIALIZED", 0))
        old = {"region": region, "serverCount": count, "status": status, "accountId": account, "lastUpdated": OLD}
        sandbox.table("DRS_REGION_STATUS_TABLE").put_item(Item=old)
    recorded = sandbox.records(account, WEST)[0]
    stale = flat_row(account, "s-00000000000000099")
    for row in (flat_row(account, recorded["sourceServerID"]), stale):
        sandbox.table("SOURCE_SERVER_INVENTORY_TABLE").put_item(Item=row)

    report = await sandbox.sync()

    assert report["regionSource"] == "status_table"
    assert report["regionsScanned"] < len(FEW_REGIONS)
    assert sandbox.counts() == {WEST: 3, EAST: 1}
    items = {item["sourceServerArn"]: item for item in sandbox.items()}
    assert items[recorded["arn"]]["hostname"] == recorded["sourceProperties"]["identificationHints"]["hostname"]
    assert items[recorded["arn"]]["_queryAccount"] == account
    assert sandbox.records(account, EAST)[0]["arn"] in items
    assert stale["sourceServerArn"] not in items, "the ARN names its scope, which was listed completely"
    row = sandbox.status()[WEST]
    assert row["lastChecked"]
    assert {name: int(entry["serverCount"]) for name, entry in row["accounts"].items()} == {account: 2, other: 1}

    await sandbox.sync()

    assert sandbox.counts() == {WEST: 3, EAST: 1}


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
async def test_row_shapes_of_an_active_region(row: dict[str, Any], sandbox: EngineSandbox) -> None:
    sandbox.add_account(regions={WEST: {"servers": 1}})
    sandbox.table("DRS_REGION_STATUS_TABLE").put_item(Item={"region": WEST, **row})

    await sandbox.sync()

    assert sandbox.counts()[WEST] == 1
    assert len(sandbox.items()) == 1


async def test_a_region_that_lost_its_servers_becomes_inactive(sandbox: EngineSandbox) -> None:
    account = sandbox.add_account(regions={WEST: {"servers": 2}, EAST: {"servers": 1}})
    sandbox.add_account(regions={WEST: {"servers": 1}})
    await sandbox.sync()
    for region in (WEST, EAST):
        sandbox.remove(account, region, sandbox.records(account, region))

    report = await sandbox.sync()

    assert report["serversRemoved"] == 3
    assert sandbox.counts() == {WEST: 1}
    row = sandbox.status()[EAST]
    assert (int(row["serverCount"]), row["status"]) == (0, "ACTIVE")


async def test_a_server_vanishes_with_its_own_scope_only(sandbox: EngineSandbox) -> None:
    healthy = sandbox.add_account(regions={WEST: {"servers": 2}, EAST: {"servers": 1}})
    failing = sandbox.add_account(regions={WEST: {"servers": 2}})
    await sandbox.sync()
    removed, unconfirmed = (sandbox.records(account, WEST)[-1] for account in (healthy, failing))
    sandbox.remove(healthy, WEST, [removed])
    sandbox.remove(failing, WEST, [unconfirmed])
    sandbox.remove(healthy, EAST, sandbox.records(healthy, EAST))
    failure = {"service": "drs", "operation": "DescribeSourceServers", "error": "ValidationException", "status": 400}
    scopes = ((healthy, EAST), (failing, WEST))
    sandbox.faults(fail=[{**failure, "account_id": account, "region": region} for account, region in scopes])

    report = await sandbox.sync()

    assert {(error["accountId"], *error["regions"]) for error in report["errors"]} == set(scopes)
    arns = {item["sourceServerArn"] for item in sandbox.items()}
    assert (removed["arn"] in arns, unconfirmed["arn"] in arns, len(arns)) == (False, True, 4)
    assert sandbox.counts() == {WEST: 3, EAST: 1}


async def test_count_and_records_agree_where_drs_is_no_longer_in_use(sandbox: EngineSandbox) -> None:
    """Two responses that DRS is not initialised set the count to zero, so the items must be removed as well."""
    account = sandbox.add_account(regions={WEST: {"servers": 1}, EAST: {"servers": 1}})
    await sandbox.sync()
    drs_backends[account][WEST].initialized = False

    assert (await sandbox.sync())["status"] == "partial"

    assert sandbox.counts() == {WEST: 1, EAST: 1}, "one such response may be wrong"
    assert len(sandbox.items()) == 2

    await sandbox.sync()

    assert sandbox.counts() == {EAST: 1}
    assert {item["replicationRegion"] for item in sandbox.items()} == {EAST}


async def test_naming_an_account_deletes_nothing_of_others(sandbox: EngineSandbox) -> None:
    here, there = (sandbox.add_account(regions={WEST: {"servers": 1}}) for _ in range(2))
    await sandbox.sync()
    for account in (here, there):
        sandbox.remove(account, WEST, sandbox.records(account, WEST))

    await sandbox.sync(accounts=(here,))

    assert {item["_queryAccount"] for item in sandbox.items()} == {there}
    assert sandbox.counts() == {WEST: 1}


async def test_a_server_that_changes_its_staging_account_has_one_row(sandbox: EngineSandbox) -> None:
    staging = sandbox.add_account(kind="staging")
    account = sandbox.add_account(regions={WEST: {"servers": 1}})
    await sandbox.sync()
    (record,) = sandbox.records(account, WEST)
    record["stagingArea"] = {
        "status": "EXTENDED",
        "stagingAccountID": staging,
        "stagingSourceServerArn": f"arn:aws:drs:{WEST}:{staging}:source-server/s-0aa11bb22cc33dd44",
    }

    await sandbox.sync()

    (row,) = [item for item in sandbox.items() if item["_queryAccount"] == account]
    assert (row["stagingAccountId"], row["sourceServerArn"]) == (staging, record["arn"])


async def test_an_empty_list_of_accounts_is_a_complete_run(sandbox: EngineSandbox, received: ReceivedCalls) -> None:
    report = await sandbox.sync()

    assert (report["status"], report["serversSynced"], report["errors"]) == ("complete", 0, [])
    assert received.of("drs") == []
