"""`drs-sync` as a separate process: stdout, stderr and exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from service.cli.syncs import combined_status
from tests.support import command
from tests.support.sandbox import EVERY_REGION, EngineSandbox


def drs_sync(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the environment of the test and its own variables."""
    return command.run(*arguments, env={**os.environ, **environment})


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove every setting from the environment."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.endswith("_TABLE"):
            monkeypatch.delenv(name)


def test_a_sync_writes_one_json_document_and_keeps_logs_and_metrics_off_it(sandbox: EngineSandbox) -> None:
    done = drs_sync("sync", "inventory")
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert report["operation"] == "sync_source_server_inventory"
    assert report["serversSynced"] == 11
    assert "_aws" not in done.stdout
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    metrics = [line for line in lines if "_aws" in line]
    assert len(metrics) == 1
    (directive,) = metrics[0]["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "DRSOrchestration/ActiveRegionFiltering"
    assert directive["Dimensions"] == [[], ["Operation"], ["Project", "Environment", "Operation"]]
    assert {metric["Name"] for metric in directive["Metrics"]} >= {
        "RegionsScanned",
        "APICallReduction",
        "ServersSynced",
    }
    assert any(line.get("level") == "WARNING" and line["reason"].endswith("is empty") for line in lines)


def test_tables_are_for_people(sandbox: EngineSandbox) -> None:
    sandbox.everywhere()
    done = drs_sync("sync", "inventory", "--output", "table", COLUMNS="140")
    assert done.returncode == 0
    assert "us-west-2" in done.stdout
    scopes = 2 * len(EVERY_REGION)
    assert f"{scopes} = {scopes} complete + 0 partial + 0 skipped + 0 failed" in done.stdout
    regions = drs_sync("regions", "--output", "table", COLUMNS="140")
    assert "2 active regions, 11 servers" in regions.stdout


def test_a_partial_sync_exits_3_and_says_which_and_why(sandbox: EngineSandbox) -> None:
    sandbox.faults(deny=[{"account_id": sandbox.names.b, "region": "us-west-2", "service": "drs"}])
    done = drs_sync("sync", "inventory")
    assert done.returncode == 3
    report = json.loads(done.stdout)
    (error,) = report["errors"]
    assert (error["accountId"], error["regions"], error["code"]) == (
        sandbox.names.b,
        ["us-west-2"],
        "AccessDeniedException",
    )
    assert error["advice"]


def test_all_three_syncs_run_one_after_the_other(sandbox: EngineSandbox) -> None:
    done = drs_sync("sync", "all")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert (document["operation"], document["status"]) == ("sync_all", "complete")
    assert [(name, report["operation"]) for name, report in document["reports"].items()] == [
        ("staging", "sync_staging_accounts"),
        ("inventory", "sync_source_server_inventory"),
        ("tags", "sync_tags"),
    ]
    assert document["reports"]["tags"]["regionSource"] == "status_table"  # by then the inventory sync has filled it


def test_one_sync_of_three_that_is_partial_makes_it_partial(start_sandbox: Callable[..., EngineSandbox]) -> None:
    sandbox = start_sandbox(b={"us-west-2": {"servers": 2, "tags_in_drs": 0}})
    sandbox.faults(
        fail=[
            {
                "account_id": sandbox.names.b,
                "service": "drs",
                "operation": "TagResource",
                "error": "AccessDeniedException",
                "status": 403,
                "times": 9999,
            }
        ]
    )
    done = drs_sync("sync", "all")
    reports = json.loads(done.stdout)["reports"]
    assert {name: report["status"] for name, report in reports.items()} == {
        "staging": "complete",
        "inventory": "complete",
        "tags": "partial",
    }
    assert done.returncode == 3


@pytest.mark.parametrize(
    ("statuses", "together"),
    [
        (["complete"] * 3, "complete"),
        (["failed"] * 3, "failed"),
        (["partial"] * 3, "partial"),
        (["complete", "complete", "failed"], "partial"),
        (["failed", "partial", "failed"], "partial"),
    ],
)
def test_three_syncs_have_failed_together_where_each_has(statuses: list[str], together: str) -> None:
    assert combined_status(statuses) == together


def test_a_sync_in_which_every_scope_fails_exits_1(sandbox: EngineSandbox) -> None:
    sandbox.faults(deny=[{"account_id": account, "service": "drs"} for account in (sandbox.names.a, sandbox.names.b)])
    done = drs_sync("sync", "inventory")
    assert done.returncode == 1
    assert json.loads(done.stdout)["status"] == "failed"


def test_a_missing_accounts_table_exits_1(sandbox: EngineSandbox) -> None:
    done = drs_sync("sync", "inventory", TARGET_ACCOUNTS_TABLE="no-such-table")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"] == "ResourceNotFoundException"
    assert "no-such-table" in done.stderr or "Scan" in done.stderr


def test_an_unreachable_endpoint_exits_1(sandbox: EngineSandbox) -> None:
    done = drs_sync("sync", "inventory", AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"] == "EndpointUnreachable"


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["sync", "inventory"], {"TARGET_ACCOUNTS_TABLE": ""}, "TARGET_ACCOUNTS_TABLE"),
        (["sync", "inventory"], {"SCOPES_AT_ONCE": "0"}, "SCOPES_AT_ONCE='0'"),
        (["sync", "inventory"], {"DRS_REGIONS": "us-east-1,mars"}, "DRS_REGIONS"),
        (["sync", "inventory"], {"DRS_EXTRA_REGIONS": "us-wset-2"}, "did you mean us-west-2?"),
        (
            ["sync", "inventory"],
            {"DRS_EXTRA_REGIONS": "us-gov-west-1"},
            "the hub is in us-east-1, in the partition aws",
        ),
        (["servers", "--region", "us-wset-2"], {}, "did you mean us-west-2?"),
        (["servers", "--region", "us-gov-west-1"], {}, "expected a region of the partition aws"),
        (["doctor", "--region", "us-wset-2"], {}, "did you mean us-west-2?"),
        (["sync", "tags", "--exclude-region", "us-gov-west-1"], {}, "a region of the partition aws-us-gov"),
        (
            ["sync", "inventory", "--region", "us-west-22"],
            {},
            "'us-west-22' is no AWS region; did you mean us-west-2? Fix",
        ),
        (["sync", "inventory", "--account", "999999999999"], {}, "not in the target accounts table"),
        (["sync", "inventory", "--no-such-option"], {}, "--no-such-option"),
        (["sync", "nothing"], {}, "nothing"),
        (["regions"], {"DRS_REGION_STATUS_TABLE": ""}, "DRS_REGION_STATUS_TABLE"),
    ],
)
def test_wrong_usage_exits_2_with_how_to_fix_it(
    arguments: list[str], environment: dict[str, str], words: str, sandbox: EngineSandbox
) -> None:
    done = drs_sync(*arguments, **environment)
    assert done.returncode == 2
    assert words in json.loads(done.stdout)["message"]
    assert "Traceback" not in done.stderr
    assert sandbox.status() == {}


