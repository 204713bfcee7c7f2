"""Allow-lists of operations: the session refuses an undeclared operation before anything is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest

from service.aws.client import AwsClient
from service.aws.operations import (
    DOCTOR_OPERATIONS,
    READ_OPERATIONS,
    READ_WRITE_OPERATIONS,
    SIGN_IN_OPERATIONS,
    TABLE_OPERATIONS,
    Operations,
    UndeclaredOperationError,
    reject_undeclared,
)
from service.query_app import open_query_app
from service.settings import Settings, load_settings
from tests.support.sandbox import EngineSandbox

_TTL = {"AttributeName": "TTL", "Enabled": True}
WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("dynamodb", "PutItem", {"TableName": "t", "Item": {"region": {"S": "x"}}}),
    ("dynamodb", "UpdateItem", {"TableName": "t", "Key": {"region": {"S": "x"}}}),
    ("dynamodb", "DeleteItem", {"TableName": "t", "Key": {"region": {"S": "x"}}}),
    ("dynamodb", "BatchWriteItem", {"RequestItems": {"t": [{"DeleteRequest": {"Key": {"region": {"S": "x"}}}}]}}),
    ("dynamodb", "DeleteTable", {"TableName": "t"}),
    ("dynamodb", "UpdateTimeToLive", {"TableName": "t", "TimeToLiveSpecification": _TTL}),
    ("drs", "CreateExtendedSourceServer", {"sourceServerArn": "arn:aws:drs:us-west-2:1:source-server/s-1"}),
    ("drs", "TagResource", {"resourceArn": "arn:aws:drs:us-west-2:1:source-server/s-1", "tags": {"a": "b"}}),
    ("drs", "UpdateLaunchConfiguration", {"sourceServerID": "s-3b8f0c91d27a4e56f", "copyTags": True}),
    ("drs", "DeleteSourceServer", {"sourceServerID": "s-3b8f0c91d27a4e56f"}),
    ("ec2", "TerminateInstances", {"InstanceIds": ["i-1"]}),
]


@pytest.mark.parametrize(("service", "operation", "params"), WRITES)
async def test_a_write_is_refused_and_nothing_is_sent(
    service: str, operation: str, params: dict[str, Any], sandbox: EngineSandbox
) -> None:
    async with AwsClient(Settings(), lambda: datetime.now(UTC), allowed=READ_OPERATIONS) as aws_client:
        with pytest.raises(UndeclaredOperationError, match=f"{service}:{operation}"):
            await aws_client.hub().call(service, operation, params, region="us-east-1")
    assert sandbox.calls() == {}


async def test_the_query_function_can_only_read(sandbox: EngineSandbox) -> None:
    async with open_query_app(load_settings()) as app:
        table = app.status._table
        assert table is not None
        with pytest.raises(UndeclaredOperationError, match="dynamodb:PutItem"):
            await table.call("PutItem", {"Item": {"region": {"S": "x"}}})
    assert sandbox.calls() == {}


async def test_reads_pass(sandbox: EngineSandbox) -> None:
    async with AwsClient(Settings(), lambda: datetime.now(UTC), allowed=READ_OPERATIONS) as aws_client:
        assert (await aws_client.identity()).account_id == sandbox.names.hub
        answer = await aws_client.hub().call("drs", "DescribeSourceServers", {}, region=_initialised(sandbox))
        assert answer["items"] == []


def _initialised(sandbox: EngineSandbox) -> str:
    sandbox.add(sandbox.names.hub, "us-west-2", servers=0)
    return "us-west-2"


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        ("drs", "DeleteSourceServer", {"sourceServerID": "s-3b8f0c91d27a4e56f"}),
        ("dynamodb", "DeleteTable", {"TableName": "t"}),
        ("events", "DeleteRule", {"Name": "r"}),
        ("ec2", "TerminateInstances", {"InstanceIds": ["i-1"]}),
    ],
)
async def test_undeclared_operations_are_refused_to_data_management_too(
    service: str, operation: str, params: dict[str, Any], sandbox: EngineSandbox
) -> None:
    async with AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client:
        with pytest.raises(UndeclaredOperationError, match=f"{service}:{operation}"):
            await aws_client.hub().call(service, operation, params, region="us-east-1")
    assert sandbox.calls() == {}


@pytest.mark.parametrize(
    "service", ["drs", "dynamodb", "ec2", "sts", "lambda", "events", "iam", "sso", "sso-oidc", "signin"]
)
@pytest.mark.parametrize(
    "allowed",
    [READ_OPERATIONS, READ_WRITE_OPERATIONS, DOCTOR_OPERATIONS, TABLE_OPERATIONS],
    ids=["reads", "manages", "examines", "creates"],
)
def test_only_the_listed_operations_pass(allowed: Operations, service: str) -> None:
    model = botocore.session.get_session().get_service_model(service)
    refuse, passed = reject_undeclared(allowed), set()
    for name in model.operation_names:
        try:
            refuse(model.operation_model(name))
        except UndeclaredOperationError:
            continue
        passed.add(name)
    assert passed == allowed.get(service, frozenset()) | SIGN_IN_OPERATIONS.get(service, frozenset())


@pytest.mark.parametrize(
    ("service", "operation"), [(name, each) for name, some in SIGN_IN_OPERATIONS.items() for each in some]
)
def test_sign_in_operations_are_not_signed(service: str, operation: str) -> None:
    model = botocore.session.get_session().get_service_model(service).operation_model(operation)
    assert model.auth_type == "none"


def test_operations_allowed_to_queries_are_reads_by_name() -> None:
    words = ("Describe", "Get", "List", "Query", "Scan", "BatchGet", "AssumeRole")
    odd = {
        (service, name) for service, names in READ_OPERATIONS.items() for name in names if not name.startswith(words)
    }
    assert odd == {("lambda", "Invoke")}  # starts the data-management function, which may write
