"""Account ids and ARNs of another account: a request about one account never assumes a role in another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from service.app import open_app
from service.errors import AwsError
from service.handlers import data_management, query
from service.sandbox.identity_store import IdentityStore
from service.settings import load_settings
from tests.support.sandbox import EngineSandbox

EXTERNAL_ID = "drs-orchestration-cross-account"


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list to which the simulated STS appends the role ARN of each AssumeRole call."""
    assumed: list[str] = []
    check = IdentityStore.check_assume_role

    def record(self: IdentityStore, call: Any, caller: Any) -> Any:
        assumed.append(call.form["RoleArn"])
        return check(self, call, caller)

    monkeypatch.setattr(IdentityStore, "check_assume_role", record)
    return assumed


@pytest.fixture
def functions(sandbox: EngineSandbox) -> Iterator[EngineSandbox]:
    yield sandbox
    data_management.runtime.close()
    query.runtime.close()


def _role(account_id: str, name: str = "DRSOrchestrationRole") -> str:
    return f"arn:aws:iam::{account_id}:role/{name}"


def _request(method: str, path: str, body: Any) -> dict[str, Any]:
    return {
        "httpMethod": method,
        "path": path,
        "requestContext": {"httpMethod": method},
        "pathParameters": None,
        "queryStringParameters": None,
        "body": json.dumps(body),
    }


ELSEWHERE = (
    _role("999999999999"),
    "arn:aws:iam::{other}:role/DRSOrchestrationRole",
    "arn:aws:iam::{own}:role/DRSOrchestrationRole\narn:aws:iam::{other}:role/X",
    "arn:aws:iam::{own}:user/DRSOrchestrationRole",
    "arn:aws:sts::{other}:assumed-role/DRSOrchestrationRole/x",
    "arn:aws:iam::{other}:role/arn:aws:iam::{own}:role/DRSOrchestrationRole",
    "*",
)


@pytest.mark.parametrize("arn", ELSEWHERE)
def test_a_body_cannot_lead_into_another_account(arn: str, functions: EngineSandbox, entered: list[str]) -> None:
    own, other = functions.names.a, functions.names.b
    named = arn.format(own=own, other=other)
    given = {"accountId": own, "roleArn": named, "externalId": EXTERNAL_ID, "region": "us-west-2"}
    answers = [
        query.lambda_handler(_request("POST", "/staging-accounts/validate", given), None),
        data_management.lambda_handler(
            _request("POST", f"/accounts/targets/{other}/staging-accounts", {**given, "accountName": "x"}), None
        ),
    ]
    assert [answer["statusCode"] for answer in answers] == [400, 400]
    assert entered == []


def test_a_body_about_the_account_itself_leads_there(functions: EngineSandbox, entered: list[str]) -> None:
    own = functions.names.a
    given = {"accountId": own, "roleArn": _role(own), "externalId": EXTERNAL_ID, "region": "us-west-2"}
    answer = query.lambda_handler(_request("POST", "/staging-accounts/validate", given), None)
    assert json.loads(answer["body"])["valid"] is True
    assert entered == [_role(own)]


async def test_direct_callers_cannot_lead_into_another_account(functions: EngineSandbox, entered: list[str]) -> None:
    own, other = functions.names.a, functions.names.b
    arn = f"arn:aws:drs:us-west-2:{other}:source-server/s-00000000000000001"
    async with open_app(load_settings()) as app:
        access = await app.staging_access(writes=True)
        for call in (
            lambda: data_management.extend_source_server(access, own, _role(other), EXTERNAL_ID, arn),
            lambda: data_management.get_extended_source_servers(access, own, _role(other), EXTERNAL_ID, ["us-west-2"]),
            lambda: data_management.get_staging_account_servers(access, own, _role(other), EXTERNAL_ID, ["us-west-2"]),
        ):
            with pytest.raises(AwsError, match=f"belongs to account {other}"):
                await call()
    assert entered == []


def test_a_caller_cannot_choose_the_role_of_the_tag_sync(functions: EngineSandbox, entered: list[str]) -> None:
    body = {"accountId": functions.names.a, "assumeRoleName": "Administrator"}
    answer = data_management.lambda_handler(_request("POST", "/drs/tag-sync", body), None)
    assert answer["statusCode"] == 400
    assert entered == []


@pytest.mark.parametrize(
    ("attributes", "role"),
    [
        ({"roleArn": "{b}"}, None),
        ({"roleArn": "{b}", "assumeRoleName": "DRSOrchestrationRole"}, None),
        ({"crossAccountRoleArn": "{b}", "roleArn": ""}, None),
        ({"roleArn": "", "assumeRoleName": "DRSOrchestrationRole"}, "DRSOrchestrationRole"),
        ({"roleArn": "", "assumeRoleName": "Administrator"}, None),  # not the name in CROSS_ACCOUNT_ROLE_NAME
        ({"roleArn": "", "assumeRoleName": "../Administrator"}, None),
        ({"roleArn": "arn:aws:iam::{a_id}:role/Administrator"}, None),
        ({"roleArn": "arn:aws:iam::{a_id}:role/DRSOrchestrationRole/Administrator"}, None),
        ({"isCurrentAccount": True, "roleArn": "{b}"}, None),  # claims to be the hub
    ],
)
def test_a_record_cannot_lead_into_another_account_or_role(
    attributes: dict[str, Any], role: str | None, functions: EngineSandbox, entered: list[str]
) -> None:
    """Write access to the accounts table gives no access beyond the named role of the account of each record."""
    a, b = functions.names.a, functions.names.b
    functions.set(CROSS_ACCOUNT_ROLE_NAME="DRSOrchestrationRole")
    table = functions.table("TARGET_ACCOUNTS_TABLE")
    table.delete_item(Key={"accountId": b})
    record = table.get_item(Key={"accountId": a})["Item"]
    given = {
        name: value.replace("{b}", _role(b)).replace("{a_id}", a) if isinstance(value, str) else value
        for name, value in attributes.items()
    }
    table.put_item(Item={**record, **given})
    answer = data_management.lambda_handler(
        {"operation": "sync_source_server_inventory", "body": {"accountIds": [a]}}, None
    )
    allowed = {_role(a, role)} if role else set()
    assert set(entered) - {_role(functions.names.apps)} == allowed
    if not allowed:
        assert answer["status"] == "failed"
        assert {error["accountId"] for error in answer["errors"]} == {a}
        assert functions.items() == []


def test_a_role_of_another_name_is_reported_with_what_to_fix(functions: EngineSandbox) -> None:
    functions.set(CROSS_ACCOUNT_ROLE_NAME="SomeOtherRole")
    answer = data_management.lambda_handler({"operation": "sync_source_server_inventory"}, None)
    assert {error["code"] for error in answer["errors"]} == {"RoleNotAllowed"}
    assert {error["status"] for error in answer["errors"]} == {"IAM_PERMISSION_DENIED"}
    assert all("CROSS_ACCOUNT_ROLE_NAME" in error["message"] for error in answer["errors"])
