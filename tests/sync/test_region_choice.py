"""Which regions each sync scans, and what the log and the metrics say of that and of the calls that it saved."""

from __future__ import annotations

import json
import logging
from collections import Counter
from typing import Any, Final

import anyio
import pytest

from service.app import open_app
from service.context import SyncRequest
from service.settings import load_settings
from tests.support.loop_clock import LoopClock
from tests.support.sandbox import EngineSandbox
from tests.sync.conftest import SMALL_ACTIVE as ACTIVE
from tests.sync.conftest import SMALL_REGIONS as REGIONS

SYNCS: Final = {
    "inventory": "sync_source_server_inventory",
    "staging": "sync_staging_accounts",
    "tags": "sync_tags",
}
# Scopes of the other regions. B has no staging accounts, so that a staging sync would have nothing to do there.
SAVED: Final = {"inventory": 7, "staging": 3, "tags": 7}

Line = dict[str, Any]


async def run_sync(sync: str, *, runs: int = 1) -> list[dict[str, Any]]:
    """Run a sync so many times in one process; return the reports."""
    async with open_app(load_settings()) as app:
        syncs = {"inventory": app.sync_inventory, "staging": app.sync_staging, "tags": app.sync_tags}
        return [await syncs[sync](SyncRequest()) for _ in range(runs)]


def lines(caplog: pytest.LogCaptureFixture) -> dict[str, Line]:
    """Return the log lines since the last call, by message; those of one message must be one."""
    counted = Counter(record.getMessage() for record in caplog.records)
    found = {record.getMessage(): vars(record) for record in caplog.records}
    caplog.clear()
    assert {counted["regions chosen"], counted["sync finished"]} == {1}
    return found


def scanned(sandbox: EngineSandbox) -> tuple[set[tuple[str, str]], int, int]:
    """Return the scopes whose DRS was called since the last call, the number of these calls, and that of all calls."""
    every_call = sandbox.server.calls()
    calls = [call for call in every_call if call.service == "drs"]
    sandbox.server.clear_calls()
    scopes = {(call.account, call.region) for call in calls}
    return scopes, sum(call.count for call in calls), sum(call.count for call in every_call)


