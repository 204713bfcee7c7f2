"""`drs-sync servers` and `drs-sync extended`, run as a user runs them."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import Any
from unittest import mock

import pytest

from service.cli.main import run
from service.queries.paging import page_length
from tests.cli.test_command_line import drs_sync
from tests.support.sandbox import EngineSandbox, Names, new_account_id


def run_json(*arguments: str, exit_code: int | None = 0, **environment: str) -> dict[str, Any]:
    """Run a command line in this process, ten times faster than a new one; return the JSON document on stdout.

    `exit_code` is the expected one, None for any.
    """
    out, err = io.StringIO(), io.StringIO()
    with mock.patch.dict(os.environ, environment), redirect_stdout(out), redirect_stderr(err):
        assert run(arguments) in {exit_code, *(() if exit_code is not None else (0, 1, 3))}, (
            out.getvalue() + err.getvalue()
        )
    document: dict[str, Any] = json.loads(out.getvalue())
    return document


def test_a_fresh_inventory_is_shown_without_a_call_to_drs(
    sandbox: EngineSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    run_json("sync", "inventory", "--full-scan")
    sandbox.calls()
    body = run_json("servers")
    assert (body["count"], body["totalCount"], body["source"], body["complete"]) == (11, 11, "inventory_database", True)
    assert {service for service, _ in sandbox.calls()} == {"dynamodb"}
    first = run_json("servers", "--limit", "7")
    second = run_json("servers", "--limit", "7", "--next-token", first["nextToken"])
    assert [first["count"], second["count"]] == [7, 4]
    assert "nextToken" not in second
    assert run(["servers", "--limit", "7", "-o", "table"]) == 0
    assert f"there are more: --next-token {first['nextToken']}" in capsys.readouterr().out.replace("\n", "")
    some = run_json(
        "servers", "--account", sandbox.names.a, "--region", "us-west-2", "--source-account", sandbox.names.apps
    )
    assert some["count"] == 5
    none = run_json("servers", "--state", "stalled", "--hostname", "app", "--min-cores", "1", "--min-ram-gib", "0.5")
    assert none["count"] == 0


def test_stale_scopes_are_read_from_drs_and_synced_after_the_response(sandbox: EngineSandbox) -> None:
    done = drs_sync("servers", "--account", sandbox.names.a, "--region", "us-west-2")
    assert done.returncode == 0
    body = json.loads(done.stdout)
    assert (body["count"], body["source"]) == (6, "drs_api")
    assert "drs-sync: refreshed 1 stale scopes: complete" in done.stderr
    assert len(sandbox.items()) == 6
    again = run_json("servers", "--account", sandbox.names.a, "--region", "us-west-2")
    assert again["source"] == "inventory_database"


def test_without_a_refresh_nothing_is_written(sandbox: EngineSandbox) -> None:
    body = run_json("servers", "--region", "us-west-2", "--no-refresh")
    assert body["count"] == 8
    assert (sandbox.items(), sandbox.status()) == ([], {})


def test_a_refresh_that_fails_does_not_change_the_response(sandbox: EngineSandbox) -> None:
    body = run_json("servers", "--region", "us-west-2", SOURCE_SERVER_INVENTORY_TABLE="")
    assert body["count"] == 8


def test_a_partial_response_exits_3_and_a_table_shows_nothing_raw(sandbox: EngineSandbox) -> None:
    evil = "\x1b[2Jevil[bold]\u202e"
    sandbox.add(sandbox.names.a, "us-west-2", servers=[{"hostname": evil}])
    sandbox.faults(deny=[{"account_id": sandbox.names.b, "region": "us-west-2", "service": "drs"}])
    arguments = ("servers", "--region", "us-west-2", "--no-refresh")
    body = run_json(*arguments, exit_code=3)
    assert body["complete"] is False
    assert [(error["accountId"], error["code"]) for error in body["errors"]] == [
        (sandbox.names.b, "AccessDeniedException")
    ]
    shown = drs_sync(*arguments, "--output", "table", COLUMNS="200")
    assert shown.returncode == 3
    assert "\x1b" not in shown.stdout
    assert "\u202e" not in shown.stdout
    assert "evil[bold]" in shown.stdout
    assert "AccessDeniedException" in shown.stdout
    assert "This answer is incomplete" in shown.stdout


def test_every_scope_failing_or_no_accounts_table_exits_1(sandbox: EngineSandbox) -> None:
    sandbox.faults(deny=[{"account_id": account, "service": "drs"} for account in (sandbox.names.a, sandbox.names.b)])
    assert run_json("servers", "--region", "us-west-2", "--no-refresh", exit_code=1)["complete"] is False
    body = run_json("servers", exit_code=1, TARGET_ACCOUNTS_TABLE="no-such-table")
    assert body["error"] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["servers", "--limit", "0"], "INVALID_PARAMETER", "limit"),
        (["servers", "--account", ""], "INVALID_PARAMETER", "--account is empty"),
        (["sync", "inventory", "--account", ""], "INVALID_PARAMETER", "--account is empty"),
        (["sync", "staging", "--region", ""], "INVALID_PARAMETER", "--region is empty"),
        (["sync", "tags", "--exclude-region", ""], "INVALID_PARAMETER", "--exclude-region is empty"),
        (["sync", "all", "--account", " "], "INVALID_PARAMETER", "--account is empty"),
        (["servers", "--staging-account", ""], "INVALID_PARAMETER", "--staging-account is empty"),
        (["servers", "--source-account", " "], "INVALID_PARAMETER", "--source-account is empty"),
        (["servers", "--state", ""], "INVALID_PARAMETER", "--state is empty"),
        (["servers", "--hostname", ""], "INVALID_PARAMETER", "--hostname is empty"),
        (["servers", "--min-ram-gib", "nan"], "INVALID_PARAMETER", "--min-ram-gib (filters.minRamBytes) is 'nan'"),
        (["servers", "--state", "STALED"], "INVALID_PARAMETER", "--state (filters.replicationState) is 'STALED'"),
        (["servers", "--region", "mars"], "INVALID_PARAMETER", "--region (region) is 'mars'"),
        (["servers", "--account", "999999999999"], "TARGET_ACCOUNT_NOT_FOUND", "999999999999"),
        (["servers", "--min-cores", "many"], "Usage", "--min-cores"),
        (["extended", "--region", "mars"], "INVALID_PARAMETER", "mars"),
    ],
)
@pytest.mark.usefixtures("sandbox")
def test_wrong_usage_exits_2(arguments: list[str], code: str, words: str) -> None:
    body = run_json(*arguments, exit_code=2)
    assert body["error"] == code
    assert words in body["message"]


@pytest.fixture
def extended(monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineSandbox]:
    """EngineSandbox in which A has two servers and both servers of its staging account B are extended into A."""
    names = Names(*(new_account_id() for _ in range(4)))
    members = {
        "hub": {"account_id": names.hub, "registered": False},
        "tables": {"environment": names.hub[:6]},
        "accounts": [
            {
                "account_id": names.a,
                "staging_accounts": [names.b],
                "regions": {"us-west-2": {"servers": 2, "extended_from": [{"account_id": names.b}]}},
            },
            {"account_id": names.b, "kind": "staging", "regions": {"us-west-2": {"servers": 2}}},
        ],
    }
    with EngineSandbox(members, names, monkeypatch) as sandbox:
        yield sandbox


def test_extended_servers_are_reported_by_target_and_staging_account(
    extended: EngineSandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    body = run_json("extended", "--region", "us-west-2")
    assert body["count"] == 2
    assert body["byStagingAccount"] == {extended.names.b: 2}
    assert len(extended.items()) == 4
    shown = drs_sync("extended", "--account", extended.names.a, "--region", "us-west-2", "-o", "table", COLUMNS="160")
    assert shown.returncode == 0
    assert "2 extended servers" in shown.stdout
    assert "inventory_database" in shown.stdout
    assert page_length.__kwdefaults__ is not None
    monkeypatch.setitem(page_length.__kwdefaults__, "max_bytes", 1)  # one server always fits
    body = run_json("extended", "--region", "us-west-2", exit_code=3)
    assert (body["count"], len(body["extendedServers"]), body["truncated"]) == (2, 1, True)
    assert run(["extended", "--region", "us-west-2", "-o", "table"]) == 3
    assert "only 1 are shown. Fix: name fewer accounts or regions" in capsys.readouterr().out
    extended.faults(deny=[{"account_id": extended.names.a, "service": "drs"}])
    assert run_json("extended", "--region", "us-west-2", "--region", "eu-west-1", "--no-refresh", exit_code=3)["errors"]


def test_a_terminal_shows_one_line_per_server_and_a_pipe_every_column(
    sandbox: EngineSandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    info = sandbox.records(sandbox.names.a, "us-west-2")[0]["dataReplicationInfo"]
    info.update(dataReplicationState="STALLED", dataReplicationError={"error": "AGENT_NOT_SEEN"}, lagDuration="PT14M")
    run_json("sync", "inventory", "--full-scan")
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["servers", "-o", "table"]) == 0
    lines = capsys.readouterr().out.splitlines()
    shown = [line for line in lines if " s-" in line]
    assert len(shown) == 11
    assert all(len(line) <= 80 for line in shown)
    assert all(len(line.split()[1]) == 19 for line in shown)
    monkeypatch.delenv("COLUMNS")
    assert run(["servers", "-o", "table"]) == 0
    wide = [line for line in capsys.readouterr().out.splitlines() if "STALLED AGENT_NOT_SEEN" in line]
    assert len(wide) == 1
    assert "14 min" in wide[0]


def test_servers_that_need_somebody_are_found_and_sorted(sandbox: EngineSandbox) -> None:
    records = sandbox.records(sandbox.names.a, "us-west-2")
    for number, record in enumerate(records[:3]):
        record["dataReplicationInfo"]["lagDuration"] = f"PT{number + 1}H"
    run_json("sync", "inventory", "--full-scan")
    body = run_json("servers", "--unhealthy", "--sort", "lag")
    assert [each["sourceServerID"] for each in body["servers"]] == [
        each["sourceServerID"] for each in reversed(records[:3])
    ]
    assert {(each["posture"], each["postureReason"]) for each in body["servers"]} == {("syncing", "LAG_OVER_OBJECTIVE")}
    assert run_json("servers", "--lag-over", "2h")["count"] == 1
    assert run_json("servers", "--drill-older-than", "90d")["count"] == 11
    limited = run_json("servers", "--sort", "lag", "--limit", "1")
    assert (limited["count"], limited["totalCount"], "nextToken" in limited) == (1, 11, False)
    refused = run_json("servers", "--lag-over", "soon", exit_code=2)
    assert "such as 90s, 15m" in refused["message"]


def test_csv_has_a_line_per_server_and_no_formula(sandbox: EngineSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    hints = sandbox.records(sandbox.names.a, "us-west-2")[0]["sourceProperties"]["identificationHints"]
    hints["hostname"] = "=cmd|' /C calc'!A0"
    run_json("sync", "inventory", "--full-scan")
    assert run(["servers", "-o", "csv", "--sort", "name"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 11
    assert rows[0]["hostname"] == "'=cmd|' /C calc'!A0"
    assert {row["posture"] for row in rows} == {"ready"}
