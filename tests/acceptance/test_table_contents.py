"""Contents of the tables after a sync: counts, removed servers, old row formats, staging accounts, broken records."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.endpoint import REGIONS, Fault, internal_error
from tests.acceptance.world import World, make_server, plain


def _flat_row(account: str, region: str, number: int) -> dict[str, Any]:
    """Return an item of an earlier version: without members of the DRS record and without the scanned account."""
    server = make_server(account, region, number)
    return {
        "sourceServerArn": server["arn"],
        "stagingAccountId": account,
        "sourceServerID": server["sourceServerID"],
        "sourceAccountId": account,
        "sourceRegion": "us-east-2",
        "hostname": "old-name",
        "fqdn": "",
        "instanceId": "i-0123456789abcdef0",
        "agentVersion": "5.0.0",
        "replicationRegion": region,
        "replicationState": "CONTINUOUS",
        "lagDuration": "P0D",
        "lastUpdated": "2026-01-01T00:00:00.000000+00:00",
        "cpuCores": 2,
        "ramBytes": 1,
        "disks": [{"deviceName": "/dev/sda1", "bytes": 1}],
        "networkConfig": {"vpcId": "vpc-1"},
        "sourceTags": {"Name": "old"},
    }


def test_old_rows_of_both_tables_are_read(world: World) -> None:
    """They have no `accounts` and no `lastChecked`; the zero of a row with an error is not a count."""
    account, other = world.account(), world.account()
    recorded = world.servers(account, "us-west-2", 2)
    unrecorded = world.servers(account, "eu-west-1", 1)
    world.servers(other, "us-west-2", 1)
    words = {"us-west-2": ("ACTIVE", 2), "eu-west-1": ("THROTTLED", 0), "sa-east-1": ("UNINITIALIZED", 0)}
    for region in REGIONS:
        status, count = words.get(region, ("NOT_INITIALIZED", 0))
        old = {"region": region, "serverCount": count, "status": status, "accountId": account}
        world.put(world.tables.status, {**old, "lastUpdated": "2026-01-01T00:00:00.000000+00:00"})
    world.put(world.tables.inventory, _flat_row(account, "us-west-2", 1))
    world.put(world.tables.inventory, _flat_row(account, "us-west-2", 99))

    run = world.sync()

    assert run.report["regionSource"] == "status_table"
    assert run.report["regionsScanned"] < len(REGIONS)
    assert world.counts() == {"us-west-2": 3, "eu-west-1": 1}
    items = world.inventory()
    assert items[recorded[0]["arn"]]["hostname"] == "host-0001"
    assert items[recorded[0]["arn"]]["_queryAccount"] == account
    assert unrecorded[0]["arn"] in items
    stale = make_server(account, "us-west-2", 99)["arn"]
    assert stale not in items, "the ARN names its scope, which was listed completely"
    row = world.status()["us-west-2"]
    assert row["lastChecked"]
    assert {name: int(entry["serverCount"]) for name, entry in row["accounts"].items()} == {account: 2, other: 1}

    world.sync()

    assert world.counts() == {"us-west-2": 3, "eu-west-1": 1}


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
def test_row_shapes_of_an_active_region(world: World, row: dict[str, Any]) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 1)
    world.put(world.tables.status, {"region": "us-west-2", **row})

    world.sync()

    assert world.counts()["us-west-2"] == 1
    assert len(world.inventory()) == 1


def test_a_region_that_lost_its_servers_becomes_inactive(world: World) -> None:
    account, other = world.account(), world.account()
    world.servers(account, "us-west-2", 2)
    world.servers(other, "us-west-2", 1)
    world.servers(account, "eu-west-1", 1)
    world.sync()
    world.scope(account, "us-west-2").servers.clear()
    world.scope(account, "eu-west-1").servers.clear()

    report = world.sync().report

    assert report["serversRemoved"] == 3
    assert world.counts() == {"us-west-2": 1}
    rows = world.status()
    assert (int(rows["eu-west-1"]["serverCount"]), rows["eu-west-1"]["status"]) == (0, "ACTIVE")


def test_a_server_vanishes_with_its_own_scope_only(world: World) -> None:
    healthy, failing = world.account(), world.account()
    world.servers(healthy, "us-west-2", 2)
    world.servers(failing, "us-west-2", 2)
    world.servers(healthy, "eu-west-1", 1)
    world.sync()
    removed = world.scope(healthy, "us-west-2").servers.pop()
    unconfirmed = world.scope(failing, "us-west-2").servers.pop()
    world.scope(healthy, "eu-west-1").servers.clear()
    world.scope(healthy, "eu-west-1").faults.append(Fault(internal_error))
    world.scope(failing, "us-west-2").faults.append(Fault(internal_error))

    world.sync(code=3)

    items = world.inventory()
    assert removed["arn"] not in items
    assert unconfirmed["arn"] in items
    assert len(items) == 4
    assert world.counts() == {"us-west-2": 3, "eu-west-1": 1}


def test_count_and_records_agree_where_drs_is_no_longer_in_use(world: World) -> None:
    """Two responses that DRS is not initialised set the count to zero, so the items must be removed as well."""
    account = world.account()
    world.servers(account, "us-west-2", 1)
    world.servers(account, "eu-west-1", 1)
    world.sync()
    world.scope(account, "us-west-2").initialized = False

    world.sync(code=3)

    assert world.counts() == {"us-west-2": 1, "eu-west-1": 1}, "one such response may be wrong"
    assert len(world.inventory()) == 2

    world.sync()

    assert world.counts() == {"eu-west-1": 1}
    assert {item["replicationRegion"] for item in world.inventory().values()} == {"eu-west-1"}


def test_naming_an_account_deletes_nothing_of_others(world: World) -> None:
    here, there = world.account(), world.account()
    world.servers(here, "us-west-2", 1)
    world.servers(there, "us-west-2", 1)
    world.sync()
    for account in (here, there):
        world.scope(account, "us-west-2").servers.clear()

    world.sync("--account", here)

    assert {item["_queryAccount"] for item in world.inventory().values()} == {there}
    assert world.counts() == {"us-west-2": 1}


def test_a_server_that_changes_its_staging_account_has_one_row(world: World) -> None:
    account = world.account()
    staging = world.account(listed=False)
    server = world.servers(account, "us-west-2", 1)[0]
    world.sync()
    server["stagingArea"] = {
        "status": "EXTENDED",
        "stagingAccountID": staging,
        "stagingSourceServerArn": f"arn:aws:drs:us-west-2:{staging}:source-server/s-0aa11bb22cc33dd44",
    }

    world.sync()

    rows = [item for item in world.items(world.tables.inventory) if item.get("_queryAccount") == account]
    assert [row["stagingAccountId"] for row in rows] == [staging]
    assert rows[0]["sourceServerArn"] == server["arn"]


def test_broken_records_are_reported_and_do_not_affect_the_others(world: World) -> None:
    account = world.account()
    good = world.servers(account, "us-west-2", 2)
    bad: dict[str, Any] = {"sourceServerID": "s-nonsense"}
    world.scope(account, "us-west-2").servers.insert(1, bad)
    bare = {"sourceServerID": "s-0aa11bb22cc33dd44"}
    bare["arn"] = f"arn:aws:drs:us-west-2:{account}:source-server/{bare['sourceServerID']}"
    world.scope(account, "us-west-2").servers.append(bare)

    run = world.sync(code=3)

    assert {server["arn"] for server in good} | {bare["arn"]} == set(world.inventory())
    assert run.report["serversRejected"] == 1
    assert "s-nonsense" in run.err
    assert world.counts() == {"us-west-2": 4}


def test_an_empty_list_of_accounts_is_a_complete_run(world: World) -> None:
    run = world.sync(code=None)

    assert run.code in {0, 2}
    assert world.calls("drs") == []
    assert plain(run.report)