@pytest.mark.usefixtures("bare")
def test_a_message_is_one_line_in_a_pipe_and_folded_on_a_terminal() -> None:
    """A log search finds a message on one line, with each ARN in one piece."""
    done = drs_sync("sync", "inventory", COLUMNS="40")
    assert done.stderr == f"drs-sync: {json.loads(done.stdout)['message']}\n"
    reader, writer = os.openpty()
    try:
        environment = {**os.environ, "COLUMNS": "40", "TERM": "xterm"}
        command.run("sync", "inventory", env=environment, stderr=writer)
        shown = os.read(reader, 65536).decode()
    finally:
        os.close(reader)
        os.close(writer)
    assert max(len(line) for line in shown.splitlines()) <= 40
    assert len(shown.splitlines()) > 1


@pytest.mark.parametrize("group", [[], ["sync"], ["accounts"]])
def test_no_command_is_help_for_a_person_and_one_document_for_a_program(group: list[str]) -> None:
    piped = drs_sync(*group)
    assert piped.returncode == 2
    assert "Missing command" in json.loads(piped.stdout)["message"]
    reader, writer = os.openpty()
    try:
        shown = command.run(*group, stdout=writer)
        text = os.read(reader, 65536).decode(errors="replace")  # a terminal gives what it holds: 4 KiB at a time
    finally:
        os.close(reader)
        os.close(writer)
    assert (shown.returncode, shown.stderr) == (2, "")
    assert "Usage:" in text
    assert "Commands" in text


