"""Items of the inventory table that other programs have written, or that cannot be used."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from service.aws.client import AwsClient
from service.aws.dynamodb_write import Table
from service.errors import AwsError
from service.inventory.table import InventoryTable
from service.models import Scope
from service.settings import Settings
from tests.support.scripted import answer, scripted_aws

REGION = "us-west-2"
SCOPE = Scope("111122223333", REGION)


def _item(arn: str, staging_account: str | None) -> dict[str, Any]:
    texts = {"sourceServerArn": arn, "stagingAccountId": staging_account, "replicationRegion": REGION}
    return {name: {"S": text} for name, text in texts.items() if text is not None}


def _arn(account_id: str) -> str:
    return f"arn:aws:drs:{REGION}:{account_id}:source-server/s-1234567890abcdef0"


async def test_only_items_of_servers_have_a_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [
        _item(_arn("444455556666"), "topology"),
        _item("s-1234567890abcdef0", "444455556666"),
        _item(_arn(SCOPE.account_id), "444455556666"),
    ]
    async with (
        scripted_aws(lambda _: answer({"Items": items}), monkeypatch),
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        table = InventoryTable(Table(aws_client.hub(), "t", "us-east-1"))
        assert await table.scopes_of([REGION]) == {SCOPE}


async def test_an_item_without_its_key_is_a_malformed_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    item = _item(_arn(SCOPE.account_id), None)
    async with (
        scripted_aws(lambda _: answer({"Items": [item]}), monkeypatch),
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        table = InventoryTable(Table(aws_client.hub(), "t", "us-east-1"))
        with pytest.raises(AwsError, match="missing stagingAccountId") as caught:
            await table.stored_items(SCOPE, partition="aws")
    assert (caught.value.code, caught.value.call.operation) == ("MalformedResponse", "Query")
