"""`drs-sync failback` and the function behind GET /drs/failback, against a simulated AWS and without any."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from service.cli.main import run
from service.errors import ConfigurationError
from service.handlers import query
from service.models import parse_iso
from service.queries.failback.export import read_export, write_csv, write_json
from service.queries.failback.facts import facts_of, group
from service.queries.failback.render import as_text
from service.queries.failback.runbook import write_runbook
from service.topology.keys import LINEAGE
from tests.failback.cycle import A1, HOST, RECOVERY, SOURCE, Cycle
from tests.failback.states import DOWN, STATES, WHEN, after
from tests.support.loop_clock import LoopClock
from tests.support.sandbox import EngineSandbox

NOW = datetime.fromisoformat(WHEN)


@pytest.fixture
def cycle_sandbox(start_sandbox: Callable[..., EngineSandbox]) -> tuple[EngineSandbox, Cycle]:
    sandbox = start_sandbox(a={RECOVERY: {"servers": 0}}, b={SOURCE: {"servers": 0}})
    sandbox.set(DRS_REGIONS=f"{SOURCE} {RECOVERY}")  # every scope is synced
    return sandbox, Cycle(sandbox.names.a, sandbox.names.b)


def failback_output(capsys: pytest.CaptureFixture[str], *arguments: str, code: int) -> str:
    capsys.readouterr()
    assert run(["failback", *arguments]) == code
    return capsys.readouterr().out


async def sync_now(sandbox: EngineSandbox) -> None:
    assert (await sandbox.sync(regions=(SOURCE, RECOVERY)))["status"] == "complete"


def sync(sandbox: EngineSandbox) -> None:
    anyio.run(sync_now, sandbox)


def test_each_failback_step_is_shown_without_a_sync(
    cycle_sandbox: tuple[EngineSandbox, Cycle], capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox, cycle = cycle_sandbox
    sync(sandbox)
    next_steps = [_next_step(failback_output(capsys, A1, code=0))]
    for step in ("recover", "reverse", "catch_up", "launch_back", "protect_again"):
        getattr(cycle, step)()
        next_steps.append(_next_step(failback_output(capsys, A1, code=0)))
    assert next_steps == [
        "",
        "1. Reverse the replication of the recovered machine",
        "2. Wait until the reversed server has caught up",
        "3. Launch the server in its original region",
        "4. Protect the launched machine",
        "5. Clean up: stop the reversed replication",
    ]
    sandbox.calls()
    text = failback_output(capsys, A1, code=0)
    assert cycle.reversed.source_server_id in text
    calls = sandbox.calls()
    assert calls["drs", "DescribeSourceServers"] == calls["drs", "DescribeRecoveryInstances"] == 2
    own = sandbox.table("SOURCE_SERVER_TOPOLOGY_TABLE")
    for item in own.scan()["Items"]:
        if str(item["sk"]).startswith(LINEAGE):  # the names, which earlier versions did not store
            own.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})
    sandbox.calls()
    scans = []
    for name in (cycle.forward.arn, HOST):
        assert cycle.reversed.source_server_id in failback_output(capsys, name, code=0)
        scans.append(sandbox.calls()["dynamodb", "Scan"])
    assert scans[0] < scans[1], "an ARN is looked up, and only for another name are all items read"


def _next_step(text: str) -> str:
    return next((line.strip()[4:] for line in text.splitlines() if line.strip().startswith("[>] ")), "")


def test_with_drs_unreachable_it_answers_from_the_table_and_says_how_old_that_is(
    cycle_sandbox: tuple[EngineSandbox, Cycle], capsys: pytest.CaptureFixture[str], loop_clock: LoopClock
) -> None:
    sandbox, cycle = cycle_sandbox
    cycle.recover()
    sync(sandbox)
    denied = {"service": "drs", "operation": "DescribeSourceServers", "error": "AccessDeniedException", "status": 403}
    sandbox.faults(fail=[{"account_id": sandbox.names.a, "times": None, **denied}])
    body = json.loads(failback_output(capsys, HOST, "-o", "json", code=3))
    assert (body["way"], body["originalInstanceId"]) == ("reverse-replication", A1)
    assert "AccessDeniedException" in body["facts"]["notes"][0]
    assert parse_iso(body["facts"]["forward"]["seenAt"]) is not None
    assert body["facts"]["forward"]["live"] is False
    sandbox.latency(loop_clock, drs=90_000)
    body = json.loads(failback_output(capsys, HOST, "-o", "json", code=3))
    assert (body["way"], body["facts"]["forward"]["live"]) == ("reverse-replication", False)
    assert "DRS did not answer in time" in body["facts"]["notes"][0]
    sandbox.faults()
    cycle.dr.remove_source_server(cycle.forward.source_server_id)
    body = json.loads(failback_output(capsys, HOST, "-o", "json", code=3))
    [note] = body["facts"]["notes"]
    assert f"{cycle.forward.source_server_id} is no longer in DRS in {sandbox.names.a}/{RECOVERY}" in note


def test_with_the_table_of_accounts_out_of_reach_the_inventory_answers(
    cycle_sandbox: tuple[EngineSandbox, Cycle], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox, cycle = cycle_sandbox
    cycle.recover()
    sync(sandbox)
    monkeypatch.setenv("TARGET_ACCOUNTS_TABLE", "no-such-table")
    body = json.loads(failback_output(capsys, HOST, "-o", "json", code=3))
    assert body["originalInstanceId"] == A1
    assert "could not be read (ResourceNotFoundException)" in body["facts"]["notes"][0]
    monkeypatch.delenv("TARGET_ACCOUNTS_TABLE")
    body = json.loads(failback_output(capsys, HOST, "-o", "json", code=3))
    assert body["originalInstanceId"] == A1
    assert "The target accounts could not be read" in body["facts"]["notes"][0]


def test_with_the_inventory_out_of_reach_it_points_to_an_export(
    cycle_sandbox: tuple[EngineSandbox, Cycle], capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox, _ = cycle_sandbox
    sync(sandbox)
    sandbox.faults(
        fail=[
            {
                "service": "dynamodb",
                "operation": "Query",
                "times": None,
                "error": "AccessDeniedException",
                "status": 400,
            }
        ]
    )
    body = json.loads(failback_output(capsys, HOST, "-o", "json", code=1))
    assert body["error"] == "AccessDeniedException"
    assert "--from FILE" in body["message"]


def test_with_the_inventory_out_of_reach_the_kept_export_answers_by_itself(
    cycle_sandbox: tuple[EngineSandbox, Cycle], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    sandbox, cycle = cycle_sandbox
    cycle.recover()
    sync(sandbox)
    export_file = tmp_path / "sandbox.csv"
    export_file.write_text(failback_output(capsys, "--all", code=0))
    sandbox.set(FAILBACK_EXPORT=str(export_file))
    assert "From an export" not in failback_output(capsys, HOST, code=0)  # a readable table is newer than the export
    gone = {"service": "dynamodb", "operation": "Query", "times": None, "error": "AccessDeniedException", "status": 400}
    sandbox.faults(fail=[gone])
    text = failback_output(capsys, HOST, code=3)
    assert f"reverse-replication --recovery-instance-id {cycle.recovered.instance_id}" in text
    assert "the inventory did not answer" in text
    export_file.unlink()
    assert str(export_file) in json.loads(failback_output(capsys, HOST, "-o", "json", code=2))["message"]


def test_an_export_answers_with_no_aws_at_all(
    cycle_sandbox: tuple[EngineSandbox, Cycle],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sandbox, cycle = cycle_sandbox
    cycle.recover()
    sync(sandbox)
    recovered = cycle.recovered.instance_id
    for form in ("csv", "json"):
        (tmp_path / form).write_text(failback_output(capsys, "--all", "-o", form, code=0))
    sandbox.calls()
    for variable in ("AWS_ENDPOINT_URL", "SOURCE_SERVER_INVENTORY_TABLE", "TARGET_ACCOUNTS_TABLE", "AWS_REGION"):
        monkeypatch.delenv(variable)
    for form in ("csv", "json"):
        text = failback_output(capsys, recovered, "--from", str(tmp_path / form), code=3)
        assert f"reverse-replication --recovery-instance-id {recovered}" in text
        assert "From an export of 20" in text
        assert A1 in text
        body = json.loads(failback_output(capsys, recovered, "--from", str(tmp_path / form), "-o", "json", code=3))
        assert (body["originalInstanceId"], "From an export of 20" in body["facts"]["notes"][0]) == (A1, True)
        unknown = failback_output(capsys, "nobody", "--from", str(tmp_path / form), "-o", "json", code=3)
        assert "not in the export of 20" in json.loads(unknown)["message"]  # it may have come since
    assert not sandbox.calls()


def test_a_name_of_nobody_and_a_name_of_two_are_refused(
    cycle_sandbox: tuple[EngineSandbox, Cycle], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    sandbox, cycle = cycle_sandbox
    twin = cycle.dr.add_source_server({"sourceProperties": {"identificationHints": {"hostname": HOST}}})
    sync(sandbox)
    assert json.loads(failback_output(capsys, "nobody", "-o", "json", code=2))["error"] == "SERVER_NOT_FOUND"
    body = json.loads(failback_output(capsys, HOST, "-o", "json", code=2))
    assert body["error"] == "AMBIGUOUS_ID"
    assert cycle.forward.arn in body["message"]
    assert twin.arn in body["message"]
    export_file = tmp_path / "export"
    export_file.write_text(failback_output(capsys, "--all", code=0))
    from_export = failback_output(capsys, HOST, "--from", str(export_file), "-o", "json", code=2)
    assert json.loads(from_export)["error"] == "AMBIGUOUS_ID"


def test_an_origin_that_is_not_known_is_part_of_an_answer_only(
    cycle_sandbox: tuple[EngineSandbox, Cycle], capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox, cycle = cycle_sandbox
    unknown = cycle.dr.add_source_server({"sourceProperties": {"identificationHints": {"hostname": "db7"}}})
    unknown.record.pop("sourceCloudProperties", None)
    sync(sandbox)
    assert sandbox.topologies()[unknown.arn]
    text = failback_output(capsys, "db7", code=3)
    assert "It is not known where the server came from" in text
    assert "NOTE" not in text


@pytest.mark.parametrize("arguments", [(), ("--all", "x"), ("--all", "-o", "text"), ("x", "-o", "csv")])
def test_a_wrong_command_line_is_refused(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    failback_output(capsys, *arguments, code=2)


def test_a_file_that_is_no_export_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for content in (
        b"",
        b"{}",
        b'{"format": 9}',
        b"a,b\n1,2\n",
        b"\xff\xfe",
        b'{"format":1,"exportedAt":"x","servers":[{}]}',
    ):
        (tmp_path / "file").write_bytes(content)
        failback_output(capsys, A1, "--from", str(tmp_path / "file"), code=2)
    failback_output(capsys, A1, "--from", str(tmp_path / "none"), code=2)


def test_the_function_answers_route_and_operation(cycle_sandbox: tuple[EngineSandbox, Cycle]) -> None:
    sandbox, cycle = cycle_sandbox
    cycle.recover()
    sync(sandbox)
    query.runtime.close()
    event = {"requestContext": {}, "httpMethod": "GET", "path": "/drs/failback"}
    answer = query.lambda_handler({**event, "queryStringParameters": {"id": cycle.forward.arn}}, None)
    body = json.loads(answer["body"])
    assert answer["statusCode"] == 200
    for name in ("originalSourceRegion", "originalAccountId", "originalReplicationConfigurationTemplateId"):
        assert body[name], name
    direct = query.lambda_handler({"operation": "get_failback_topology", "queryParams": {"id": A1}}, None)
    assert direct["originalSourceRegion"] == body["originalSourceRegion"] == SOURCE
    assert query.lambda_handler({**event, "queryStringParameters": None}, None)["statusCode"] == 400
    assert query.lambda_handler({**event, "queryStringParameters": {"id": "x"}}, None)["statusCode"] == 404
    query.runtime.close()


# The export


def test_an_export_has_everything_in_both_forms() -> None:
    sandbox = [facts for _, facts in STATES.values()]
    for content in (write_json(sandbox, now=NOW), write_csv(sandbox, now=NOW).encode()):
        assert read_export(content) == (WHEN, sandbox)
        assert read_export(b"\xef\xbb\xbf" + content) == (WHEN, sandbox)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "'", "'="])
def test_no_cell_is_a_formula_to_a_spreadsheet(start: str) -> None:
    facts = after(DOWN, original={"originalHostname": f"{start}cmd|' /C calc'!A0", "originalAccountId": f"{start}1"})
    text = write_csv([facts], now=NOW)
    for row in csv.reader(text.splitlines(keepends=True)):
        assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]
    assert read_export(text.encode())[1] == [facts]


def test_a_later_format_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="format 2"):
        read_export(write_json([DOWN], now=NOW).replace(b'"format": 1', b'"format": 2'))


# Tables of earlier versions


def test_what_is_no_arn_still_has_a_runbook() -> None:
    for _, facts in STATES.values():
        broken = after(facts, lineage="gone", forward=None)
        assert as_text(broken, write_runbook(broken))


def test_items_without_topology_answer_and_say_that_they_are_all_there_is() -> None:
    arn = "arn:aws:drs:us-west-2:222222222222:source-server/s-1"
    flat: dict[str, Any] = {
        "sourceServerArn": arn,
        "stagingAccountId": "222222222222",
        "hostname": "old-7",
        "instanceId": A1,
        "replicationRegion": "us-west-2",
        "replicationState": "CONTINUOUS",
        "originalSourceRegion": "us-east-1",
        "originalReplicationConfigTemplateId": "rct-old",
    }
    ((lineage, items),) = group([flat]).items()
    facts = facts_of(lineage, items)
    assert (lineage, facts.captured, facts.host) == (arn, False, "old-7")
    assert facts.original["originalReplicationConfigurationTemplateId"] == "rct-old"
    assert {A1, "old-7", "s-1"} <= set(facts.names)
