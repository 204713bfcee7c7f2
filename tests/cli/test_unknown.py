"""Accounts and regions about which nothing is known: every query command names them, and none says it is complete."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest

from service.cli.main import run
from service.handlers import query
from service.models import parse_iso
from tests.cli.test_servers import run_json
from tests.support.loop_clock import LoopClock
from tests.support.sandbox import FEW_REGIONS, EngineSandbox

EAST, WEST = "us-east-1", "us-west-2"


def command(*arguments: str) -> tuple[int, str, str]:
    """Run a command line in this process; return its exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(arguments)
    return code, out.getvalue(), err.getvalue()


def sync_inventory(*arguments: str) -> dict[str, Any]:
    """Run an inventory sync, whatever its exit code; return the report."""
    report: dict[str, Any] = json.loads(command("sync", "inventory", *arguments)[1])
    return report


def api(path: str, **parameters: str) -> tuple[int, dict[str, Any]]:
    """Send a GET request to the query function; return the status and the body."""
    event = {"httpMethod": "GET", "path": path, "requestContext": {}, "queryStringParameters": parameters or None}
    answer = query.lambda_handler(event, None)
    return answer["statusCode"], json.loads(answer["body"])


@pytest.fixture
def denied(start_sandbox: Callable[..., EngineSandbox]) -> Iterator[EngineSandbox]:
    """Provide a sandbox where a policy has denied DRS to A in us-west-2 since before the first sync."""
    sandbox = start_sandbox(
        a={EAST: {"servers": 5}, WEST: {"servers": [{"hostname": f"west-{n}"} for n in range(7)]}},
        b={EAST: {"servers": 1}},
    )
    sandbox.faults(deny=[{"account_id": sandbox.names.a, "region": WEST, "service": "drs", "scp": True}])
    sync_inventory()
    yield sandbox
    query.runtime.close()


def assert_names_the_denied_scope(sandbox: EngineSandbox, body: dict[str, Any], *, unknown: int = 1) -> None:
    assert body["complete"] is False
    assert body["scopeStates"]["unknown"] == unknown
    (scope,) = [each for each in body["unknown"] if each["code"] == "SCP_DENIED"]
    assert (scope["accountId"], scope["region"]) == (sandbox.names.a, WEST)
    assert "service control policy" in scope["message"]
    assert "DRS_EXCLUDED_SCOPES=account/region" in scope["advice"]
    assert parse_iso(scope["since"]) is not None
    assert parse_iso(scope["lastAttempt"]) is not None


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["servers"], 6),
        (["servers", "--state", "STALLED"], 0),
        (["servers", "--account", "A"], 5),
        (["extended"], 0),
        (["regions"], None),
        (["accounts", "list"], 2),
    ],
)
def test_a_scope_that_was_denied_since_before_the_first_sync_is_named(
    denied: EngineSandbox, arguments: list[str], count: int | None
) -> None:
    arguments = [denied.names.a if each == "A" else each for each in arguments]
    body = run_json(*arguments, exit_code=3)
    assert_names_the_denied_scope(denied, body)
    assert body.get("count") == count
    (cause,) = body["unknownByCause"]
    assert (cause["scopes"], cause["accounts"], cause["regions"]) == (1, 1, [WEST])


def test_the_scope_matters_only_to_questions_about_it(denied: EngineSandbox) -> None:
    assert run_json("servers", "--account", denied.names.b)["complete"] is True
    assert run_json("servers", "--region", EAST)["complete"] is True
    sandbox_states = run_json("servers", exit_code=3)["scopeStates"]
    assert sandbox_states == {"fresh": 2, "old": 0, "empty": 2 * len(FEW_REGIONS) - 3, "excluded": 0, "unknown": 1}


def test_once_it_is_excluded_the_answer_is_complete(denied: EngineSandbox) -> None:
    denied.set(DRS_EXCLUDED_SCOPES=f"{denied.names.a}/{WEST}")
    body = run_json("servers")
    assert (body["complete"], body["unknown"], body["scopeStates"]["excluded"]) == (True, [], 1)
    denied.set(DRS_EXCLUDED_SCOPES="", DRS_EXCLUDED_REGIONS=WEST)
    body = run_json("servers")
    assert (body["complete"], body["unknown"], body["scopeStates"]["excluded"]) == (True, [], 2)  # of both accounts


def test_the_api_names_it_too(denied: EngineSandbox) -> None:
    status, body = api("/drs/source-server-inventory")
    assert (status, body["count"]) == (200, 6)
    assert_names_the_denied_scope(denied, body)
    status, body = api("/drs/extended-source-servers")
    assert_names_the_denied_scope(denied, body)