@pytest.mark.usefixtures("bare")
def test_without_any_setting_it_says_what_to_set() -> None:
    done = drs_sync("sync", "inventory")
    assert done.returncode == 2
    assert "TARGET_ACCOUNTS_TABLE and SOURCE_SERVER_INVENTORY_TABLE" in json.loads(done.stdout)["message"]


def test_regions_shows_counts_freshness_and_errors(sandbox: EngineSandbox) -> None:
    sandbox.faults(deny=[{"account_id": sandbox.names.b, "region": "us-west-2", "service": "drs"}])
    drs_sync("sync", "inventory")
    done = drs_sync("regions")
    assert done.returncode == 3
    document = json.loads(done.stdout)
    assert [(each["accountId"], each["region"]) for each in document["unknown"]] == [(sandbox.names.b, "us-west-2")]
    assert document["activeRegions"] == ["us-west-2", "eu-west-1"]
    rows = {row["region"]: row for row in document["regions"]}
    assert rows["us-west-2"]["serverCount"] == 6
    assert "AccessDeniedException" in rows["us-west-2"]["accounts"][sandbox.names.b]["errorMessage"]
    assert rows["eu-west-1"]["ageSeconds"] >= 0


def test_killed_in_mid_sync_and_run_again_it_ends_as_one_clean_run(sandbox: EngineSandbox) -> None:
    inventory = sandbox.server.environment()["SOURCE_SERVER_INVENTORY_TABLE"]
    with sandbox.received_calls().holding(lambda call: call.is_write(inventory), after=1, drops=True) as later_writes:
        running = command.start("sync", "inventory")
        later_writes.wait()
        running.kill()
        running.communicate()
    assert 0 < len(sandbox.items()) < 11
    assert drs_sync("sync", "inventory", "--full-scan").returncode == 0
    crashed = _tables(sandbox)
    for table in ("SOURCE_SERVER_INVENTORY_TABLE", "DRS_REGION_STATUS_TABLE"):
        _empty(sandbox, table)
    assert drs_sync("sync", "inventory").returncode == 0
    assert crashed == _tables(sandbox)


_TIMES = {
    "lastUpdated",
    "lastChecked",
    "lastComplete",
    "lookRequestedAt",
    "postureSince",
    "topologyLastUpdated",
    "valuesAsOf",
    "version",
    "writtenAt",
    "_inventoryMetadata",
    "accountId",
}


def _tables(sandbox: EngineSandbox) -> Any:
    """Return the items of both tables without the times of the run."""
    items = {(item["sourceServerArn"], item["stagingAccountId"]): _without_times(item) for item in sandbox.items()}
    return items, _without_times(sandbox.topologies()), _without_times(sandbox.status())


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(inner) for key, inner in value.items() if key not in _TIMES}
    return value


def _empty(sandbox: EngineSandbox, variable: str) -> None:
    table = sandbox.table(variable)
    names = [each["AttributeName"] for each in table.key_schema]
    for item in table.scan()["Items"]:
        table.delete_item(Key={name: item[name] for name in names})


def test_the_sandbox_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.json"
    account = {"account_id": "210000000001", "regions": {"us-west-2": {"servers": 3}}}
    fleet.write_text(json.dumps({"hub": {"account_id": "210000000000"}, "accounts": [account]}))
    running = command.start("sandbox", "--port", "0", "--fleet", str(fleet))
    assert running.stdout is not None
    lines = []
    for line in running.stdout:
        lines.append(line)
        if line == "}\n":
            break
    document = json.loads("".join(lines))
    with urllib.request.urlopen(f"{document['endpoint']}/sandbox/health") as health:  # noqa: S310 - loopback
        assert json.load(health)["servers"] == 3
    tables = boto3.client(
        "dynamodb",
        endpoint_url=document["endpoint"],
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    ).list_tables()["TableNames"]
    assert document["environment"]["TARGET_ACCOUNTS_TABLE"] in tables
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=300)
    assert running.returncode == 0
    assert "export AWS_ENDPOINT_URL=" in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize("text", ["hub: {", "hub: {account_id: '12'}", "hub: {account_id: '210000000000'}\nplanets: 9"])
