"""`drs-sync accounts`, run as a user runs it."""

from __future__ import annotations

import pytest

from tests.cli.test_command_line import drs_sync
from tests.cli.test_servers import run_json
from tests.support.estate import Estate, new_account_id

EXTERNAL_ID = "drs-orchestration-cross-account"


def _record(estate: Estate) -> dict[str, object]:
    table = estate.table("TARGET_ACCOUNTS_TABLE")
    item: dict[str, object] = table.get_item(Key={"accountId": estate.names.a})["Item"]
    return item


def test_a_staging_account_comes_and_goes(estate: Estate) -> None:
    target, staging = estate.names.a, new_account_id()
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
    assert _record(estate)["stagingAccounts"] == []
    assert run_json(*remove, exit_code=2)["error"] == "NOT_FOUND"


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
def test_bad_input_exits_2_and_changes_nothing(estate: Estate, target: str, more: list[str], code: str) -> None:
    before = _record(estate)
    arguments = [target or estate.names.a, new_account_id(), "--name", "S", *more]
    assert run_json("accounts", "add-staging", *arguments, exit_code=2)["error"] == code
    assert _record(estate) == before


def test_validate_shows_what_aws_says(estate: Estate) -> None:
    arguments = ("accounts", "validate", estate.names.a, "--region", "us-west-2", "--external-id")
    body = run_json(*arguments, EXTERNAL_ID)
    assert (body["valid"], body["currentServers"]) == (True, 6)
    refused = run_json(*arguments, "another-id", exit_code=1)
    assert (refused["valid"], refused["roleAccessible"]) == (False, False)
    assert "AccessDenied" in drs_sync(*arguments, "another-id", "-o", "table", COLUMNS="200").stdout
    assert run_json(*arguments, "?", exit_code=2)["error"] == "INVALID_PARAMETER"
    estate.faults(fail=[{"service": "sts", "operation": "AssumeRole", "times": None, "error": "ServiceUnavailable"}])
    assert run_json(*arguments, EXTERNAL_ID, exit_code=1)["error"] == "INTERNAL_ERROR"


def test_the_list_says_which_records_cannot_be_used_and_why(estate: Estate) -> None:
    table, staging = estate.table("TARGET_ACCOUNTS_TABLE"), new_account_id()
    table.put_item(Item={"accountId": "mars"})
    foreign = f"arn:aws:iam::{estate.names.apps}:role/R"
    table.put_item(Item={"accountId": estate.names.hub, "accountName": "Hub", "isCurrentAccount": True})
    table.put_item(
        Item={
            "accountId": estate.names.b,
            "accountName": "B",
            "roleArn": foreign,
            "stagingAccounts": [{"accountId": staging, "accountName": "S"}],
        }
    )
    accounts = {account["accountId"]: account for account in run_json("accounts", "list", exit_code=3)["accounts"]}
    assert {account_id: account["usable"] for account_id, account in accounts.items()} == {
        "mars": False,
        estate.names.hub: True,
        estate.names.a: True,
        estate.names.b: False,
    }
    assert f"belongs to account {estate.names.apps}" in accounts[estate.names.b]["reason"]
    (shown,) = accounts[estate.names.b]["stagingAccounts"]
    assert (shown["accountId"], shown["accountName"], shown["usable"]) == (staging, "S", True)
    assert run_json("accounts", "list", exit_code=1, TARGET_ACCOUNTS_TABLE="no-such")["error"] == (
        "ResourceNotFoundException"
    )
    assert run_json("accounts", "list", exit_code=2, TARGET_ACCOUNTS_TABLE="")["error"] == "Configuration"