def test_a_table_is_readable_at_80_columns(denied: EngineSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = command("servers", "-o", "table")
    assert code == 3
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    start = lines.index("unknown: 1 scope")
    assert f"SCP_DENIED: 1 scope; {denied.names.a}; {WEST}; since 20" in lines[start + 1]
    assert "6 of 6 servers (incomplete, see below)" in out
    assert any(line.strip().startswith("Fix: allow drs:DescribeSourceServers") for line in lines[start:])


def test_a_server_that_is_not_found_may_be_where_nobody_could_look(denied: EngineSandbox) -> None:
    body = run_json("failback", "west-3", "-o", "json", exit_code=3)
    assert body["error"] == "SERVER_NOT_FOUND"
    assert "not found where drs-sync could look" in body["message"]
    assert f"could not look in {denied.names.a} {WEST} (SCP_DENIED)" in body["message"]
    assert_names_the_denied_scope(denied, body)
    code, _, err = command("failback", "west-3")
    assert (code, f"SCP_DENIED: 1 scope; {denied.names.a}; {WEST}" in " ".join(err.split())) == (3, True)
    status, answer = api("/drs/failback", id="west-3")
    assert (status, answer["error"]) == (404, "SERVER_NOT_FOUND")
    assert_names_the_denied_scope(denied, answer["details"])
    denied.faults()
    sync_inventory("--full-scan")
    assert run_json("failback", "nobody", "-o", "json", exit_code=2)["error"] == "SERVER_NOT_FOUND"
    assert run_json("failback", "west-3", "-o", "json")["complete"] is True


def test_an_export_says_what_it_lacks(denied: EngineSandbox) -> None:
    body = run_json("failback", "--all", "-o", "json", exit_code=3)
    assert len(body["servers"]) == 6
    assert_names_the_denied_scope(denied, body)
    code, out, err = command("failback", "--all")
    assert code == 3
    assert len([*csv.DictReader(io.StringIO(out))]) == 6
    assert f"SCP_DENIED: 1 scope; {denied.names.a}; {WEST}" in err.replace("\n", " ")
    denied.faults()
    sync_inventory("--full-scan")
    assert run_json("failback", "--all", "-o", "json")["complete"] is True


def test_after_a_first_sync_that_was_cut_short_the_scopes_never_read_are_counted(sandbox: EngineSandbox) -> None:
    sync_inventory("--region", WEST, "--region", "eu-west-1")  # as a run that reached two of the eleven regions
    body = run_json("servers", exit_code=3)
    assert (body["count"], body["complete"]) == (11, False)
    (cause,) = body["unknownByCause"]
    assert (cause["code"], cause["scopes"], cause["accounts"]) == ("NEVER_SCANNED", 2 * (len(FEW_REGIONS) - 2), 2)
    assert cause["since"] is None
    assert cause["advice"] == "run drs-sync sync inventory"
    sync_inventory("--full-scan")
    assert run_json("servers")["complete"] is True


def test_a_first_sync_with_a_time_limit_leaves_an_answer_incomplete(
    sandbox: EngineSandbox, loop_clock: LoopClock
) -> None:
    sandbox.latency(loop_clock, drs=400)
    sandbox.set(SCOPES_AT_ONCE="1")
    report = sync_inventory("--time-limit", "5")
    entries = [entry for row in sandbox.status().values() for entry in row["accounts"].values()]
    unread = report["scopes"]["asked"] - sum("lastComplete" in entry for entry in entries)
    assert unread > 0
    sandbox.faults(deny=[{"account_id": name, "service": "drs"} for name in (sandbox.names.a, sandbox.names.b)])
    document = json.loads(command("servers", "--no-refresh", "-o", "json")[1])
    assert document["complete"] is False
    assert document["scopeStates"]["unknown"] == unread


def test_regions_shows_the_age_of_the_last_complete_scan_and_the_attempt_beside_it(sandbox: EngineSandbox) -> None:
    sync_inventory("--full-scan")
    table = sandbox.table("DRS_REGION_STATUS_TABLE")
    before = sandbox.status()[WEST]["accounts"][sandbox.names.b]["lastComplete"]
    long_ago = "2026-01-02T03:04:05+00:00"
    table.update_item(
        Key={"region": WEST},
        UpdateExpression="SET accounts.#account.lastComplete = :then",
        ExpressionAttributeNames={"#account": sandbox.names.b},
        ExpressionAttributeValues={":then": long_ago},
    )
    sandbox.faults(deny=[{"account_id": sandbox.names.b, "region": WEST, "service": "drs"}])
    sync_inventory("--region", WEST)
    body = run_json("regions", exit_code=3)
    (row,) = [each for each in body["regions"] if each["region"] == WEST]
    assert row["serverCount"] == 8
    assert parse_iso(row["lastComplete"]) == parse_iso(long_ago)
    assert row["ageSeconds"] > 86_400
    assert row["unknownAccounts"] == [sandbox.names.b]
    denied, read = row["accounts"][sandbox.names.b], row["accounts"][sandbox.names.a]
    assert (denied["state"], read["state"]) == ("unknown", "fresh")
    assert (denied["ageSeconds"], read["ageSeconds"] < 600) == (row["ageSeconds"], True)
    assert denied["lastAttempt"]["status"] == "IAM_PERMISSION_DENIED"
    assert "AccessDeniedException" in denied["lastAttempt"]["error"]
    assert denied["lastAttempt"]["at"] > before
    assert (read["lastAttempt"]["status"], read["lastAttempt"]["error"]) == ("ACTIVE", None)


def test_a_failed_attempt_stands_below_the_regions(sandbox: EngineSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sync_inventory("--full-scan")
    sandbox.faults(deny=[{"account_id": sandbox.names.b, "region": WEST, "service": "drs"}])
    sync_inventory("--region", WEST)
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = command("regions", "-o", "table")
    assert code == 0  # the last complete scan is recent
    assert max(map(len, out.splitlines())) <= 80
    text = " ".join(out.split())
    assert f"{sandbox.names.b} {WEST}: last attempt " in text
    assert "ago failed, last complete scan " in text
    assert "AccessDeniedException" in text


@pytest.mark.usefixtures("sandbox")
def test_an_empty_region_status_table_says_that_nothing_is_known() -> None:
    body = run_json("regions", exit_code=3)
    assert (body["regions"], body["message"]) == ([], "nothing is known yet: run drs-sync sync inventory")
    assert body["scopeStates"]["unknown"] == 2 * len(FEW_REGIONS)
    code, out, _ = command("regions", "-o", "table")
    assert code == 3
    assert "nothing is known yet: run drs-sync sync inventory" in out


def test_what_cannot_be_read_at_all_is_an_error_and_no_empty_list(sandbox: EngineSandbox) -> None:
    both = [{"account_id": name, "service": "drs"} for name in (sandbox.names.a, sandbox.names.b)]
    sandbox.faults(deny=both)
    body = run_json("servers", "--no-refresh", exit_code=1)
    assert (body["error"], body["complete"]) == ("SCOPES_UNREADABLE", False)
    assert body["scopeStates"]["unknown"] == 2 * len(FEW_REGIONS)
    status, answer = api("/drs/source-server-inventory")
    assert (status, answer["error"]) == (500, "SCOPES_UNREADABLE")
    assert answer["details"]["unknownByCause"][0]["code"] == "IAM_PERMISSION_DENIED"
    query.runtime.close()


def test_stale_servers_are_shown_but_none_of_them_matching_is_no_empty_list(sandbox: EngineSandbox) -> None:
    sync_inventory("--full-scan")
    sandbox.set(INVENTORY_FRESH_SECONDS="0.000001")  # the inventory is stale
    sandbox.faults(deny=[{"account_id": name, "service": "drs"} for name in (sandbox.names.a, sandbox.names.b)])
    body = run_json("servers", "--no-refresh", exit_code=3)
    assert (body["count"], {each["stale"] for each in body["servers"]}) == (11, {True})
    for arguments in (("servers", "--state", "STALLED"), ("extended",)):
        assert run_json(*arguments, "--no-refresh", exit_code=1)["error"] == "SCOPES_UNREADABLE"


def test_discovery_of_staging_accounts_without_access_is_an_error_that_old_clients_know(sandbox: EngineSandbox) -> None:
    sync_inventory("--full-scan")
    sandbox.set(INVENTORY_FRESH_SECONDS="0.000001")  # the inventory is stale
    sandbox.faults(deny=[{"account_id": sandbox.names.a, "service": "sts"}])
    sandbox.table("TARGET_ACCOUNTS_TABLE").update_item(
        Key={"accountId": sandbox.names.a},
        UpdateExpression="SET externalId = :wrong",
        ExpressionAttributeValues={":wrong": "not-the-one"},
    )
    path = f"/accounts/targets/{sandbox.names.a}/staging-accounts/discover"
    status, body = api(path)
    assert status == 500
    assert "AccessDenied" in body["error"]
    assert "stagingAccounts" not in body
    assert body["complete"] is False
    direct = query.lambda_handler(
        {"operation": "discover_staging_accounts", "queryParams": {"targetAccountId": sandbox.names.a}}, None
    )
    assert "AccessDenied" in direct["error"]
    assert "stagingAccounts" not in direct
    query.runtime.close()


@pytest.mark.usefixtures("sandbox")
def test_a_state_that_does_not_exist_is_refused_with_a_suggestion() -> None:
    body = run_json("servers", "--state", "STALED", exit_code=2)
    assert (body["error"], "did you mean STALLED?" in body["message"]) == ("INVALID_PARAMETER", True)
    status, answer = api("/drs/source-server-inventory", filters='{"replicationState": "STALED"}')
    assert (status, answer["error"]) == (400, "INVALID_PARAMETER")
    assert "did you mean STALLED?" in answer["message"]
    for arguments in (("servers", "--region"), ("extended", "--region"), ("sync", "inventory", "--region")):
        assert "did you mean us-west-2?" in run_json(*arguments, "us-wset-2", exit_code=2)["message"]
    assert "STALLED" in command("servers", "--help")[1]
