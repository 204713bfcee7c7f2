"""What the syncs say of regions and savings, and what a staging sync that finds no region status leaves behind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from service.app import open_app
from service.context import SyncRequest
from service.regions.selection import StatusUnavailable
from service.regions.status_writer import RegionStatusTable
from service.settings import load_settings
from service.sync.engine.metrics import figures_of
from service.sync.engine.recording import RegionRecorder
from tests.support.sandbox import FEW_REGIONS, EngineSandbox, Names, new_account_id

QUIET = {"scopesFailed": 0, "scopesToRepair": 0}
STAGED = {"serversNotExtended": 0}  # of a staging sync alone
ACTIVE = ("eu-central-1", "eu-west-1", "sa-east-1", "us-east-1", "us-west-2")


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int | None], EngineSandbox]]:
    """Return a function that starts a sandbox with so many servers in each used scope; None: without any account.

    A has servers in five regions, and a staging account (`apps`) with servers in each; B has some in us-west-2.
    """
    with ExitStack() as stack:

        def start(servers: int | None) -> EngineSandbox:
            names = Names(*(new_account_id() for _ in range(4)))
            return stack.enter_context(EngineSandbox(_fleet(names, servers), names, monkeypatch))

        yield start


@pytest.fixture
def staged(start: Callable[[int | None], EngineSandbox]) -> EngineSandbox:
    """Start a sandbox with one server in each used scope."""
    return start(1)


def _fleet(names: Names, servers: int | None) -> dict[str, Any]:
    regions = {region: {"servers": servers} for region in ACTIVE}
    return {
        "hub": {"account_id": names.hub, "registered": False},
        "tables": {"environment": names.hub[:6]},
        "accounts": []
        if servers is None
        else [
            {"account_id": names.a, "name": "A", "staging_accounts": [names.apps], "regions": regions},
            {"account_id": names.b, "name": "B", "regions": {"us-west-2": {"servers": servers}}},
            {"account_id": names.apps, "kind": "staging", "regions": regions},
        ],
    }


async def sync_tags(sandbox: EngineSandbox) -> dict[str, Any]:
    async with open_app(load_settings()) as app:
        return await app.sync_tags(SyncRequest())


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged as a warning since the last call."""
    found = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    caplog.clear()
    return found


def saved(report: dict[str, Any]) -> tuple[float, float]:
    return report["apiCallReductionPercent"], report["timeSavedSeconds"]


async def test_a_staging_sync_fills_an_empty_status_table_and_the_next_one_is_filtered(staged: EngineSandbox) -> None:
    first = await staged.sync_staging()
    assert (first["status"], first["serversExtended"]) == ("complete", 5)
    assert (first["regionSource"], first["regionsScanned"], saved(first)) == (
        "fallback_table_empty",
        len(FEW_REGIONS),
        (0, 0),
    )
    assert figures_of(first) == {**QUIET, "activeRegionCount": None, "regionsSkipped": None, "fallback": 1, **STAGED}
    rows = staged.status()
    assert set(rows) == set(FEW_REGIONS)
    # The count was read before the servers were extended.
    assert staged.counts() == {**dict.fromkeys(ACTIVE, 1), "us-west-2": 2}
    assert {row["status"] for region, row in rows.items() if region not in ACTIVE} == {"NOT_INITIALIZED"}
    assert all(set(row["accounts"]) == {staged.names.a, staged.names.b} for row in rows.values())
    assert not any("sweepBegan" in row for row in rows.values())
    second = await staged.sync_staging()
    assert (second["regionSource"], tuple(second["regions"]["scanned"])) == ("status_table", ACTIVE)
    assert (second["serversExtended"], figures_of(second)["fallback"]) == (0, 0)
    assert (await staged.sync())["status"] == "complete"
    assert staged.counts() == {**dict.fromkeys(ACTIVE, 2), "us-west-2": 3}


async def test_a_staging_sync_without_status_table_in_memory_reads_what_it_filled(staged: EngineSandbox) -> None:
    staged.set(REGION_STATUS_CACHE_SECONDS="3600")
    async with open_app(load_settings()) as app:
        sources = [(await app.sync_staging(SyncRequest()))["regionSource"] for _ in range(2)]
    assert sources == ["fallback_table_empty", "status_table"]


async def test_a_count_that_a_staging_sync_could_not_read_is_not_recorded(staged: EngineSandbox) -> None:
    failing = {"service": "drs", "operation": "DescribeSourceServers", "region": "eu-west-1", "times": None}
    staged.faults(fail=[{**failing, "error": "InternalServerException", "status": 500}])
    report = await staged.sync_staging()
    assert (report["status"], report["scopes"]["failed"]) == ("partial", 2)
    entries = staged.status()["eu-west-1"]["accounts"]
    assert [entry.get("serverCount") for entry in entries.values()] == [None, None]
    assert {entry["status"] for entry in entries.values()} == {"ERROR"}
    staged.faults()
    again = await staged.sync_staging()
    assert (again["serversExtended"], again["regionSource"]) == (1, "status_table")
    assert "eu-west-1" in again["regions"]["scanned"]


