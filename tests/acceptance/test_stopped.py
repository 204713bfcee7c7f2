"""A run that is told to stop, or whose time is up, ends early with a correct report; the next run does the rest."""

from __future__ import annotations

import json
import signal

import pytest

from tests.acceptance.endpoint import Trap
from tests.acceptance.reference import REGIONS, clean, populate, state
from tests.acceptance.world import Run, World, finish


@pytest.fixture(autouse=True)
def _settings(world: World) -> None:
    world.settings["TOPOLOGY_READS_PER_SCOPE"] = "0"
    world.settings["DRS_REGIONS"] = REGIONS


def _scans_after(world: World, number: int) -> Trap:
    return Trap(lambda call: call.operation == "DescribeSourceServers" and call.account in world.accounts, after=number)


def _stopped(world: World, trap: Trap, number: int, *arguments: str) -> Run:
    with world.holding(trap):
        process = world.start("sync", *arguments)
        assert trap.wait_blocked(), "the run never made the call at which it is to be stopped"
        process.send_signal(number)
        return finish(process)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("scans", [0, 5, 30])
def test_a_sync_that_is_told_to_stop_shows_what_it_has_done(world: World, number: int, scans: int) -> None:
    populate(world, many=27)
    run = _stopped(world, _scans_after(world, scans), number, "inventory")
    report = run.report
    assert run.code == {"partial": 3, "failed": 1}[report["status"]]
    scopes = report["scopes"]
    assert scopes["asked"] == sum(scopes[each] for each in ("complete", "partial", "skipped", "failed"))
    assert scopes["failed"] >= 1
    assert {error["code"] for error in report["errors"]} == {"DeadlineExceeded"}
    assert all("told to stop" in error["message"] for error in report["errors"])
    assert report["serversSynced"] == len(world.inventory())
    assert world.counts() == report["serversByRegion"]

    world.sync()

    assert state(world) == clean(world)


def test_a_run_of_all_syncs_that_is_told_to_stop_names_those_it_did_not_begin(world: World) -> None:
    populate(world, many=3)
    counted = len(world.accounts) * len(REGIONS.split())  # by the staging sync, which comes first
    run = _stopped(world, _scans_after(world, counted + 3), signal.SIGTERM, "all")
    assert (run.code, run.report["status"], run.report["notRun"]) == (3, "partial", ["tags"])
    denied = {error["operation"] for error in run.report["reports"]["staging"]["errors"]}
    assert denied == {"ListStagingAccounts"}  # this AWS denies what its role does not grant; staging was not cut short
    assert run.report["reports"]["inventory"]["status"] in {"partial", "failed"}


def test_the_second_signal_ends_the_process_at_once(world: World) -> None:
    populate(world, many=3)
    # The mark of the full scan is written even when the run has been told to stop, so blocking it delays the end.
    trap = Trap(lambda call: call.table == world.tables.status and call.operation in {"PutItem", "UpdateItem"})
    with world.holding(trap):
        process = world.start("sync", "inventory")
        assert trap.wait_blocked()
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        assert any("stopping" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=300) == -signal.SIGTERM
        process.communicate()


@pytest.mark.parametrize("job", ["inventory", "tags"])
def test_a_time_limit_ends_a_run_with_a_true_report(world: World, job: str) -> None:
    populate(world, many=3)
    world.sync()
    with world.holding(Trap(lambda call: call.operation == "DescribeSourceServers" and call.region == "us-west-2")):
        run = world.run("sync", job, "--time-limit", "12", READ_TIMEOUT_SECONDS="30")
    assert run.code == 3
    late = [error for error in run.report["errors"] if error["code"] == "DeadlineExceeded"]
    assert {region for error in late for region in error["regions"]} == {"us-west-2"}
    assert {"ap-south-1", "sa-east-1", "eu-west-1"} <= set(run.report["serversByRegion"])


@pytest.mark.parametrize("job", ["inventory", "staging", "tags", "all"])
def test_every_sync_takes_a_time_limit(world: World, job: str) -> None:
    world.account()
    with world.holding(Trap(lambda call: call.operation == "Scan" and call.table == world.tables.accounts)):
        run = world.run("sync", job, "--time-limit", "1", READ_TIMEOUT_SECONDS="30")
    assert run.code == 1
    assert "the run's time was up" in run.report["message"]


@pytest.mark.parametrize("value", ["0", "-1", "soon"])
def test_an_invalid_time_limit_is_refused(world: World, value: str) -> None:
    run = world.run("sync", "inventory", "--time-limit", value)
    assert run.code == 2
    assert "--time-limit" in json.loads(run.out)["message"]
