"""`drs-sync regions` and rows of regions that no full scan covers."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from service.models import Shard
from tests.cli.test_command_line import drs_sync
from tests.cli.test_servers import run_json
from tests.support.received_calls import ReceivedCall
from tests.support.sandbox import EngineSandbox


@pytest.fixture
def left_over(sandbox: EngineSandbox) -> EngineSandbox:
    """A sandbox whose table has a mistyped region, one that has servers, and an excluded one."""
    drs_sync("sync", "inventory")
    sandbox.put_status("us-wset-2", serverCount=0, status="ENDPOINT_UNREACHABLE")
    sandbox.put_status("ca-west-1", serverCount=3, status="AVAILABLE")
    sandbox.put_status("ap-east-1", serverCount=0, status="AVAILABLE")
    sandbox.set(DRS_EXCLUDED_REGIONS="ap-east-1")
    sandbox.calls()
    return sandbox


def test_rows_outside_the_catalog_are_shown_by_sync_regions_and_doctor(left_over: EngineSandbox) -> None:
    message = "2 rows of the region status table are of regions that no full scan covers: ca-west-1 (scanned for its 3"
    command = "drs-sync regions drop ca-west-1 us-wset-2"
    body = run_json("regions", exit_code=None)
    assert body["outsideCatalog"] == ["ca-west-1", "us-wset-2"]
    shown = drs_sync("regions", "--output", "table", COLUMNS="400").stdout
    (finding,) = [each for each in run_json("doctor", exit_code=None)["findings"] if command in each["cure"]]
    assert (finding["check"], finding["status"]) == ("region status", "warning")
    report = run_json("sync", "inventory", exit_code=None)
    (warning,) = [each for each in report["warnings"] if each["code"] == "RegionOutsideCatalog"]
    assert "ca-west-1" in report["regions"]["scanned"]
    for text, fix in (
        (body["warnings"][0]["message"], body["warnings"][0]["advice"]),
        (shown, shown),
        (finding["cause"], finding["cure"]),
        (warning["message"], warning["advice"]),
    ):
        assert message in text
        assert command in fix
        assert "DRS_EXTRA_REGIONS" in fix
    left_over.set(DRS_EXTRA_REGIONS="ca-west-1")
    assert run_json("regions", exit_code=None)["outsideCatalog"] == ["us-wset-2"]


async def test_one_shard_of_several_warns_of_rows_outside_the_catalog(left_over: EngineSandbox) -> None:
    reports = [await left_over.sync(shard=Shard(index, 2)) for index in range(2)]
    codes = [{warning["code"] for warning in report["warnings"]} for report in reports]
    assert ["RegionOutsideCatalog" in each for each in codes] == [True, False]


def test_a_row_outside_the_catalog_is_dropped(left_over: EngineSandbox) -> None:
    before = set(left_over.status())
    planned = run_json("regions", "drop", "us-wset-2", "ap-east-1", "us-wset-2", "--dry-run")
    assert [(each["region"], each["status"]) for each in planned["regions"]] == [
        ("us-wset-2", "planned"),
        ("ap-east-1", "planned"),
    ]
    assert set(left_over.status()) == before
    dropped = run_json("regions", "drop", "us-wset-2", "ap-east-1")
    assert {each["status"] for each in dropped["regions"]} == {"dropped"}
    assert set(left_over.status()) == before - {"us-wset-2", "ap-east-1"}
    forced = drs_sync("regions", "--output", "table", "drop", "ca-west-1", "--force")
    assert (forced.returncode, "dropped" in forced.stdout, forced.stdout.startswith("{")) == (0, True, False)
    assert set(left_over.status()) == before - {"us-wset-2", "ap-east-1", "ca-west-1"}
    assert run_json("regions", exit_code=None)["warnings"] == []


@pytest.mark.parametrize(
    ("names", "code", "words"),
    [
        (["us-wset-2", "us-east-1"], "REGION_IN_USE", "us-east-1 is in the catalog"),
        (["us-east-1", "--force"], "REGION_IN_USE", "us-east-1 is in the catalog"),
        (["us-wset-2", "ca-west-1"], "REGION_IN_USE", "3 servers are known in ca-west-1"),
        (
            ["us-wset-2", "us-wset-3"],
            "NOT_FOUND",
            "no row of us-wset-3; rows of regions that no full scan covers: ca-w",
        ),
        ([], "Usage", "NAME"),
    ],
)
def test_nothing_is_dropped_if_one_is_refused(
    left_over: EngineSandbox, names: list[str], code: str, words: str
) -> None:
    before = left_over.status()
    done = drs_sync("regions", "drop", *names)
    refusal: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode, refusal["error"]) == (2, code)
    assert words in refusal["message"]
    assert left_over.status() == before


def test_a_region_that_a_sync_has_just_found_servers_in_is_kept(left_over: EngineSandbox) -> None:
    with left_over.received_calls().holding(_reads_the_row) as hold, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(run_json, "regions", "drop", "us-wset-2", exit_code=2)
        hold.wait()
        left_over.put_status("us-wset-2", serverCount=3, status="AVAILABLE")
        hold.release()
        refusal = answer.result()
    assert (refusal["error"], left_over.status()["us-wset-2"]["serverCount"]) == ("REGION_IN_USE", 3)
    assert "just now" in refusal["message"]


def _reads_the_row(call: ReceivedCall) -> bool:
    return call.operation == "GetItem" and call.params["Key"] == {"region": {"S": "us-wset-2"}}


def test_a_table_that_cannot_be_read_is_a_failure(left_over: EngineSandbox) -> None:
    assert drs_sync("regions", "drop", "us-wset-2", DRS_REGION_STATUS_TABLE="no-such-table").returncode == 1
    assert drs_sync("regions", "drop", "us-wset-2", DRS_REGION_STATUS_TABLE="").returncode == 2
    shown = run_json("regions", exit_code=1, DRS_REGION_STATUS_TABLE="no-such-table")
    assert (shown["error"], "no-such-table" in shown["message"]) == ("RegionStatusUnavailable", True)
    assert "us-wset-2" in left_over.status()
