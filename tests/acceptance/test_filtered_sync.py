"""Regions that a filtered sync scans, and the calls that it saves."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.endpoint import OPT_IN_REGIONS, REGIONS, table_denied
from tests.acceptance.world import World


def test_filtered_syncs_save_four_fifths_and_find_a_region_that_becomes_active(world: World) -> None:
    """Eight runs are two hours of the schedule: by then every scope was scanned again."""
    accounts = [world.account() for _ in range(4)]
    for number, account in enumerate(accounts):
        world.servers(account, "us-west-2", 2)
        if number % 2:
            world.servers(account, "eu-west-1", 1)
    world.sync()
    late = world.servers(accounts[2], "ap-south-1", 2)
    scanned: set[tuple[str, str]] = set()
    runs_until_found = 0

    for number in range(1, 9):
        run = world.sync()
        calls = world.calls("drs")
        assert len(calls) == sum(run.report["apiCalls"]["drs"].values()) == run.report["drsCalls"]
        if {call.operation for call in calls} == {"DescribeSourceServers"}:
            assert len(calls) <= 0.2 * 4 * len(REGIONS), f"run {number}: {len(calls)} calls"
            assert run.report["apiCallReductionPercent"] >= 80
            assert run.report["apiCallReductionPercent"] == pytest.approx(
                100 * (1 - len(calls) / (4 * len(REGIONS))), abs=2
            )
        scanned |= {(call.account, call.region) for call in calls}
        if "ap-south-1" in world.counts():
            runs_until_found = runs_until_found or number

    assert runs_until_found
    assert world.counts()["ap-south-1"] == 2
    assert {server["arn"] for server in late} <= set(world.inventory())
    assert scanned == {(account, region) for account in accounts for region in REGIONS}


def test_full_scan_scans_all(world: World) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 1)
    world.sync()
    world.servers(account, "sa-east-1", 1)

    report = world.sync("--full-scan").report

    assert (report["regionsScanned"], report["regionsSkipped"]) == (len(REGIONS), 0)
    assert world.counts() == {"us-west-2": 1, "sa-east-1": 1}


def test_rows_without_any_active_region_are_not_an_empty_table(world: World) -> None:
    world.account()
    world.sync()
    assert set(world.status()) == set(REGIONS)

    report = world.sync().report

    assert 0 < report["scopes"]["discovery"] == len(world.calls("drs")) <= 6
    assert "fallback" not in report["regionSource"]


def test_filter_works_per_account_and_region(world: World) -> None:
    here, there = world.account(), world.account()
    world.servers(here, "us-west-2", 1)
    world.servers(there, "eu-west-1", 1)
    world.sync()

    scopes = world.sync().report["scopes"]

    scanned = {(call.account, call.region) for call in world.calls("drs")}
    assert {(here, "us-west-2"), (there, "eu-west-1")} <= scanned
    assert scopes["complete"] - scopes["discovery"] == 2


@pytest.mark.parametrize("problem", ["missing", "unset", "denied", "slow"])
def test_status_table_problem_falls_back_to_all_regions_with_a_warning(world: World, problem: str) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 1)
    settings: dict[str, Any] = {"REGION_STATUS_TIMEOUT_SECONDS": "1"}
    if problem == "missing":
        settings["DRS_REGION_STATUS_TABLE"] = "no-such-table"
    elif problem == "unset":
        settings["DRS_REGION_STATUS_TABLE"] = "<unset>"
    elif problem == "denied":
        world.aws.table_faults[world.tables.status, "Scan"] = table_denied
    else:
        world.aws.slow_tables.add(world.tables.status)

    run = world.sync(code=None, **settings)

    assert run.report["regionsScanned"] == len(REGIONS), run.err
    assert run.report["serversSynced"] == 1
    assert "fallback" in run.report["regionSource"]
    assert run.report["regionReason"]
    assert "WARNING" in run.err
    assert set(world.inventory())
    # The table could not be read but may be writable, and then the run is complete.
    assert run.code in ({0} if problem in {"denied", "slow", "unset"} else {0, 3}), run.out


def test_status_table_is_read_to_its_last_page(world: World) -> None:
    account = world.account()
    for region in ("ap-south-1", "us-west-2", "sa-east-1"):
        world.servers(account, region, 1)
    world.sync()
    world.aws.scan_page[world.tables.status] = 5
    for number in range(40):
        world.put(world.tables.status, {"region": f"xx-nowhere-{number}", "serverCount": 0, "status": "ERROR"})

    report = world.sync().report

    assert report["regionSource"] == "status_table"
    assert report["serversByRegion"] == {"ap-south-1": 1, "us-west-2": 1, "sa-east-1": 1}
    scans = [call for call in world.calls("dynamodb", "Scan") if call.table == world.tables.status]
    assert len(scans) >= 13


def test_only_material_changes_are_written(world: World) -> None:
    account = world.account()
    still, moved = world.servers(account, "us-west-2", 2)
    world.sync()
    for server in (still, moved):
        server["dataReplicationInfo"]["lagDuration"] = "PT3M"
        server["lifeCycle"]["lastSeenByServiceDateTime"] = "2026-11-23T12:00:00Z"
        server["lifeCycle"]["elapsedReplicationDuration"] = "P267D"
    moved["dataReplicationInfo"]["dataReplicationState"] = "STALLED"

    report = world.sync().report

    assert report["serversWritten"] == 1
    items = world.inventory()
    assert items[moved["arn"]]["replicationState"] == "STALLED"
    assert items[still["arn"]]["lastUpdated"] < items[moved["arn"]]["lastUpdated"]


def test_regions_that_an_account_has_not_enabled(world: World) -> None:
    """A region that is switched off rejects the credentials as invalid; other regions accept them."""
    account = world.account()
    world.servers(account, "us-west-2", 1)
    for region in OPT_IN_REGIONS:
        world.scope(account, region).enabled = False

    run = world.sync(code=None)

    rows = world.status()
    words = {rows[region]["accounts"][account]["status"] for region in OPT_IN_REGIONS}
    assert words <= {"REGION_NOT_ENABLED", "REGION_NOT_OPTED_IN"}
    assert world.counts() == {"us-west-2": 1}
    assert run.code == 0, "regions that are off by intent are no failure"


def test_accounts_and_regions_may_be_named(world: World) -> None:
    here, there = world.account(), world.account()
    for account in (here, there):
        world.servers(account, "us-west-2", 1)
        world.servers(account, "eu-west-1", 1)

    report = world.sync("--account", here, "--region", "us-west-2", "--region", "sa-east-1").report

    assert {(call.account, call.region) for call in world.calls("drs")} == {(here, "us-west-2"), (here, "sa-east-1")}
    assert report["serversSynced"] == 1
    assert world.counts() == {"us-west-2": 1}


def test_a_region_may_be_left_out_for_once(world: World) -> None:
    world.settings["DRS_REGIONS"] = "us-west-2 eu-west-1"
    account = world.account()
    for region in ("us-west-2", "eu-west-1"):
        world.servers(account, region, 1)
    world.sync()
    for region in ("us-west-2", "eu-west-1"):
        world.servers(account, region, 1, first=2)

    report = world.sync("--exclude-region", "us-west-2").report

    assert {call.region for call in world.calls("drs")} == {"eu-west-1"}
    assert report["regions"]["scanned"] == ["eu-west-1"]
    assert world.counts() == {"us-west-2": 1, "eu-west-1": 2}


def test_what_was_never_scanned_is_found_in_turn(world: World) -> None:
    """A first run that was requested for one scope only leaves a table that is not empty."""
    here, there = world.account(), world.account()
    for account in (here, there):
        world.servers(account, "us-west-2", 1)
        world.servers(account, "me-south-1", 1)
    world.sync("--account", here, "--region", "us-west-2")
    runs = 0

    while len(world.inventory()) < 4:
        runs += 1
        assert runs <= 8
        world.sync()

    assert world.counts() == {"us-west-2": 2, "me-south-1": 2}
