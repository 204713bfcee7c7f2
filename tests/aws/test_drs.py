"""Reads of DRS: an answer that says nothing is an error, and never an empty configuration or page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from service.aws.client import AwsClient
from service.aws.drs import DrsReader
from service.errors import AwsError
from service.settings import Settings
from tests.support.scripted import answer, scripted_aws

SERVER = "s-1234567890abcdef0"
READS: dict[str, Callable[[DrsReader], Awaitable[Any]]] = {
    "GetReplicationConfiguration": lambda drs: drs.replication_configuration("us-east-1", SERVER),
    "GetLaunchConfiguration": lambda drs: drs.launch_configuration("us-east-1", SERVER),
    "DescribeReplicationConfigurationTemplates": lambda drs: drs.templates("us-east-1"),
    "ListStagingAccounts": lambda drs: drs.staging_accounts("us-east-1"),
}


@pytest.mark.parametrize("body", [b"{}", b'{"sourceServerID": "s-1", "copyTags": }', b'{"items": [}', b'{"a": 1} {}'])
@pytest.mark.parametrize("operation", READS)
async def test_an_answer_that_says_nothing_is_malformed(
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


async def test_a_configuration_is_given_without_what_the_sdk_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"sourceServerID": SERVER, "copyTags": True}
    async with (
        scripted_aws(lambda _: answer(told), monkeypatch),
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        assert await DrsReader(aws_client.hub(), page_size=5).launch_configuration("us-east-1", SERVER) == told
