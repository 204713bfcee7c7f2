"""Usage and configuration errors, stdout and stderr, `regions`, and the data-management function."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.acceptance.endpoint import REGIONS, Fault, throttled
from tests.acceptance.world import World


@pytest.mark.parametrize(
    ("arguments", "settings", "names"),
    [
        (("--region", "mars-north-1"), {}, "mars-north-1"),
        (("--account", "999999999999"), {}, "999999999999"),
        (("--account", "12"), {}, "12"),
        ((), {"TARGET_ACCOUNTS_TABLE": "<unset>"}, "TARGET_ACCOUNTS_TABLE"),
        ((), {"SOURCE_SERVER_INVENTORY_TABLE": "<unset>"}, "SOURCE_SERVER_INVENTORY_TABLE"),
        ((), {"SCOPES_AT_ONCE": "many"}, "SCOPES_AT_ONCE"),
        ((), {"READ_TIMEOUT_SECONDS": "-1"}, "READ_TIMEOUT_SECONDS"),
        ((), {"DRS_REGIONS": "us-west-2,not a region"}, "DRS_REGIONS"),
        ((), {"LOG_LEVEL": "LOUD"}, "LOG_LEVEL"),
        (("--no-such-option",), {}, "--no-such-option"),
        (("--output", "xml"), {}, "xml"),
        (("surplus",), {}, "surplus"),
    ],
)
def test_wrong_usage_and_settings(
    world: World, arguments: tuple[str, ...], settings: dict[str, Any], names: str
) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 1)

    run = world.sync(*arguments, code=2, **settings)

    assert names in run.err
    assert "Traceback" not in run.err
    document = run.report
    assert document["error"]
    assert names in document["message"]
    assert world.calls("drs") == []
    assert world.inventory_writes() == []


@pytest.mark.parametrize("problem", ["bad key", "no key", "no accounts table", "no inventory table"])
def test_a_run_that_cannot_begin_has_failed(world: World, problem: str) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 1)
    settings: dict[str, Any] = {
        "bad key": {"AWS_ACCESS_KEY_ID": "AKIANOBODY0000000000"},
        "no key": {"AWS_ACCESS_KEY_ID": "<unset>", "AWS_SECRET_ACCESS_KEY": "<unset>"},
        "no accounts table": {"TARGET_ACCOUNTS_TABLE": "no-such-table"},
        "no inventory table": {"SOURCE_SERVER_INVENTORY_TABLE": "no-such-table"},
    }[problem]

    run = world.sync(code=1, **settings)

    assert "Traceback" not in run.err
    assert run.report.get("error") or run.report["errors"]
    if problem.endswith("table"):
        assert "no-such-table" in run.out


def test_the_command_runs_as_it_is_installed(world: World) -> None:
    """The other tests put the code of this checkout before the installed package."""
    world.servers(world.account(), "us-west-2", 2)

    run = world.sync(PYTHONPATH="<unset>")

    assert run.report["status"] == "complete"
    assert world.counts() == {"us-west-2": 2}


def test_output_for_people(world: World) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 2)

    run = world.sync_as_table()

    assert run.code == 0
    assert "us-west-2" in run.out
    assert not run.out.lstrip().startswith("{")


def test_regions_shows_what_the_table_knows(world: World) -> None:
    account, other = world.account(), world.account()
    world.servers(account, "us-west-2", 2)
    world.servers(other, "us-west-2", 1)
    empty = world.run("regions")
    assert empty.code == 3
    assert (empty.report["regions"], empty.report["complete"]) == ([], False)
    assert "drs-sync sync inventory" in empty.report["message"]
    world.sync()

    run = world.run("regions", "--output", "json")

    assert run.code == 0
    assert run.report["activeRegions"] == ["us-west-2"]
    rows = {row["region"]: row for row in run.report["regions"]}
    assert set(rows) == set(REGIONS)
    assert rows["us-west-2"]["serverCount"] == 3
    assert set(rows["us-west-2"]["accounts"]) == {account, other}
    assert world.run("regions", DRS_REGION_STATUS_TABLE="<unset>").code == 2
    missing = world.run("regions", DRS_REGION_STATUS_TABLE="no-such-table")
    assert missing.code == 1
    assert missing.report["error"]


def test_nothing_secret_is_logged_and_metrics_stay_off_stdout(world: World) -> None:
    account, refusing, slow = world.account(), world.account(), world.account()
    for each in (account, refusing, slow):
        world.servers(each, "us-west-2", 2)
    world.role(refusing).refuses = True
    world.scope(slow, "us-west-2").faults.append(Fault(lambda: throttled("0"), times=1))

    run = world.sync(code=3, LOG_LEVEL="DEBUG")

    printed = run.out + run.err
    for credentials in world.aws.credentials.values():
        if credentials.account in world.accounts:
            assert credentials.secret not in printed
            assert not credentials.token or credentials.token not in printed
    assert not re.search(r"hubsecret|rolesecret|sessiontoken|Signature=", printed)
    assert "Traceback" not in run.err
    assert '"_aws"' not in run.out
    lines = run.metrics
    assert lines
    directives = [directive for line in lines for directive in line["_aws"]["CloudWatchMetrics"]]
    assert {each["Namespace"] for each in directives} == {"DRSOrchestration/ActiveRegionFiltering"}
    assert all([] in each["Dimensions"] for each in directives)
    for line in lines:
        assert "CloudWatchMetrics" not in line
        for directive in line["_aws"]["CloudWatchMetrics"]:
            assert all(isinstance(line[metric["Name"]], int | float) for metric in directive["Metrics"])


def test_metrics_of_a_filtered_run(world: World) -> None:
    account = world.account()
    world.servers(account, "us-west-2", 2)
    world.sync()

    run = world.sync()

    values = {name: value for line in run.metrics for name, value in line.items()}
    assert values["ActiveRegionCount"] == 1
    assert values["RegionsSkipped"] == run.report["regionsSkipped"]
    assert values["APICallReduction"] == run.report["apiCallReductionPercent"]
    for name in ("regionsScanned", "regionsSkipped", "apiCallReductionPercent", "durationSeconds", "serversByRegion"):
        assert f'"{name}"' in run.err, "the log line has it, too"


_INVOKE = """
import json, sys
from service.handlers.data_management import lambda_handler
responses = [lambda_handler(event, None) for event in json.loads(sys.argv[1])]
print("RESPONSES" + json.dumps(responses))
"""


def test_the_function_handles_its_schedule(world: World) -> None:
    account, refusing = world.account(), world.account()
    world.servers(account, "us-west-2", 2)
    world.servers(refusing, "us-west-2", 1)
    events = [
        {"operation": "sync_source_server_inventory"},
        {"operation": "sync_source_server_inventory"},
        {"operation": "nope"},
        {"operation": ""},
        {"foo": 1},
    ]
    code = _INVOKE.replace("sys.argv[1]", repr(json.dumps(events)))

    run = world.python(code, AWS_LAMBDA_FUNCTION_NAME="t-data-management-handler-test")

    assert run.code == 0, run.err
    line = next(each for each in run.out.splitlines() if each.startswith("RESPONSES"))
    first, second, unknown, empty, neither = json.loads(line.removeprefix("RESPONSES"))
    for response in (first, second):
        assert {"message", "totalSynced", "totalErrors", "timestamp"} <= set(response)
        assert response["totalSynced"] == 3
        assert response["totalErrors"] == 0
        assert isinstance(response["timestamp"], str)
        assert "statusCode" not in response
    assert first["regionsScanned"] == len(REGIONS)
    assert second["regionsScanned"] < len(REGIONS), "the second sync must not use a region status read before the first"
    assert unknown["error"] == "INVALID_OPERATION"
    assert unknown["details"]["operation"] == "nope"
    assert empty["error"] == "INVALID_EVENT_FORMAT"
    assert neither["statusCode"] == 400
    assert json.loads(neither["body"])["error"] == "INVALID_INVOCATION"
    assert world.counts() == {"us-west-2": 3}

    world.role(refusing).refuses = True
    partial = world.python(_INVOKE.replace("sys.argv[1]", repr(json.dumps(events[:1]))))

    assert partial.code == 0, partial.err
    responses = json.loads(
        next(each for each in partial.out.splitlines() if "RESPONSES" in each).partition("RESPONSES")[2]
    )
    assert responses[0]["totalErrors"] >= 1
    assert responses[0]["totalSynced"] == 2


def test_the_function_without_a_table_name(world: World) -> None:
    event = [{"operation": "sync_source_server_inventory"}]

    run = world.python(_INVOKE.replace("sys.argv[1]", repr(json.dumps(event))), SOURCE_SERVER_INVENTORY_TABLE="<unset>")

    assert run.code == 0, run.err
    response = json.loads(run.out.partition("RESPONSES")[2])[0]
    assert response["error"]
