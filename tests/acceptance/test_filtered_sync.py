"""Regions that a filtered sync scans, and the calls that it saves."""

from __future__ import annotations

import os

import pytest

from tests.support.received_calls import ReceivedCalls
from tests.support.sandbox import EVERY_REGION, EngineSandbox

REGIONS = ("us-west-2", "eu-west-1", "sa-east-1", "ap-south-1", "me-south-1", "us-east-1")
ONE = {"servers": 1}


@pytest.mark.deep
async def test_filtered_syncs_save_four_fifths_and_find_a_region_that_becomes_active(
    sandbox: EngineSandbox, received: ReceivedCalls, caplog: pytest.LogCaptureFixture
) -> None:
    """Eight runs are two hours of the schedule: by then every scope was scanned again."""
    caplog.set_level("INFO", logger="service.context")
    sandbox.everywhere()
    sandbox.set(TOPOLOGY_READS_PER_SCOPE="100")
    accounts = [
        sandbox.add_account(regions={"us-west-2": ONE, **({"eu-west-1": ONE} if number % 2 else {})})
        for number in range(2)
    ]
    everything = {(account, region) for account in accounts for region in EVERY_REGION}
    await sandbox.sync()
    assert received.scopes() == everything
    sandbox.add(accounts[0], "ap-south-1", servers=2)
    scanned: set[tuple[str, str]] = set()
    runs_until_found = 0

    for number in range(1, 9):
        received.clear()
        caplog.clear()
        report = await sandbox.sync()
        calls = received.of("drs")
        assert len(calls) == sum(report["apiCalls"]["drs"].values()) == report["drsCalls"]
        if not report["serversWritten"]:  # the details of new servers are read once
            assert {call.operation for call in calls} == {"DescribeSourceServers"}
            assert len(calls) <= 0.2 * len(everything), f"run {number}"
            reduction = 100 * (1 - len(calls) / len(everything))
            assert report["apiCallReductionPercent"] == pytest.approx(reduction, abs=0.1)
            assert reduction >= 80
        (chosen,) = [vars(record) for record in caplog.records if record.message == "regions chosen"]
        listed = {call.scope for call in received.of("drs", "DescribeSourceServers")}
        assert (chosen["regionSource"], chosen["scopes"]) == ("status_table", len(listed))
        assert chosen["activeScopes"] == 3 + (1 if runs_until_found else 0)
        assert chosen["activeScopes"] + chosen["discoveryScopes"] + chosen["scopesSkipped"] == len(everything)
        scanned |= listed
        if "ap-south-1" in sandbox.counts():
            runs_until_found = runs_until_found or number

    assert runs_until_found
    assert sandbox.counts() == {"us-west-2": 2, "eu-west-1": 1, "ap-south-1": 2}
    assert len(sandbox.items()) == 5
    assert scanned == everything


async def test_rows_without_any_active_region_are_not_an_empty_table(
    sandbox: EngineSandbox, received: ReceivedCalls
) -> None:
    sandbox.add_account()
    await sandbox.sync()
    assert set(sandbox.status()) == set(REGIONS)
    received.clear()

    report = await sandbox.sync()

    assert 0 < report["scopes"]["discovery"] == len(received.of("drs")) < len(REGIONS)
    assert report["regionSource"] == "status_table_none_active"


async def test_filter_works_per_account_and_region(sandbox: EngineSandbox, received: ReceivedCalls) -> None:
    here, there = (sandbox.add_account(regions={region: ONE}) for region in ("us-west-2", "eu-west-1"))
    await sandbox.sync()
    received.clear()

    scopes = (await sandbox.sync())["scopes"]

    scanned = received.scopes()
    assert {(here, "us-west-2"), (there, "eu-west-1")} <= scanned
    assert len(scanned) == 2 + scopes["discovery"] < 2 * len(REGIONS) / 2
    assert scopes["complete"] - scopes["discovery"] == 2