def metrics(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the only metrics that were written since the last call."""
    (document,) = [json.loads(line) for line in capsys.readouterr().err.splitlines() if '"_aws"' in line]
    return dict(document)


@pytest.mark.parametrize("sync", SYNCS)
async def test_a_filtered_sync_calls_active_regions_only_and_logs_what_that_saved(
    sync: str,
    small: EngineSandbox,
    loop_clock: LoopClock,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await run_sync("inventory")
    small.latency(loop_clock, drs=1000)  # times are rounded, so that a quick run would save none
    caplog.set_level(logging.INFO, logger="service")
    scanned(small)
    metrics(capsys)
    caplog.clear()
    began = anyio.current_time()
    (report,) = await run_sync(sync)
    elapsed_s = anyio.current_time() - began
    scopes, calls, all_calls = scanned(small)
    assert scopes == {(small.names.a, ACTIVE)}
    found = lines(caplog)
    chosen, finished = found["regions chosen"], found["sync finished"]
    assert (chosen["levelname"], chosen["operation"], chosen["regionSource"]) == ("INFO", SYNCS[sync], "status_table")
    assert (chosen["activeRegions"], chosen["regions"], chosen["regionsSkipped"]) == (
        1,
        1,
        3,
    )
    assert chosen["reason"] == f"1 of {len(REGIONS)} regions in the table have servers"
    assert (finished["operation"], finished["status"]) == (SYNCS[sync], "complete")
    assert (finished["regionsActive"], finished["regionsScanned"], finished["regionsSkipped"]) == (1, 1, 3)
    saved = SAVED[sync]
    assert (finished["drsCalls"], finished["apiCallsFullScan"]) == (calls, calls + saved)
    lock = 2 if sync == "tags" else 0  # the lock is taken before the run begins, and released after it
    record = 1  # of the run, written after its report
    assert finished["apiCallsTotal"] == all_calls - lock - record > calls
    assert finished["apiCallReductionPercent"] == round(100 * saved / (calls + saved), 1)
    assert finished["serversByRegion"] == {ACTIVE: 1 if sync == "staging" else 2}
    assert 0 < finished["durationSeconds"] <= elapsed_s
    assert finished["timeSavedSeconds"] > 0
    assert finished["timeSavedSeconds"] == report["timeSavedSeconds"]
    published = metrics(capsys)
    assert (published["Operation"], published["FullScanFallbacks"]) == (SYNCS[sync], 0)
    assert (published["ActiveRegionCount"], published["RegionsScanned"], published["RegionsSkipped"]) == (1, 1, 3)
    for name, member in (
        ("APICallReduction", "apiCallReductionPercent"),
        ("ApiCallsMade", "apiCallsTotal"),
        ("SyncDuration", "durationSeconds"),
        ("SyncTimeSaved", "timeSavedSeconds"),
    ):
        assert published[name] == finished[member] > 0


@pytest.mark.parametrize("sync", SYNCS)
@pytest.mark.parametrize("table", ["empty", "missing"])
async def test_without_region_status_every_region_is_scanned_with_a_warning(
    sync: str, table: str, small: EngineSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    if table == "missing":
        small.set(DRS_REGION_STATUS_TABLE="no-such-table")
    caplog.set_level(logging.INFO, logger="service")
    (report,) = await run_sync(sync)
    scopes = scanned(small)[0]
    all_of_a = {(small.names.a, region) for region in REGIONS}
    # Of an unreadable table the staging sync does not count the servers of B, which has no staging accounts.
    is_left_out = sync == "staging" and table != "empty"
    assert scopes == all_of_a | (set() if is_left_out else {(small.names.b, region) for region in REGIONS}) | (
        {(small.names.apps, ACTIVE)} & scopes
    )
    found = lines(caplog)
    chosen, finished = found["regions chosen"], found["sync finished"]
    source = "fallback_table_empty" if table == "empty" else "fallback_table_unavailable"
    assert (chosen["levelname"], chosen["operation"], chosen["regionSource"]) == ("WARNING", SYNCS[sync], source)
    words = {"empty": "is empty", "missing": "ResourceNotFoundException"}
    assert words[table] in chosen["reason"]
    assert (chosen["activeRegions"], chosen["regions"], chosen["regionsSkipped"]) == (None, len(REGIONS), 0)
    assert (finished["regionsScanned"], finished["regionsSkipped"]) == (len(REGIONS), 0)
    assert (finished["apiCallReductionPercent"], finished["timeSavedSeconds"]) == (0, 0)
    assert report["scopes"]["failed"] == report["scopes"]["partial"] == 0


@pytest.mark.parametrize("sync", SYNCS)
async def test_a_fallback_fills_the_status_table_and_the_next_sync_is_filtered(sync: str, small: EngineSandbox) -> None:
    first, second = await run_sync(sync, runs=2)
    rows = small.status()
    assert {region: (row["serverCount"], row["status"]) for region, row in rows.items()} == {
        **dict.fromkeys(REGIONS, (0, "NOT_INITIALIZED")),
        "eu-west-1": (0, "ACTIVE"),
        ACTIVE: (2, "ACTIVE"),
    }
    assert (first["regionSource"], first["regionsScanned"]) == ("fallback_table_empty", len(REGIONS))
    assert (second["regionSource"], second["regions"]["scanned"]) == ("status_table", [ACTIVE])


@pytest.mark.parametrize("sync", SYNCS)
async def test_rows_of_which_none_is_active(sync: str, small: EngineSandbox, caplog: pytest.LogCaptureFixture) -> None:
    """The tag sync scans every region, which is no fallback; the others leave that to discovery."""
    for region in REGIONS:
        small.put_status(region, serverCount=0, status="ACTIVE", lastChecked="2026-11-20T05:00:00Z")
    caplog.set_level(logging.INFO, logger="service")
    (report,) = await run_sync(sync)
    found = lines(caplog)
    chosen = found["regions chosen"]
    assert (chosen["levelname"], chosen["activeRegions"]) == ("INFO", 0)
    if sync == "tags":
        assert (report["regionSource"], report["regionsScanned"]) == ("full_scan_none_active", len(REGIONS))
        assert scanned(small)[0] == {
            (account, region) for account in (small.names.a, small.names.b) for region in REGIONS
        }
    else:
        assert report["regionSource"] == "status_table_none_active"
        assert report["regionsScanned"] == {"staging": 0, "inventory": 1}[sync]