def test_a_bad_fleet_file_is_named_with_what_is_wrong(text: str, tmp_path: Path) -> None:
    fleet = tmp_path / "bad.yaml"
    fleet.write_text(text)
    done = drs_sync("sandbox", "--port", "0", "--fleet", str(fleet))
    assert done.returncode == 2
    assert "bad.yaml" in json.loads(done.stdout)["message"]


@pytest.mark.deep
def test_the_story_of_the_demo_fits_a_screen_and_ends_on_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    done = drs_sync("demo", "--output", "table", COLUMNS="80")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) < 60
    told = done.stdout
    for part in ("denies us", "stalls, and a first server comes to eu-north-1", "new: eu-north-1", "% saved"):
        assert part in told
    assert "Reverse the replication of the recovered machine" in told
    screen = told[told.index("Could it fail over now?\n") :]
    assert "NO: 89 of at least 96 servers are ready\n" in screen
    assert "1 server stalled: AGENT_NOT_SEEN" in screen
    assert "33 scopes unknown: IAM_PERMISSION_DENIED" in screen
    assert "100 %" not in screen
    assert lines[-1].strip().startswith("drs-sync sandbox")


@pytest.mark.deep
def test_the_demo_shows_the_same_counts_for_fewer_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    done = drs_sync("demo", "--verbose", "--output", "json")
    assert done.returncode == 0
    steps = json.loads(done.stdout)["acts"]
    full, filtered, regions = (step["report"] for step in steps[:3])
    assert (full["accounts"], full["regionsScanned"], len(full["serversByRegion"])) == (3, len(EVERY_REGION), 5)
    assert filtered["serversByRegion"] == full["serversByRegion"]
    assert (filtered["serversWritten"], filtered["status"]) == (0, "complete")
    assert filtered["apiCallReductionPercent"] >= 80
    assert regions["serverCount"] == full["serversSynced"]
    first, again, held_back, followed = (step["report"] for step in steps[3:7])
    assert [each["serversExtended"] for each in (first, again, held_back, followed)] == [6, 0, 2, 2]
    assert [each["status"] for each in (first, again, held_back, followed)] == ["complete"] * 2 + [
        "partial",
        "complete",
    ]
    tags, no_tags = (step["report"] for step in steps[7:9])
    assert tags["serversTagged"] > 50
    assert (no_tags["serversTagged"], no_tags["launchSettingsUpdated"]) == (0, 0)
    fresh, stale = steps[10:12]
    assert (fresh["report"]["source"], fresh["callsCountedByAws"].get("drs", 0)) == ("inventory_database", 0)
    assert stale["report"]["source"] == "drs_api"
    assert [_without_times(each) for each in stale["report"]["servers"]] == [
        _without_times(each) for each in fresh["report"]["servers"]
    ]


def test_a_tag_sync_while_another_runs_is_busy_and_no_wrong_usage(sandbox: EngineSandbox) -> None:
    lock = {"accountId": "_tag_sync_lock", "status": "IN_PROGRESS", "owner": "another"}
    sandbox.table("TAG_SYNC_CONFIG_TABLE").put_item(Item={**lock, "startedAt": int(time.time())})
    busy = drs_sync("sync", "tags")
    assert busy.returncode == 1
    assert (json.loads(busy.stdout)["error"], "try again" in busy.stdout) == ("ALREADY_RUNNING", True)
    done = drs_sync("sync", "all")
    document = json.loads(done.stdout)
    assert (done.returncode, document["status"], document["notRun"]) == (3, "partial", ["tags"])
    assert {name: report["status"] for name, report in document["reports"].items()} == {
        "staging": "complete",
        "inventory": "complete",
    }
    assert document["failures"]["tags"]["code"] == "ALREADY_RUNNING"
