"""The row of a region after each inventory sync: counts go up, down and to zero, and failures are told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from service.models import parse_iso, utc_now
from service.sandbox.moto_drs import drs_backends
from tests.support.sandbox import EngineSandbox
from tests.sync.conftest import SMALL_ACTIVE as ACTIVE
from tests.sync.conftest import SMALL_REGIONS as REGIONS


def row_of(sandbox: EngineSandbox, region: str = ACTIVE) -> tuple[int, str, int, str]:
    """Return the count and the status of a region, and of its scope of A."""
    row = sandbox.status()[region]
    entry = row["accounts"][sandbox.names.a]
    return int(row["serverCount"]), row["status"], int(entry["serverCount"]), entry["status"]


def checked(sandbox: EngineSandbox, region: str = ACTIVE) -> tuple[datetime, datetime]:
    """Return when the row and its entry of A say that the region was scanned; the row has whole seconds."""
    row: dict[str, Any] = sandbox.status()[region]
    times = parse_iso(row["lastChecked"]), parse_iso(row["accounts"][sandbox.names.a]["lastChecked"])
    assert times[0] is not None
    assert times[1] is not None
    return times[0], times[1]


async def test_the_count_follows_the_servers_up_down_and_to_zero(small: EngineSandbox) -> None:
    servers = drs_backends[small.names.a][ACTIVE].source_servers
    await small.sync()
    assert row_of(small) == (2, "ACTIVE", 2, "ACTIVE")
    assert {row_of(small, region) for region in REGIONS[2:3]} == {(0, "NOT_INITIALIZED", 0, "NOT_INITIALIZED")}
    small.add(small.names.a, ACTIVE, servers=3)
    await small.sync()
    assert row_of(small) == (5, "ACTIVE", 5, "ACTIVE")
    for left in (4, 0):
        small.server.remove(small.names.a, ACTIVE, list(servers)[left:])
        report = await small.sync()
        assert (report["status"], row_of(small)) == ("complete", (left, "ACTIVE", left, "ACTIVE"))


@pytest.mark.parametrize("service", ["drs", "sts"])
async def test_a_failed_scan_is_told_in_the_row_and_dates_it(service: str, small: EngineSandbox) -> None:
    """Be it DRS that denies the call, or STS that denies the role."""
    await small.sync()
    before = checked(small)
    operation = "DescribeSourceServers" if service == "drs" else "AssumeRole"
    code = "AccessDeniedException" if service == "drs" else "AccessDenied"
    denied = {"account_id": small.names.a, "region": ACTIVE} if service == "drs" else {"account_id": small.names.hub}
    small.faults(deny=[{"service": service, "operations": [operation], **denied}])
    began = utc_now()
    report = await small.sync()
    assert (report["status"], report["regions"]["failed"]) == ("failed", [ACTIVE])
    assert row_of(small) == (2, "IAM_PERMISSION_DENIED", 2, "IAM_PERMISSION_DENIED")
    row = small.status()[ACTIVE]
    assert row["errorMessage"].startswith(f"{small.names.a}: {code}")
    assert row["accounts"][small.names.a]["errorMessage"].startswith(code)
    assert checked(small)[0] >= began.replace(microsecond=0) >= before[0].replace(microsecond=0)
    assert checked(small)[1] >= began > before[1]
    small.faults()
    await small.sync()
    row = small.status()[ACTIVE]
    assert row_of(small) == (2, "ACTIVE", 2, "ACTIVE")
    assert not {"errorMessage"} & {*row, *row["accounts"][small.names.a]}


async def test_what_may_be_of_an_account_whose_record_cannot_be_read_stays(small: EngineSandbox) -> None:
    """Its id is mistyped, so the record does not say whose entries and servers are not those of a removed account."""
    accounts = small.table("TARGET_ACCOUNTS_TABLE")
    await small.sync()
    small.put_status(ACTIVE, serverCount=9, status="ACTIVE")  # of an earlier writer, which counts without an account
    sound = accounts.get_item(Key={"accountId": small.names.b})["Item"]
    accounts.delete_item(Key={"accountId": small.names.b})
    accounts.put_item(Item={**sound, "accountId": small.names.b[1:]})
    report = await small.sync()
    assert [error["code"] for error in report["errors"]] == ["InvalidAccountRecord"]
    assert small.counts() == {ACTIVE: 9}
    assert small.names.b in small.status()["eu-west-1"]["accounts"]
    accounts.put_item(Item=sound)
    accounts.delete_item(Key={"accountId": small.names.b[1:]})
    await small.sync()
    assert small.counts() == {ACTIVE: 2}


async def test_the_inventory_has_what_drs_shows_now(small: EngineSandbox) -> None:
    """A change is written, a new server too, one that left is removed, and what is as it was is not written again."""
    shown = drs_backends[small.names.a][ACTIVE].source_servers

    def assert_true(report: dict[str, Any]) -> None:
        items = {item["sourceServerArn"]: item for item in small.items()}
        records = {server.arn: server.record for server in shown.values()}
        assert items.keys() == records.keys()
        for arn, record in records.items():
            assert items[arn]["tags"].items() >= record["tags"].items()  # beside those of the instance
            state = record["dataReplicationInfo"]["dataReplicationState"]
            assert items[arn]["replicationState"] == items[arn]["dataReplicationInfo"]["dataReplicationState"] == state
            assert items[arn]["sourceProperties"]["cpus"] == record["sourceProperties"]["cpus"]
        assert report["serversByRegion"] == {ACTIVE: len(records)}

    assert_true(await small.sync(regions=(ACTIVE,)))
    changed, left = shown.values()
    changed.record["tags"]["team"] = "payments"
    changed.record["dataReplicationInfo"]["dataReplicationState"] = "STALLED"
    small.server.remove(small.names.a, ACTIVE, [left.record["sourceServerID"]])
    small.add(small.names.a, ACTIVE, servers=1)
    for counts in ((2, 0, 1), (0, 2, 0)):
        report = await small.sync(regions=(ACTIVE,))
        assert_true(report)
        assert tuple(report[f"servers{name}"] for name in ("Written", "Unchanged", "Removed")) == counts
