"""`drs-sync accounts`, run as a user runs it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from service.accounts.registration import target_record
from service.app import open_app
from service.cli.main import run
from service.errors import RefusalError
from service.settings import load_settings
from tests.cli.test_command_line import drs_sync
from tests.cli.test_servers import run_json
from tests.support.command import start
from tests.support.sandbox import EngineSandbox, new_account_id

EXTERNAL_ID = "drs-orchestration-cross-account"


def _record(sandbox: EngineSandbox) -> dict[str, object]:
    table = sandbox.table("TARGET_ACCOUNTS_TABLE")
    item: dict[str, object] = table.get_item(Key={"accountId": sandbox.names.a})["Item"]
    return item


def test_a_staging_account_comes_and_goes(sandbox: EngineSandbox) -> None:
    target, staging = sandbox.names.a, new_account_id()
    run_json("sync", "inventory", "--full-scan")
    add = ("accounts", "add-staging", target, staging, "--name", "Staging [bold]\x1b", "--external-id", EXTERNAL_ID)
    body = run_json(*add)
    assert body["success"] is True
    (added,) = body["stagingAccounts"]
    assert (added["accountId"], added["addedBy"]) == (staging, "user")
    assert added["roleArn"] == f"arn:aws:iam::{staging}:role/DRSOrchestrationRole"
    assert run_json(*add, exit_code=2)["error"] == "STAGING_ACCOUNT_EXISTS"
    shown = drs_sync("accounts", "list", "-o", "table", COLUMNS="200")
    assert shown.returncode == 0
    assert "Staging [bold]\N{REPLACEMENT CHARACTER}" in shown.stdout
    remove = ("accounts", "remove-staging", target, staging)
    removed = drs_sync(*remove, "-o", "table", COLUMNS="200")
    assert removed.returncode == 0
    assert f"Removed staging account {staging}" in removed.stdout
    assert _record(sandbox)["stagingAccounts"] == []
    assert run_json(*remove, exit_code=2)["error"] == "NOT_FOUND"
    unknown = ("accounts", "remove-staging", "999999999999", staging)
    assert run_json(*unknown, exit_code=2)["error"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("target", "more", "code"),
    [
        ("12", ["--external-id", EXTERNAL_ID], "INVALID_FORMAT"),
        ("999999999999", ["--external-id", EXTERNAL_ID], "TARGET_ACCOUNT_NOT_FOUND"),
        ("", ["--external-id", "?"], "VALIDATION_ERROR"),
        ("", ["--external-id", EXTERNAL_ID, "--role-arn", "arn:aws:iam::111122223333:role/R"], "VALIDATION_ERROR"),
        ("", [], "Usage"),
    ],
)
def test_bad_input_exits_2_and_changes_nothing(sandbox: EngineSandbox, target: str, more: list[str], code: str) -> None:
    before = _record(sandbox)
    arguments = [target or sandbox.names.a, new_account_id(), "--name", "S", *more]
    assert run_json("accounts", "add-staging", *arguments, exit_code=2)["error"] == code
    assert _record(sandbox) == before


def test_validate_shows_what_aws_says(sandbox: EngineSandbox) -> None:
    arguments = ("accounts", "validate", sandbox.names.a, "--region", "us-west-2", "--external-id")
    body = run_json(*arguments, EXTERNAL_ID)
    assert (body["valid"], body["currentServers"]) == (True, 6)
    refused = run_json(*arguments, "another-id", exit_code=1)
    assert (refused["valid"], refused["roleAccessible"]) == (False, False)
    assert "AccessDenied" in drs_sync(*arguments, "another-id", "-o", "table", COLUMNS="200").stdout
    assert run_json(*arguments, "?", exit_code=2)["error"] == "INVALID_PARAMETER"
    sandbox.faults(fail=[{"service": "sts", "operation": "AssumeRole", "times": None, "error": "ServiceUnavailable"}])
    assert run_json(*arguments, EXTERNAL_ID, exit_code=1)["error"] == "INTERNAL_ERROR"


def test_the_list_says_which_records_cannot_be_used_and_why(sandbox: EngineSandbox) -> None:
    table, staging = sandbox.table("TARGET_ACCOUNTS_TABLE"), new_account_id()
    table.put_item(Item={"accountId": "mars"})
    foreign = f"arn:aws:iam::{sandbox.names.apps}:role/R"
    table.put_item(Item={"accountId": sandbox.names.hub, "accountName": "Hub", "isCurrentAccount": True})
    table.put_item(
        Item={
            "accountId": sandbox.names.b,
            "accountName": "B",
            "roleArn": foreign,
            "stagingAccounts": [{"accountId": staging, "accountName": "S"}],
        }
    )
    accounts = {account["accountId"]: account for account in run_json("accounts", "list", exit_code=3)["accounts"]}
    assert {account_id: account["usable"] for account_id, account in accounts.items()} == {
        "mars": False,
        sandbox.names.hub: True,
        sandbox.names.a: True,
        sandbox.names.b: False,
    }
    assert f"belongs to account {sandbox.names.apps}" in accounts[sandbox.names.b]["reason"]
    (shown,) = accounts[sandbox.names.b]["stagingAccounts"]
    assert (shown["accountId"], shown["accountName"], shown["usable"]) == (staging, "S", True)
    assert run_json("accounts", "list", exit_code=1, TARGET_ACCOUNTS_TABLE="no-such")["error"] == (
        "ResourceNotFoundException"
    )
    assert run_json("accounts", "list", exit_code=2, TARGET_ACCOUNTS_TABLE="")["error"] == "Configuration"


def test_an_added_account_is_synced_and_a_removed_one_is_not(sandbox: EngineSandbox) -> None:
    target, table = sandbox.names.b, sandbox.table("TARGET_ACCOUNTS_TABLE")
    table.delete_item(Key={"accountId": target})
    refused = run_json("sync", "inventory", "--account", target, exit_code=2)
    assert f"drs-sync accounts add {target}" in refused["message"]
    body = run_json("accounts", "add", target, "--name", "Payments")
    assert body["account"] == table.get_item(Key={"accountId": target})["Item"]
    assert body["account"] == {
        "accountId": target,
        "accountName": "Payments",
        "status": "active",
        "isCurrentAccount": False,
        "roleArn": f"arn:aws:iam::{target}:role/DRSOrchestrationRole",
        "externalId": EXTERNAL_ID,
        "stagingAccounts": [],
        "createdAt": body["account"]["createdAt"],
        "updatedAt": body["account"]["createdAt"],
        "createdBy": "user",
    }
    assert run_json("sync", "inventory", "--account", target, "--full-scan")["serversSynced"] > 0
    before = table.get_item(Key={"accountId": target})["Item"]
    again = run_json("accounts", "add", target, "--name", "Other", exit_code=2)
    assert (again["error"], table.get_item(Key={"accountId": target})["Item"]) == ("TARGET_ACCOUNT_EXISTS", before)

    assert run_json("accounts", "remove", target)["account"] == before
    assert "Item" not in table.get_item(Key={"accountId": target})
    assert run_json("accounts", "remove", target, exit_code=2)["error"] == "TARGET_ACCOUNT_NOT_FOUND"
    run_json("sync", "inventory", "--full-scan")
    servers = run_json("servers")["servers"]
    assert {server["accountId"] for server in servers} == {sandbox.names.a}


def test_the_hub_is_added_without_a_role(sandbox: EngineSandbox) -> None:
    hub = sandbox.names.hub
    record = run_json("accounts", "add", hub, "--name", "Hub")["account"]
    assert (record["isCurrentAccount"], {"roleArn", "externalId"} & record.keys()) == (True, set())
    run_json("accounts", "remove", hub)
    refused = run_json("accounts", "add", hub, "--external-id", "e1", exit_code=2)
    assert "targetAccount.externalId" in refused["message"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["12"], "INVALID_FORMAT"),
        (["999999999999", "--external-id", "?"], "VALIDATION_ERROR"),
        (["999999999999", "--name", " "], "VALIDATION_ERROR"),
        (["999999999999", "--role-arn", ""], "VALIDATION_ERROR"),
        (["999999999999", "--role-arn", "arn:aws:iam::111122223333:role/R"], "VALIDATION_ERROR"),
        ([], "Usage"),
    ],
)
def test_an_account_that_cannot_be_used_is_not_added(sandbox: EngineSandbox, arguments: list[str], code: str) -> None:
    before = sandbox.table("TARGET_ACCOUNTS_TABLE").scan()["Items"]
    assert run_json("accounts", "add", *arguments, exit_code=2)["error"] == code
    assert sandbox.table("TARGET_ACCOUNTS_TABLE").scan()["Items"] == before


async def test_a_write_whose_response_was_lost_is_no_conflict(sandbox: EngineSandbox) -> None:
    target = new_account_id()
    values: dict[str, Any] = {"partition": "aws", "hub_account_id": sandbox.names.hub}
    record = target_record(target, now=datetime(2026, 1, 1, tzinfo=UTC), **values)
    async with open_app(load_settings()) as app:
        await app.target_accounts().add(record)
        await app.target_accounts().add(record)  # as the retry of a call that DynamoDB had carried out
        with pytest.raises(RefusalError, match="target account already"):
            await app.target_accounts().add(target_record(target, now=datetime(2026, 1, 2, tzinfo=UTC), **values))


def test_an_odd_record_is_removed_and_shown(sandbox: EngineSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    record = {"accountId": sandbox.names.b, "note": b"\x00", "n": Decimal("1.5"), "stagingAccounts": ["x"]}
    sandbox.table("TARGET_ACCOUNTS_TABLE").put_item(Item=record)
    assert run_json("accounts", "remove", sandbox.names.b)["account"]["n"] == 1.5
    assert run(["accounts", "add", sandbox.names.b, "--name", "[bold]B", "-o", "table"]) == 0
    out = capsys.readouterr().out
    assert f"Added target account [bold]B ({sandbox.names.b})" in out
    assert "accountName" in out
    assert "staging accounts" not in out


@pytest.mark.parametrize(
    ("typed", "more", "code"), [("n\n", (), 2), ("\x04", (), 2), ("y\n", (), 0), ("", ("--yes",), 0)]
)
def test_remove_asks_on_a_terminal(sandbox: EngineSandbox, typed: str, more: tuple[str, ...], code: int) -> None:
    ours, theirs = os.openpty()
    with start("accounts", "remove", sandbox.names.a, *more, stdin=theirs, stderr=theirs) as process:
        os.write(ours, typed.encode())
        process.communicate()
    os.close(ours)
    os.close(theirs)
    assert process.returncode == code
    assert ("Item" in sandbox.table("TARGET_ACCOUNTS_TABLE").get_item(Key={"accountId": sandbox.names.a})) == (
        code == 2
    )


def test_a_staging_account_with_a_number_as_id_gets_one_verdict_in_every_command(sandbox: EngineSandbox) -> None:
    table, staging = sandbox.table("TARGET_ACCOUNTS_TABLE"), new_account_id()
    table.update_item(
        Key={"accountId": sandbox.names.b},
        UpdateExpression="SET stagingAccounts = :s",
        ExpressionAttributeValues={":s": [{"accountId": int(staging), "accountName": "S"}]},
    )
    verdict = f"has the number {staging} as accountId: it has to be text of 12 digits"
    accounts = {each["accountId"]: each for each in run_json("accounts", "list", exit_code=3)["accounts"]}
    (shown,) = accounts[sandbox.names.b]["stagingAccounts"]
    assert (shown["usable"], verdict in shown["reason"]) == (False, True)
    report = run_json("sync", "staging", "--account", sandbox.names.b, exit_code=3)
    (error,) = [each for each in report["errors"] if each["errorClass"] == "InvalidStagingRecord"]
    findings = run_json("doctor", "--account", sandbox.names.b, "--region", "us-west-2", exit_code=1)["findings"]
    (found,) = [each for each in findings if each["check"] == "accounts" and each["status"] == "failed"]
    assert verdict in error["message"]
    assert (found["cause"], found["cure"]) == (f"{error['cause']}: {error['message']}", error["advice"])
    run_json("accounts", "remove-staging", sandbox.names.b, staging)
    (stored,) = [each for each in table.scan()["Items"] if each["accountId"] == sandbox.names.b]
    assert stored["stagingAccounts"] == []
