"""The command of an operator: wrong usage, a table that is missing, the installed command, metrics."""

from __future__ import annotations

import io
import json
import os
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest

from service.cli.main import run
from tests.support.command import COMMAND
from tests.support.received_calls import ReceivedCalls
from tests.support.sandbox import EngineSandbox

SYNC = ("sync", "inventory")


def command(*arguments: str) -> tuple[int, Any, str]:
    """Run a command line in this process; return its exit code, its JSON document and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(arguments)
    return code, json.loads(out.getvalue()), err.getvalue()


@pytest.mark.parametrize(
    ("arguments", "environment", "names"),
    [
        (("--account", "12"), {}, "12"),
        (("--output", "xml"), {}, "xml"),
        (("surplus",), {}, "surplus"),
        ((), {"SOURCE_SERVER_INVENTORY_TABLE": ""}, "SOURCE_SERVER_INVENTORY_TABLE"),
        ((), {"SCOPES_AT_ONCE": "many"}, "SCOPES_AT_ONCE"),
        ((), {"READ_TIMEOUT_SECONDS": "-1"}, "READ_TIMEOUT_SECONDS"),
        ((), {"LOG_LEVEL": "LOUD"}, "LOG_LEVEL"),
    ],
)
def test_wrong_usage_and_settings_are_named_and_nothing_is_called(
    arguments: tuple[str, ...], environment: dict[str, str], names: str, sandbox: EngineSandbox, received: ReceivedCalls
) -> None:
    sandbox.set(**environment)

    code, document, err = command(*SYNC, *arguments)

    assert (code, bool(document["error"])) == (2, True)
    assert names in document["message"]
    assert names in err
    assert "Traceback" not in err
    assert received.of("drs") == []


def test_without_its_inventory_table_a_sync_has_failed_and_names_the_table(sandbox: EngineSandbox) -> None:
    sandbox.add_account(regions={"us-west-2": {"servers": 1}})
    sandbox.set(SOURCE_SERVER_INVENTORY_TABLE="no-such-table")

    code, document, err = command(*SYNC)

    assert (code, bool(document["error"])) == (1, True)
    assert "no-such-table" in document["message"]
    assert "Traceback" not in err


def test_the_command_runs_as_it_is_installed(sandbox: EngineSandbox) -> None:
    """Tests that run it as a process put the code of this checkout before the installed package."""
    sandbox.add_account(regions={"us-west-2": {"servers": 2}})
    installed = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    done = subprocess.run([COMMAND, *SYNC], env=installed, capture_output=True, text=True, check=False, cwd="/")

    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "complete")
    assert sandbox.counts() == {"us-west-2": 2}


def test_metrics_of_a_filtered_run(sandbox: EngineSandbox) -> None:
    sandbox.add_account(regions={"us-west-2": {"servers": 2}})
    assert command(*SYNC)[0] == 0

    _, report, err = command(*SYNC)

    lines = [json.loads(line) for line in err.splitlines()]
    (metrics,) = [line for line in lines if "_aws" in line]
    assert (metrics["ActiveRegionCount"], metrics["RegionsSkipped"]) == (1, report["regionsSkipped"])
    assert (metrics["RegionsScanned"], metrics["ServersSynced"]) == (report["regionsScanned"], 2)
    assert metrics["APICallReduction"] == report["apiCallReductionPercent"] > 0
    assert metrics["SyncDuration"] == pytest.approx(report["durationSeconds"], abs=0.01)
    assert report["durationSeconds"] > 0
    (directive,) = metrics["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "DRSOrchestration/ActiveRegionFiltering"
    assert {"ActiveRegionCount", "RegionsSkipped", "APICallReduction"} <= {
        each["Name"] for each in directive["Metrics"]
    }
    assert all(isinstance(metrics[each["Name"]], int | float) for each in directive["Metrics"])
    (finished,) = [line for line in lines if line.get("message") == "sync finished"]
    for name in ("regionsScanned", "regionsSkipped", "apiCallReductionPercent", "durationSeconds", "serversByRegion"):
        assert finished[name] == report[name], "the log line has it, too"