async def test_a_staging_sync_that_was_killed_leaves_the_mark_of_its_full_scan(
    staged: EngineSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(_: RegionRecorder) -> None:
        """End as a run that was killed before its last write."""

    with monkeypatch.context() as patch:
        patch.setattr(RegionRecorder, "finish", killed)
        await staged.sync_staging()
    assert sum("sweepBegan" in row for row in staged.status().values()) == 1
    await staged.sync_staging()
    assert sum("sweepBegan" in row for row in staged.status().values()) == 1  # the inventory sync continues it
    await staged.sync()
    assert not any("sweepBegan" in row for row in staged.status().values())


@pytest.mark.parametrize("request_", [{"dry_run": True}, {"accounts": "A"}])
async def test_a_dry_run_and_a_run_for_one_account_fill_no_table(
    staged: EngineSandbox, request_: dict[str, Any]
) -> None:
    report = await staged.sync_staging(**({"accounts": (staged.names.a,)} if "accounts" in request_ else request_))
    assert (report["regionSource"], saved(report)) == ("fallback_table_empty", (0, 0))
    assert not [row for row in staged.status().values() if any("serverCount" in e for e in row["accounts"].values())]


async def test_a_table_that_is_only_unavailable_is_not_overwritten(
    staged: EngineSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await staged.sync()
    counts = staged.counts()

    async def unavailable(_: RegionStatusTable) -> StatusUnavailable:
        return StatusUnavailable("it could not be read")

    monkeypatch.setattr(RegionStatusTable, "rows", unavailable)
    empty_once = {"service": "drs", "operation": "DescribeSourceServers", "error": "UninitializedAccountException"}
    staged.faults(fail=[{**empty_once, "status": 400, "times": None}])
    report = await staged.sync_staging()
    assert (report["regionSource"], report["serversExtended"]) == ("fallback_table_unavailable", 5)
    assert (saved(report), figures_of(report)["fallback"]) == ((0, 0), 1)
    assert staged.counts() == counts  # scans were requested where servers were extended, and that is all
    assert {row["status"] for row in staged.status().values()} == {"ACTIVE", "NOT_INITIALIZED"}
    assert not any("sweepBegan" in row for row in staged.status().values())


async def test_a_steady_sync_reports_the_active_regions_of_the_table(staged: EngineSandbox) -> None:
    await staged.sync()
    await staged.sync_staging()
    await sync_tags(staged)
    reports = [await staged.sync(), await staged.sync_staging(), await sync_tags(staged)]
    assert reports[1]["serversByRegion"] == {}  # nothing was left to extend
    for report in reports:
        assert tuple(report["regions"]["active"]) == ACTIVE
        assert (report["regionsActive"], figures_of(report)["activeRegionCount"]) == (5, 5)
        assert figures_of(report)["fallback"] == 0
    requested = await staged.sync_staging(regions=("us-west-2",))
    assert figures_of(requested)["activeRegionCount"] == 5


async def test_scopes_without_work_are_skipped_and_not_saved(staged: EngineSandbox) -> None:
    await staged.sync()
    await staged.sync_staging()
    report = await staged.sync_staging()
    # A has a staging account, so a full scan would scan its two other regions too, and of B only the active one.
    assert report["scopes"] == {"asked": 14, "complete": 6, "partial": 0, "skipped": 8, "failed": 0, "discovery": 0}
    assert report["apiCallsFullScan"] == report["drsCalls"] + 2


async def test_an_estate_without_servers_needs_no_full_scan_and_rings_nothing(
    start: Callable[[int | None], EngineSandbox], caplog: pytest.LogCaptureFixture
) -> None:
    empty = start(0)
    caplog.set_level(logging.INFO)
    await empty.sync()
    warnings_of(caplog)
    empty.calls()
    staging = await empty.sync_staging()
    assert (staging["status"], staging["regionSource"]) == ("complete", "status_table_none_active")
    assert (staging["regionsScanned"], staging["drsCalls"]) == (0, 0)
    assert figures_of(staging) == {
        **QUIET,
        "activeRegionCount": 0,
        "regionsSkipped": len(FEW_REGIONS),
        "fallback": 0,
        **STAGED,
    }
    tags = await sync_tags(empty)
    assert (tags["status"], tags["regionSource"], tags["regionsScanned"]) == (
        "complete",
        "full_scan_none_active",
        len(FEW_REGIONS),
    )
    assert figures_of(tags) == {**QUIET, "activeRegionCount": 0, "regionsSkipped": None, "fallback": 0}
    assert saved(tags) == (0, 0)
    assert warnings_of(caplog) == []


async def test_an_estate_without_accounts_is_no_fallback(start: Callable[[int | None], EngineSandbox]) -> None:
    hub_only = start(None)
    for report in (await hub_only.sync(), await hub_only.sync_staging(), await sync_tags(hub_only)):
        assert (report["scopes"]["asked"], figures_of(report)["fallback"]) == (0, 0)
