"""`lastChecked` of the region status rows: the age of the whole inventory, as readers of a single row understand it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.app import open_app
from service.context import SyncRequest
from service.models import Scope, parse_iso
from service.settings import load_settings
from tests.support.sandbox import EngineSandbox

OLD = datetime(2026, 1, 1, tzinfo=UTC)


async def sync_at(sandbox: EngineSandbox, now: datetime, **request: Any) -> dict[str, Any]:
    """Run an inventory sync at a time; each time that the clock is read, 50 ms pass."""
    passed = iter(range(100_000))
    async with open_app(load_settings(), now=lambda: now + timedelta(milliseconds=50 * next(passed))) as app:
        return await app.sync_inventory(SyncRequest(**request))


def checked(sandbox: EngineSandbox) -> dict[str, datetime]:
    """Return `lastChecked` by region."""
    rows = sandbox.status().items()
    return {region: datetime.fromisoformat(row["lastChecked"]) for region, row in rows}


def scanned(sandbox: EngineSandbox) -> dict[tuple[str, str], Any]:
    """Return the time of the last scan by region and account."""
    return {
        (region, account): entry["lastChecked"]
        for region, row in sandbox.status().items()
        for account, entry in row["accounts"].items()
    }


async def test_every_row_is_as_old_as_the_end_of_the_last_sync_and_scans_keep_their_times(
    sandbox: EngineSandbox,
) -> None:
    await sync_at(sandbox, OLD)
    scans = scanned(sandbox)
    later = OLD + timedelta(minutes=15)
    report = await sync_at(sandbox, later)
    assert report["regionsSkipped"]
    started = parse_iso(report["startedAt"])
    assert started is not None
    assert min(checked(sandbox).values()) > started, "rows of regions that were not scanned are as old as the sync"
    after = scanned(sandbox)
    unscanned = {scope for scope, at in after.items() if at == scans[scope]}
    assert {region for region, _ in unscanned} >= set(report["regions"]["skipped"])
    assert all(parse_iso(at) >= started for scope, at in after.items() if scope not in unscanned)  # type: ignore[operator]


async def test_the_rows_of_regions_that_were_not_scanned_are_read_once(sandbox: EngineSandbox) -> None:
    """They were read together; reading each of them again would be a quarter of the calls of a sync."""
    await sync_at(sandbox, OLD)
    received = sandbox.received_calls()
    report = await sync_at(sandbox, OLD + timedelta(minutes=15))
    keys = [call.params["Key"] for call in received.of("dynamodb", "GetItem")]
    for call in received.of("dynamodb", "BatchGetItem"):
        keys += [key for asked in call.params["RequestItems"].values() for key in asked["Keys"]]
    assert report["regionsSkipped"]
    assert {key["region"]["S"] for key in keys if "region" in key} == set(report["regions"]["scanned"])


async def test_a_failed_region_keeps_its_status_and_its_error(sandbox: EngineSandbox) -> None:
    await sync_at(sandbox, OLD)
    sandbox.faults(deny=[{"account_id": each, "region": "us-west-2"} for each in (sandbox.names.a, sandbox.names.b)])
    later = OLD + timedelta(minutes=15)
    report = await sync_at(sandbox, later)
    assert report["status"] == "partial"
    row = sandbox.status()["us-west-2"]
    assert (row["status"], row["serverCount"]) == ("IAM_PERMISSION_DENIED", 8)
    assert "AccessDeniedException" in row["errorMessage"]
    assert min(checked(sandbox).values()) > later


@pytest.mark.parametrize("part", ["accounts", "regions", "excluded_regions", "scopes"])
async def test_a_sync_of_a_part_moves_no_row_that_it_did_not_scan(sandbox: EngineSandbox, part: str) -> None:
    await sync_at(sandbox, OLD)
    before, a = checked(sandbox), sandbox.names.a
    requests: dict[str, dict[str, Any]] = {
        "accounts": {"accounts": (a,)},
        "regions": {"regions": ("us-west-2",)},
        "excluded_regions": {"excluded_regions": ("eu-west-1",)},
        "scopes": {"scopes": (Scope(a, "us-west-2"),)},
    }
    report = await sync_at(sandbox, OLD + timedelta(minutes=15), **requests[part])
    moved = {region for region, at in checked(sandbox).items() if at != before[region]}
    assert moved == set(report["regions"]["scanned"])
    assert moved < set(before)


async def test_a_sync_that_was_cut_short_moves_no_row_that_it_did_not_scan(sandbox: EngineSandbox) -> None:
    await sync_at(sandbox, OLD)
    before = checked(sandbox)
    report = await sync_at(sandbox, OLD + timedelta(minutes=15), remaining_s=0.0)
    assert report["status"] == "failed"
    assert checked(sandbox) == before


async def test_other_syncs_move_no_row(sandbox: EngineSandbox) -> None:
    await sync_at(sandbox, OLD)
    before = checked(sandbox)
    await sandbox.sync_staging()
    async with open_app(load_settings()) as app:
        await app.sync_tags(SyncRequest(), source="manual")
    assert checked(sandbox) == before


async def test_a_row_of_another_writer_is_marked_and_stays_unscanned(sandbox: EngineSandbox) -> None:
    """Our own queries go by the scan: a legacy row that was only marked is no fresher than before."""
    await sync_at(sandbox, OLD)
    sandbox.put_status("sa-east-1", serverCount=0, status="NOT_INITIALIZED")
    sandbox.set(DRS_EXCLUDED_REGIONS="sa-east-1")
    await sync_at(sandbox, OLD + timedelta(minutes=15))
    row = sandbox.status()["sa-east-1"]
    assert checked(sandbox)["sa-east-1"] > OLD + timedelta(minutes=15)
    assert (row["status"], row["accountId"], row["lastScanned"]) == (
        "NOT_INITIALIZED",
        sandbox.names.a,
        "2026-11-20T05:00:00.123456+00:00",
    )


async def test_rows_that_cannot_be_marked_are_a_problem_of_the_run(sandbox: EngineSandbox) -> None:
    await sync_at(sandbox, OLD)
    sandbox.calls()
    await sync_at(sandbox, OLD + timedelta(minutes=15))
    writes = sandbox.calls()["dynamodb", "TransactWriteItems"]
    fault = {"service": "dynamodb", "operation": "TransactWriteItems", "error": "AccessDeniedException", "status": 400}
    sandbox.faults(fail=[{**fault, "from_call": writes, "times": None}])  # the rows are marked after all scans
    report = await sync_at(sandbox, OLD + timedelta(minutes=30))
    assert report["status"] == "partial"
    assert {(each["operation"], each["code"]) for each in report["errors"]} == {
        ("TransactWriteItems", "AccessDeniedException")
    }
