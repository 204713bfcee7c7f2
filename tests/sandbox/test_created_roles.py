"""Roles and functions that an administrator creates in the sandbox, as an installation does."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.logs.models import logs_backends

from service.sandbox.function_runner import is_runnable, run_function
from tests.sandbox.conftest import HUB

NO_ROLE = "555500005555"
Client = Callable[..., Any]


@pytest.fixture
def members(members: dict[str, Any]) -> dict[str, Any]:
    members["accounts"] = [each for each in members["accounts"] if each["account_id"] != NO_ROLE]
    members["accounts"].append({"account_id": NO_ROLE, "role": None})
    return members


def administrator(client: Client, service: str) -> Any:
    key = {"AccessKeyId": f"AKIA0000{NO_ROLE}", "SecretAccessKey": "any", "SessionToken": None}
    return client(service, credentials=key)


def test_an_administrator_creates_the_role_that_the_hub_assumes(client: Client) -> None:
    assert administrator(client, "sts").get_caller_identity()["Account"] == NO_ROLE
    role_arn = f"arn:aws:iam::{NO_ROLE}:role/Entered"
    request = {"RoleArn": role_arn, "RoleSessionName": "test-session"}
    sts = client("sts")
    with pytest.raises(ClientError, match="AccessDenied"):
        sts.assume_role(**request, ExternalId="agreed-upon")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{HUB}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "agreed-upon"}},
    }
    stranger = {**statement, "Principal": {"AWS": "arn:aws:iam::000000000000:root"}}
    iam = administrator(client, "iam")
    for name, trusted in (("Entered", statement), ("Strange", stranger)):
        policy = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy)
    assert sts.assume_role(**request, ExternalId="agreed-upon")["Credentials"]
    for denied in (
        {**request, "ExternalId": "another"},
        request,
        {**request, "RoleArn": f"arn:aws:iam::{NO_ROLE}:role/Strange", "ExternalId": "agreed-upon"},
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            sts.assume_role(**denied)


def function(handler: str, **environment: str) -> Any:
    """Return what moto knows about a function; no log group has its name."""
    return SimpleNamespace(
        handler=handler,
        function_name="worker",
        region="us-east-1",
        account_id=HUB,
        timeout=60,
        environment_vars=environment,
    )


def test_a_function_that_cannot_start_is_an_answer_with_the_error() -> None:
    assert not is_runnable(function("index.lambda_handler"))
    broken = function("service.handlers.nothing.lambda_handler")
    assert is_runnable(broken)
    logs = logs_backends[HUB]["us-east-1"]
    logs.create_log_group("/aws/lambda/worker", tags={})
    response = run_function(broken, {}, "http://127.0.0.1:9", "AKIASANDBOXHUB000000")
    assert ("X-Amz-Function-Error", "Unhandled") in response.headers
    assert "No module named 'service.handlers.nothing'" in json.loads(response.body)["errorMessage"]
    events = logs.groups["/aws/lambda/worker"].streams["sandbox"].events
    assert events[0].message == "Traceback (most recent call last):"
    logs.delete_log_group("/aws/lambda/worker")


def test_a_function_whose_time_is_up_is_an_answer_with_the_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        late = function("service.handlers.query.lambda_handler", TARGET_ACCOUNTS_TABLE="targets")
        late.timeout = 1
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        response = run_function(late, {"operation": "get_source_server_inventory"}, endpoint, "AKIASANDBOXHUB000000")
    assert ("X-Amz-Function-Error", "Unhandled") in response.headers
    assert json.loads(response.body)["errorMessage"] == "Task timed out after 1 seconds"


def test_a_function_has_its_own_environment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET_ACCOUNTS_TABLE", "of-this-process")
    query = function("service.handlers.query.lambda_handler")
    payload = {"operation": "get_source_server_inventory", "queryParams": {}}
    response = run_function(query, payload, "http://127.0.0.1:9", "AKIASANDBOXHUB000000")
    assert b"TARGET_ACCOUNTS_TABLE" in response.body  # it is not set
