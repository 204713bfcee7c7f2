"""Responses with a status of success that do not show that a write was done: never a success, and sent again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from service.aws import client as client_module
from service.aws.client import AwsClient
from service.aws.conditional_write import put
from service.aws.drs_write import DrsWriter
from service.aws.dynamodb_write import Table
from service.aws.eventbridge import EventBus, ScheduleRule
from service.aws.lambda_ import LambdaInvoker
from service.aws.operations import READ_OPERATIONS, READ_WRITE_OPERATIONS
from service.aws.response_check import WRITE_RESPONSES
from service.errors import AwsError
from service.settings import Settings
from tests.support.scripted import answer, scripted_aws

REGION: Final = "us-east-1"
SERVER: Final = "s-1234567890abcdef0"
ARN: Final = f"arn:aws:drs:{REGION}:222200000001:source-server/{SERVER}"
OWN_ARN: Final = f"arn:aws:drs:{REGION}:111100000001:source-server/{SERVER}"
ERROR: Final = {"__type": "ThrottlingException"}
AREA: Final = {"status": "EXTENDED", "stagingAccountID": "222200000001", "stagingSourceServerArn": ARN}


def _writer(aws_client: AwsClient) -> DrsWriter:
    return DrsWriter(aws_client.hub())


def _table(aws_client: AwsClient) -> Table:
    return Table(aws_client.hub(), "t", REGION)


async def _advance(aws_client: AwsClient) -> Any:
    return await _table(aws_client).advance({"id": "x"}, {"a": 1}, "fence", "attribute_exists(#id)", {}, base=5)


async def _put_rule(aws_client: AwsClient) -> Any:
    return await ScheduleRule(aws_client.hub(), "rule", REGION).write({}, expression="rate(1 hour)", enabled=True)


WRITES: Final[dict[str, Callable[[AwsClient], Awaitable[Any]]]] = {
    "CreateExtendedSourceServer": lambda aws_client: _writer(aws_client).extend(REGION, ARN),
    "TagResource": lambda aws_client: _writer(aws_client).tag(REGION, ARN, {"a": "b"}),
    "UpdateLaunchConfiguration": lambda aws_client: _writer(aws_client).copy_tags_at_launch(REGION, SERVER),
    "BatchWriteItem": lambda aws_client: _table(aws_client).put_many([{"id": "x"}]),
    "PutItem": lambda aws_client: _table(aws_client).put_if({"id": "x"}, "attribute_not_exists(#id)"),
    "DeleteItem": lambda aws_client: _table(aws_client).delete_if({"id": "x"}, "attribute_exists(#id)", {}),
    "UpdateItem": lambda aws_client: _table(aws_client).update_if({"id": "x"}, {"a": 1}, "attribute_exists(#id)"),
    "TransactWriteItems": lambda aws_client: _table(aws_client).write_each([put({"id": each}) for each in "xy"]),
    "PutEvents": lambda aws_client: EventBus(aws_client.hub(), "bus", REGION).put([{"Source": "a", "Detail": "{}"}]),
    "PutRule": _put_rule,
    "Invoke": lambda aws_client: LambdaInvoker(aws_client.hub(), REGION).invoke_later("f", {}),
}
GOOD: Final[dict[str, tuple[Any, int]]] = {
    "CreateExtendedSourceServer": ({"sourceServer": {"arn": OWN_ARN, "stagingArea": AREA}}, 201),
    "UpdateLaunchConfiguration": ({"sourceServerID": SERVER, "copyTags": True}, 200),
    "BatchWriteItem": ({"UnprocessedItems": {}}, 200),
    "PutEvents": ({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}, 200),
    "PutRule": ({"RuleArn": "arn:aws:events:us-east-1:111100000001:rule/rule"}, 200),
    "Invoke": ({}, 202),
}
"""A real response of each write; an empty object for the others."""

MALFORMED: Final = [
    *((operation, ERROR, 200) for operation in WRITES if operation != "Invoke"),
    *((operation, {}, 200) for operation in GOOD),
    ("CreateExtendedSourceServer", {}, 201),
    ("CreateExtendedSourceServer", {"sourceServer": {}}, 201),
    ("CreateExtendedSourceServer", {"sourceServer": None}, 201),
    ("BatchWriteItem", {"UnprocessedItems": None}, 200),
]


def test_every_write_is_declared_with_what_its_response_has() -> None:
    """An operation that is new in the allow-list fails here until its response is looked up in the API."""
    writes = {
        (service, operation)
        for service, operations in READ_WRITE_OPERATIONS.items()
        for operation in operations - READ_OPERATIONS.get(service, frozenset())
        if not operation.startswith(("Describe", "Get", "List"))
    }
    declared = {(service, operation) for service, operations in WRITE_RESPONSES.items() for operation in operations}
    assert declared == writes | {("lambda", "Invoke")}
    assert {operation for _, operation in declared} == set(WRITES)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "backoff_s", lambda *_, **__: 0.01)


def _client() -> AwsClient:
    return AwsClient(Settings(), lambda: datetime.now(UTC))


@pytest.mark.parametrize("operation", WRITES)
async def test_a_real_response_is_a_success_at_once(operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body, status = GOOD.get(operation, ({}, 200))
    async with scripted_aws(lambda _: answer(body, status), monkeypatch) as aws, _client() as aws_client:
        await WRITES[operation](aws_client)
    assert len(aws.requests) == 1


@pytest.mark.parametrize(("operation", "body", "status"), MALFORMED)
async def test_a_response_that_does_not_show_the_write_is_malformed(
    operation: str, body: Any, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scripted_aws(lambda _: answer(body, status), monkeypatch) as aws, _client() as aws_client:
        with pytest.raises(AwsError) as caught:
            await WRITES[operation](aws_client)
    assert (caught.value.code, caught.value.call.operation) == ("MalformedResponse", operation)
    assert operation == "Invoke" or len(aws.requests) > 1  # it was sent again


@pytest.mark.parametrize("operation", [each for each in GOOD if each != "Invoke"])
async def test_one_malformed_response_costs_one_more_call(operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([answer({}), answer(*GOOD[operation])])
    async with scripted_aws(lambda _: next(answers), monkeypatch) as aws, _client() as aws_client:
        await WRITES[operation](aws_client)
    assert len(aws.requests) == 2


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (
            "CreateExtendedSourceServer",
            {"sourceServer": {"arn": OWN_ARN, "stagingArea": {**AREA, "stagingSourceServerArn": OWN_ARN}}},
        ),
        ("UpdateLaunchConfiguration", {"sourceServerID": SERVER, "copyTags": False}),
    ],
)
async def test_a_response_that_shows_something_else_is_no_success(
    operation: str, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scripted_aws(lambda _: answer(body), monkeypatch), _client() as aws_client:
        with pytest.raises(AwsError) as caught:
            await WRITES[operation](aws_client)
    assert caught.value.code == "MalformedResponse"


@pytest.mark.parametrize("body", [{}, {"Attributes": {}}, {"Attributes": {"fence": {"S": "x"}}}])
async def test_a_lock_without_its_new_number_is_not_taken(body: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted_aws(lambda _: answer(body), monkeypatch), _client() as aws_client:
        with pytest.raises(AwsError, match="missing the new fence") as caught:
            await _advance(aws_client)
    assert caught.value.code == "MalformedResponse"


async def test_an_item_may_hold_the_name_of_an_error_type(monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"Item": {"id": {"S": "x"}, "__type": {"S": '"__type"'}}}
    async with scripted_aws(lambda _: answer(body), monkeypatch), _client() as aws_client:
        assert await _table(aws_client).get({"id": "x"}) == {"id": "x", "__type": '"__type"'}
