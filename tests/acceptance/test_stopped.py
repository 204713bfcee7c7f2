"""A run that is told to stop, or whose time is up, ends early with a correct report; the next run does the rest."""

from __future__ import annotations

import io
import json
import signal
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import anyio
import pytest

from service.app import open_app
from service.cli.main import run
from service.context import SyncRequest
from service.settings import load_settings
from tests.acceptance.processes import Ended, finish, populate
from tests.support.command import start
from tests.support.loop_clock import LoopClock
from tests.support.received_calls import ReceivedCall, ReceivedCalls
from tests.support.sandbox import EngineSandbox
from tests.support.table_state import clean_state, state

WEST = "us-west-2"


def is_listing(call: ReceivedCall) -> bool:
    return call.operation == "DescribeSourceServers"


def stopped(received: ReceivedCalls, scans: int, number: int, *arguments: str) -> Ended:
    """Send a signal to a run at the scan after that many scans."""
    with received.holding(is_listing, after=scans) as held:
        process = start("sync", *arguments)
        held.wait()
        process.send_signal(number)
        return finish(process)


@pytest.mark.parametrize(
    ("scans", "number"),
    [
        pytest.param(0, signal.SIGTERM, marks=pytest.mark.deep),
        (5, signal.SIGINT),
        pytest.param(15, signal.SIGTERM, marks=pytest.mark.deep),
    ],
)
async def test_a_sync_that_is_told_to_stop_shows_what_it_has_done(
    scans: int, number: int, sandbox: EngineSandbox, received: ReceivedCalls
) -> None:
    populate(sandbox, many=27)
    ended = stopped(received, scans, number, "inventory")
    report = ended.report
    assert ended.code == {"partial": 3, "failed": 1}[report["status"]]
    scopes = report["scopes"]
    assert scopes["asked"] == sum(scopes[each] for each in ("complete", "partial", "skipped", "failed"))
    assert scopes["failed"] >= 1
    assert {error["code"] for error in report["errors"]} == {"DeadlineExceeded"}
    assert all("told to stop" in error["message"] for error in report["errors"])
    assert report["serversSynced"] == len(sandbox.items())
    assert sandbox.counts() == report["serversByRegion"]

    await sandbox.sync()

    assert state(sandbox) == await clean_state(sandbox)


def test_a_run_of_all_syncs_that_is_told_to_stop_names_those_it_did_not_begin(
    sandbox: EngineSandbox, received: ReceivedCalls
) -> None:
    accounts = populate(sandbox, many=3)
    by_staging = len(accounts) * 6  # it comes first
    ended = stopped(received, by_staging + 3, signal.SIGTERM, "all")
    assert (ended.code, ended.report["status"], ended.report["notRun"]) == (3, "partial", ["tags"])
    assert ended.report["reports"]["staging"]["errors"] == []  # it was not cut short
    assert ended.report["reports"]["inventory"]["status"] in {"partial", "failed"}


async def all_is_quiet(received: ReceivedCalls) -> None:
    """Wait until no call was made in fifty turns of the event loop."""
    before, turns = -1, 0
    while turns < 50:
        turns = turns + 1 if before == received.count() else 0
        before = received.count()
        await anyio.sleep(0.02)


@pytest.mark.parametrize("job", ["inventory", "tags"])
async def test_a_time_limit_ends_a_run_with_a_true_report(
    job: str, sandbox: EngineSandbox, received: ReceivedCalls, loop_clock: LoopClock
) -> None:
    """The event loop's clock jumps to the limit once nothing but one region is left."""
    populate(sandbox, many=3)
    await sandbox.sync()
    before = sandbox.counts()
    reports: list[dict[str, Any]] = []

    async def sync() -> None:
        async with open_app(load_settings()) as app:
            run_sync = {"inventory": app.sync_inventory, "tags": app.sync_tags}[job]
            reports.append(await run_sync(SyncRequest(remaining_s=50.0)))

    with received.holding(lambda call: is_listing(call) and call.region == WEST) as held:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sync)
            await held.blocked()
            await all_is_quiet(received)
            assert reports == []
            loop_clock.advance(50)
    (report,) = reports
    assert report["status"] == "partial"
    late = [error for error in report["errors"] if error["code"] == "DeadlineExceeded"]
    assert {region for error in late for region in error["regions"]} == {WEST}
    assert {"ap-south-1", "sa-east-1", "eu-west-1"} <= set(report["serversByRegion"])
    assert sandbox.counts() == before


def command(*arguments: str) -> tuple[int, dict[str, Any]]:
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(io.StringIO()):
        code = run(arguments)
    return code, json.loads(out.getvalue())


@pytest.mark.parametrize("job", ["inventory", "staging", "tags", "all"])
def test_every_sync_takes_a_time_limit(job: str, sandbox: EngineSandbox, received: ReceivedCalls) -> None:
    table = sandbox.table("TARGET_ACCOUNTS_TABLE").name
    with received.holding(lambda call: call.operation == "Scan" and call.params["TableName"] == table):
        code, document = command("sync", job, "--time-limit", "1")
    assert code == 1
    assert "the run's time was up" in document["message"]


@pytest.mark.parametrize("value", ["0", "-1", "soon"])
def test_an_invalid_time_limit_is_refused(value: str, sandbox: EngineSandbox) -> None:
    code, document = command("sync", "inventory", "--time-limit", value)
    assert code == 2
    assert "--time-limit" in document["message"]