async def test_status_table_is_read_to_its_last_page(sandbox: EngineSandbox, received: ReceivedCalls) -> None:
    active = ("ap-south-1", "us-west-2", "sa-east-1")
    table = sandbox.table("DRS_REGION_STATUS_TABLE")
    for number in range(40):  # a page has 1 MB at most, and what was put first comes first
        strange = {"region": f"xx-nowhere-{number}", "serverCount": 0, "status": "ERROR", "note": "x" * 60_000}
        table.put_item(Item=strange)
    sandbox.add_account(regions=dict.fromkeys(active, ONE))
    await sandbox.sync(full_scan=True)
    received.clear()

    report = await sandbox.sync()

    assert report["regionSource"] == "status_table"
    assert report["serversByRegion"] == dict.fromkeys(active, 1)
    scans = [call for call in received.of("dynamodb", "Scan") if call.params["TableName"] == table.name]
    assert len({str(call.params.get("ExclusiveStartKey")) for call in scans}) == 3


async def test_only_material_changes_are_written(sandbox: EngineSandbox) -> None:
    account = sandbox.add_account(regions={"us-west-2": {"servers": 2}})
    await sandbox.sync()
    still, moved = sandbox.records(account, "us-west-2")
    for record in (still, moved):
        record["dataReplicationInfo"]["lagDuration"] = "PT3M"
        record["lifeCycle"] |= {
            "lastSeenByServiceDateTime": "2026-11-23T12:00:00Z",
            "elapsedReplicationDuration": "P2D",
        }
    moved["dataReplicationInfo"]["dataReplicationState"] = "STALLED"

    report = await sandbox.sync()

    assert report["serversWritten"] == 1
    items = {item["sourceServerArn"]: item for item in sandbox.items()}
    assert items[moved["arn"]]["replicationState"] == "STALLED"
    assert items[still["arn"]]["lastUpdated"] < items[moved["arn"]]["lastUpdated"] == report["startedAt"]


async def test_regions_that_an_account_has_not_enabled(sandbox: EngineSandbox) -> None:
    """A region that is switched off rejects the credentials as invalid; other regions accept them."""
    opt_in = ("af-south-1", "il-central-1", "me-south-1")
    sandbox.set(DRS_REGIONS=" ".join((*REGIONS, *opt_in)))
    account = sandbox.add_account(regions={"us-west-2": ONE}, regions_off=opt_in)

    report = await sandbox.sync()

    assert report["status"] == "complete", "regions that are off by intent are no failure"
    rows = sandbox.status()
    assert {rows[region]["accounts"][account]["status"] for region in opt_in} == {"REGION_NOT_ENABLED"}
    assert sandbox.counts() == {"us-west-2": 1}


async def test_a_region_may_be_left_out_for_once(sandbox: EngineSandbox, received: ReceivedCalls) -> None:
    sandbox.set(DRS_REGIONS="us-west-2 eu-west-1")
    account = sandbox.add_account(regions={"us-west-2": ONE, "eu-west-1": ONE})
    await sandbox.sync()
    for region in ("us-west-2", "eu-west-1"):
        sandbox.add(account, region, servers=1)
    received.clear()

    report = await sandbox.sync(excluded_regions=("us-west-2",))

    assert received.scopes() == {(account, "eu-west-1")}
    assert report["regions"]["scanned"] == ["eu-west-1"]
    assert sandbox.counts() == {"us-west-2": 1, "eu-west-1": 2}


async def test_what_was_never_scanned_is_found_in_turn(sandbox: EngineSandbox, received: ReceivedCalls) -> None:
    """A first run that was requested for one scope only leaves a table that is not empty."""
    here, _ = (sandbox.add_account(regions={"us-west-2": ONE, "me-south-1": ONE}) for _ in range(2))
    await sandbox.sync(accounts=(here,), regions=("us-west-2",))
    assert received.scopes() == {(here, "us-west-2")}
    runs = 0

    while len(sandbox.items()) < 4:
        runs += 1
        assert runs <= 8
        await sandbox.sync()

    assert sandbox.counts() == {"us-west-2": 2, "me-south-1": 2}
    assert set(os.environ["DRS_REGIONS"].split()) == set(REGIONS)
