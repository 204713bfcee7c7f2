"""The row of a region after each inventory sync: counts go up, down and to zero, and failures are told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from service.models import parse_iso, utc_now
from service.sandbox.moto_drs import drs_backends
from tests.support.estate import Estate
from tests.sync.conftest import SMALL_ACTIVE as ACTIVE
from tests.sync.conftest import SMALL_REGIONS as REGIONS

FAILING = {"service": "drs", "operation": "DescribeSourceServers", "times": None, "error": "InternalServerException"}


def row_of(estate: Estate, region: str = ACTIVE) -> tuple[int, str, int, str]:
    """Return the count and the status of a region, and of its scope of A."""
    row = estate.status()[region]
    entry = row["accounts"][estate.names.a]
    return int(row["serverCount"]), row["status"], int(entry["serverCount"]), entry["status"]


def checked(estate: Estate, region: str = ACTIVE) -> tuple[datetime, datetime]:
    """Return when the row and its entry of A say that the region was scanned; the row has whole seconds."""
    row: dict[str, Any] = estate.status()[region]
    times = parse_iso(row["lastChecked"]), parse_iso(row["accounts"][estate.names.a]["lastChecked"])
    assert times[0] is not None
    assert times[1] is not None
    return times[0], times[1]


async def test_the_count_follows_the_servers_up_down_and_to_zero(small: Estate) -> None:
    servers = drs_backends[small.names.a][ACTIVE].source_servers
    await small.sync()
    assert row_of(small) == (2, "ACTIVE", 2, "ACTIVE")
    assert {row_of(small, region) for region in REGIONS[2:3]} == {(0, "NOT_INITIALIZED", 0, "NOT_INITIALIZED")}
    small.add(small.names.a, ACTIVE, servers=3)
    await small.sync()
    assert row_of(small) == (5, "ACTIVE", 5, "ACTIVE")
    for left in (4, 0):
        small.sandbox.remove(small.names.a, ACTIVE, list(servers)[left:])
        report = await small.sync()
        assert (report["status"], row_of(small)) == ("complete", (left, "ACTIVE", left, "ACTIVE"))


async def test_a_failed_scan_is_told_in_the_row_and_dates_it(small: Estate) -> None:
    await small.sync()
    before = checked(small)
    small.faults(fail=[{**FAILING, "status": 500, "region": ACTIVE, "account_id": small.names.a}])
    began = utc_now()
    await small.sync()
    row = small.status()[ACTIVE]
    assert row_of(small) == (2, "ERROR", 2, "ERROR")
    assert row["errorMessage"].startswith(f"{small.names.a}: InternalServerException")
    assert row["accounts"][small.names.a]["errorMessage"].startswith("InternalServerException")
    assert checked(small)[0] >= began.replace(microsecond=0) >= before[0]
    assert checked(small)[1] >= began > before[1]
    small.faults()
    await small.sync()
    row = small.status()[ACTIVE]
    assert row_of(small) == (2, "ACTIVE", 2, "ACTIVE")
    assert not {"errorMessage"} & {*row, *row["accounts"][small.names.a]}


async def test_a_count_without_account_stays_while_a_record_cannot_be_used(small: Estate) -> None:
    """The earlier writer did not say whose servers it counted: they may be those of the account that cannot be read."""
    key = {"accountId": small.names.b}
    accounts = small.table("TARGET_ACCOUNTS_TABLE")
    sound = accounts.get_item(Key=key)["Item"]
    accounts.put_item(Item={**sound, "externalId": "e"})  # STS wants at least two characters
    small.put_status(ACTIVE, serverCount=9, status="ACTIVE")
    await small.sync()
    assert small.counts() == {ACTIVE: 9}
    accounts.put_item(Item=sound)
    await small.sync()
    assert small.counts() == {ACTIVE: 2}
