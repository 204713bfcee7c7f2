"""DRS reads: a response without content is an error, never an empty configuration or page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from service.aws import pagination
from service.aws.client import AwsClient
from service.aws.drs import DrsReader
from service.errors import AwsError
from service.models import OddRecord
from service.settings import Settings
from tests.support.scripted import answer, scripted_aws

SERVER = "s-1234567890abcdef0"
READS: dict[str, Callable[[DrsReader], Awaitable[Any]]] = {
    "GetReplicationConfiguration": lambda drs: drs.replication_configuration("us-east-1", SERVER),
    "GetLaunchConfiguration": lambda drs: drs.launch_configuration("us-east-1", SERVER),
    "DescribeReplicationConfigurationTemplates": lambda drs: drs.templates("us-east-1"),
    "ListStagingAccounts": lambda drs: drs.staging_accounts("us-east-1"),
}


@pytest.mark.parametrize(
    "body", [b"{}", b'{"sourceServerID": "s-1", "copyTags": }', b'{"items": [}', b'{"a": 1} {}', b'{"__type": }']
)
@pytest.mark.parametrize("operation", READS)
async def test_a_response_without_content_is_malformed(
    operation: str, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        scripted_aws(lambda _: answer(body), monkeypatch) as aws,
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        with pytest.raises(AwsError) as caught:
            await READS[operation](DrsReader(aws_client.hub(), page_size=5))
        assert (caught.value.code, caught.value.call.operation) == ("MalformedResponse", operation)
        assert {request.operation.partition("?")[0] for request in aws.requests} == {operation}


async def _read_all(pages: AsyncIterator[list[Any]]) -> list[Any]:
    return [record async for page in pages for record in page]


PAGINATED: dict[str, tuple[Callable[[DrsReader], Awaitable[list[Any]]], str]] = {
    "DescribeSourceServers": (lambda drs: _read_all(drs.source_servers("us-east-1")), "items"),
    "ListExtensibleSourceServers": (lambda drs: drs.extensible("us-east-1", "111111111111"), "items"),
    "ListStagingAccounts": (lambda drs: drs.staging_accounts("us-east-1"), "accounts"),
}


@pytest.mark.parametrize(
    ("token", "problem"), [("a", "nextToken repeats"), ({"a": 1}, "nextToken has another type"), (None, "is missing")]
)
@pytest.mark.parametrize("operation", PAGINATED)
async def test_pages_that_do_not_end_or_have_no_list_are_malformed(
    operation: str, token: Any, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, member = PAGINATED[operation]
    body = {} if token is None else {member: [], "nextToken": token}
    async with (
        scripted_aws(lambda _: answer(body), monkeypatch) as aws,
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        with pytest.raises(AwsError, match=f"MalformedResponse: .*{problem}") as caught:
            await read(DrsReader(aws_client.hub(), page_size=5))
        assert caught.value.call.operation == operation
        # One of the wrong type is found by the parser, so the call is repeated like any other that was garbled.
        assert len(aws.requests) == (4 if isinstance(token, dict) else 2 if token else 1)


@pytest.mark.parametrize("record", [None, "x", 7, ["x"]])
@pytest.mark.parametrize("operation", ["ListExtensibleSourceServers", "ListStagingAccounts"])
async def test_a_page_with_an_item_that_is_no_record_is_malformed(
    operation: str, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, member = PAGINATED[operation]
    async with (
        scripted_aws(lambda _: answer({member: [record]}), monkeypatch),
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        with pytest.raises(AwsError) as caught:
            await read(DrsReader(aws_client.hub(), page_size=5))
        assert (caught.value.code, caught.value.call.operation) == ("MalformedResponse", operation)


@pytest.mark.parametrize("record", [None, "x", 7, ["x"], {"arn": 5}, {"tags": {"a": None}}])
async def test_an_odd_record_of_a_server_costs_only_itself(record: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        scripted_aws(lambda _: answer({"items": [record, {"arn": "a", "tags": {}}, record]}), monkeypatch) as aws,
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        found = await _read_all(DrsReader(aws_client.hub(), page_size=5).source_servers("us-east-1"))
        assert [isinstance(each, OddRecord) for each in found] == [False, True, True]
        assert found[0] == {"arn": "a", "tags": {}}
        assert len(aws.requests) == 1
        with pytest.raises(AwsError, match="MalformedResponse: an entry of items: "):  # it may be the one looked for
            await DrsReader(aws_client.hub(), page_size=5).source_server("us-east-1", f"x/{SERVER}")


async def test_tokens_that_never_end_are_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagination, "MAX_PAGES", 3)
    tokens = iter("abcdef")
    async with (
        scripted_aws(lambda _: answer({"items": [], "nextToken": next(tokens)}), monkeypatch) as aws,
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        with pytest.raises(AwsError, match="MalformedResponse: nextToken does not end after 3 pages"):
            await DrsReader(aws_client.hub(), page_size=5).templates("us-east-1")
        assert len(aws.requests) == 3


@pytest.mark.parametrize("entry", [{}, {"accountID": ""}, {"accountID": 222200000001}, {"accountID": "2222"}])
async def test_a_staging_account_without_id_is_malformed(entry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        scripted_aws(lambda _: answer({"accounts": [entry]}), monkeypatch),
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        with pytest.raises(AwsError, match=r"MalformedResponse: .*accountID"):
            await DrsReader(aws_client.hub(), page_size=5).staging_accounts("us-east-1")


@pytest.mark.parametrize(
    "arn",
    [
        None,
        "x",
        5,
        f"arn:aws:drs:us-east-1:222222222222:source-server/{SERVER}",
        f"arn:aws:drs:us-west-2:111111111111:source-server/{SERVER}",
        "arn:aws:drs:us-east-1:111111111111:job/j-1",
    ],
)
async def test_what_is_no_server_of_the_staging_account_is_never_to_extend(
    arn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = {"arn": f"arn:aws:drs:us-east-1:111111111111:source-server/{SERVER}"}
    async with (
        scripted_aws(lambda _: answer({"items": [good, {"arn": arn}]}), monkeypatch),
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        with pytest.raises(AwsError, match=r"MalformedResponse: an entry .*(is not a source server of 1{12}|arn has)"):
            await DrsReader(aws_client.hub(), page_size=5).extensible("us-east-1", "111111111111")


async def test_a_configuration_is_given_without_what_the_sdk_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = {"sourceServerID": SERVER, "copyTags": True}
    async with (
        scripted_aws(lambda _: answer(configuration), monkeypatch),
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        assert await DrsReader(aws_client.hub(), page_size=5).launch_configuration("us-east-1", SERVER) == configuration
