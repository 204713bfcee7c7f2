"""What `TableAdmin` sends to create a table, and what it does while the table is not there or not active."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from service.aws import dynamodb_tables
from service.aws.client import AwsClient
from service.aws.dynamodb_tables import TableAdmin
from service.aws.operations import TABLE_OPERATIONS
from service.errors import AwsError
from service.settings import Settings
from tests.support.scripted import Answer, Request, Script, ScriptedAws, answer, refusal, scripted_aws


class SlowTable:
    """Script of a table that has other states before it is active; None where it is not found."""

    def __init__(self, *states: str | None, create: Answer | None = None) -> None:
        self._states = iter(states)
        self._create = create or answer({"TableDescription": {}})

    def __call__(self, request: Request) -> Answer:
        if request.operation == "DescribeTable":
            state = next(self._states, "ACTIVE")
            return (
                answer({"Table": {"TableStatus": state, "KeySchema": []}})
                if state
                else refusal("ResourceNotFoundException", 400)
            )
        if request.operation == "CreateTable":
            return self._create
        member = {
            "UpdateContinuousBackups": "ContinuousBackupsDescription",
            "UpdateTimeToLive": "TimeToLiveSpecification",
        }[request.operation]
        return answer({member: {}})


@asynccontextmanager
async def admin_of(script: Script, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[TableAdmin, ScriptedAws]]:
    async with (
        scripted_aws(script, monkeypatch) as aws,
        AwsClient(Settings(), lambda: datetime.now(UTC), allowed=TABLE_OPERATIONS) as aws_client,
    ):
        yield TableAdmin(aws_client.hub(), "us-east-1", poll_s=0), aws


@pytest.mark.parametrize("create", [None, refusal("ResourceInUseException", 400)])
async def test_settings_are_made_once_the_table_is_active(
    create: Answer | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table may have been created by another, or by an attempt whose response was lost."""
    async with admin_of(SlowTable(None, "CREATING", create=create), monkeypatch) as (admin, aws):
        await admin.create("t", ("id",), {}, {}, ttl="ttl")
    operations = ["CreateTable", *["DescribeTable"] * 3, "UpdateContinuousBackups", "UpdateTimeToLive"]
    assert [request.operation for request in aws.requests] == operations


async def test_a_table_that_is_not_active_in_time_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamodb_tables, "_TIMEOUT_S", 0)
    async with admin_of(SlowTable(), monkeypatch) as (admin, aws):
        with pytest.raises(AwsError, match="table t was not active after 0 s") as caught:
            await admin.create("t", ("id",), {}, {}, ttl="ttl")
    assert (caught.value.code, caught.value.facts["table"]) == ("DeadlineExceeded", "table t")
    assert aws.request_count("UpdateTimeToLive") == 0


async def test_only_a_table_that_is_not_found_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async with admin_of(SlowTable(None), monkeypatch) as (admin, _):
        assert await admin.describe("t") is None
    refused = refusal("AccessDeniedException", 400)
    async with admin_of(lambda _: refused, monkeypatch) as (admin, _):
        with pytest.raises(AwsError) as caught:
            await admin.describe("t")
    assert caught.value.code == "AccessDeniedException"
