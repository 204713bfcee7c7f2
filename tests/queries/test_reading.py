"""Readers of the inventory table, with responses that no emulator returns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from service.aws.attribute_values import encode
from service.aws.client import AwsClient
from service.aws.dynamodb import Item, TableReader
from service.aws.operations import READ_OPERATIONS
from service.errors import AwsError
from service.inventory.reader import InventoryReader, is_server, owner_account, stored_facts
from service.settings import Settings
from service.topology.lineage import LineageReader
from tests.support.scripted import Answer, Request, answer, scripted_aws

A, B = "111111111111", "222222222222"
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def item(account_id: str, number: int, **more: Any) -> dict[str, Any]:
    arn = f"arn:aws:drs:us-west-2:{account_id}:source-server/s-{number}"
    keys = {"sourceServerArn": arn, "stagingAccountId": account_id, "replicationRegion": "us-west-2"}
    return encode({**keys, **more})


async def read(
    script: Any, monkeypatch: pytest.MonkeyPatch, *, region: str = "us-west-2", accounts: tuple[str, ...] = (A, B)
) -> tuple[dict[str, list[Item]], list[Request]]:
    async with (
        scripted_aws(script, monkeypatch) as aws,
        AwsClient(Settings(), lambda: NOW, allowed=READ_OPERATIONS) as aws_client,
    ):
        reader = InventoryReader(TableReader(aws_client.hub(), "inventory", "us-east-1"))
        return await reader.by_account(region, accounts), aws.requests


async def test_every_page_is_read_and_sorted_by_account(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(request: Request) -> Answer:
        if "ExclusiveStartKey" in request.params:
            return answer({"Items": [item(B, 3), item(A, 4)]})
        return answer({"Items": [item(A, 1), item(B, 2)], "LastEvaluatedKey": {"sourceServerArn": {"S": "x"}}})

    by_account, requests = await read(script, monkeypatch)
    assert {account_id: len(items) for account_id, items in by_account.items()} == {A: 2, B: 2}
    assert [request.operation for request in requests] == ["Query", "Query"]
    assert requests[0].params["IndexName"] == "ReplicationRegionIndex"
    assert requests[1].params["ExclusiveStartKey"] == {"sourceServerArn": {"S": "x"}}


async def test_a_lineage_is_read_to_its_last_page_as_it_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reversed server on page two may be the only record of where the data is now."""
    lineage, first, second = (str(item(A, number)["sourceServerArn"]["S"]) for number in range(3))
    member = {"pk": lineage, "lineageArn": lineage}
    alias = {"sourceServerArn": "id#app", "pk": "id#app"}
    pages = {
        ("inventory", lineage): [[], [item(A, 0)]],
        ("topology", lineage): [
            [
                encode({"pk": lineage, "sk": "TOPOLOGY", "originalInstanceId": "i-1"}),
                encode({"pk": lineage, "sk": "new"}),
            ],
            [encode({**member, "sk": f"MEMBER#{each}", "memberArn": each}) for each in (first, second)],
        ],
        ("inventory", first): [[item(A, 1)]],
        ("inventory", second): [[], [item(B, 2)]],
        ("inventory", "id#app"): [[], [encode({**alias, "stagingAccountId": "LINEAGE#b", "lineageArn": "b"})]],
        ("topology", "id#app"): [[], [encode({**alias, "sk": f"LINEAGE#{each}", "lineageArn": each}) for each in "ba"]],
    }

    def script(request: Request) -> Answer:
        key = (request.params["TableName"], request.params["ExpressionAttributeValues"][":value"]["S"])
        start = int(request.params.get("ExclusiveStartKey", {"at": {"N": "0"}})["at"]["N"])
        more = {"LastEvaluatedKey": {"at": {"N": str(start + 1)}}} if start + 1 < len(pages[key]) else {}
        return answer({"Items": pages[key][start], **more})

    async with (
        scripted_aws(script, monkeypatch) as aws,
        AwsClient(Settings(), lambda: NOW, allowed=READ_OPERATIONS) as aws_client,
    ):
        tables = (TableReader(aws_client.hub(), name, "us-east-1") for name in ("inventory", "topology"))
        reader = LineageReader(*tables)
        kinds = [str(each.get("sk") or each["stagingAccountId"]) for each in await reader.items(lineage)]
        assert kinds == ["TOPOLOGY", A, A, B]
        assert await reader.by_name("APP") == ("a", "b")
    assert all(request.params["ConsistentRead"] is True for request in aws.requests)


@pytest.mark.parametrize(
    ("region", "partition"),
    [("us-west-2", "aws"), ("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn"), ("eusc-de-east-1", "aws-eusc")],
)
async def test_one_account_is_read_alone(region: str, partition: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, (request,) = await read(lambda _: answer({"Items": []}), monkeypatch, region=region, accounts=(A,))
    prefix = request.params["ExpressionAttributeValues"][":prefix"]
    assert prefix == {"S": f"arn:{partition}:drs:{region}:{A}:source-server/"}


async def test_members_that_no_response_shows_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    replication = {"dataReplicationState": "CONTINUOUS", "dataReplicationInitiation": {"steps": [{"name": "WAIT"}]}}
    record = item(A, 1, contentHash="x", _inventoryMetadata={"a": 1}, dataReplicationInfo=replication)
    by_account, _ = await read(lambda _: answer({"Items": [record]}), monkeypatch)
    (stored,) = by_account[A]
    assert set(stored) == {"sourceServerArn", "stagingAccountId", "replicationRegion", "dataReplicationInfo"}
    assert stored["dataReplicationInfo"] == {"dataReplicationState": "CONTINUOUS"}


async def test_an_answer_without_items_is_no_empty_region(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AwsError, match="MalformedResponse"):
        await read(lambda _: answer({"Count": 0}), monkeypatch)


MALFORMED: list[dict[str, Any]] = [
    {"Count": 0},
    {"Items": 5},
    {"Items": ["x"]},
    {"Items": [{"sourceServerArn": {"Q": "x"}}]},
    {"Items": [{"sourceServerArn": {"S": "x"}, "dataReplicationInfo": 5}]},
    {"Items": [{"sourceServerArn": {"S": "x"}, "dataReplicationInfo": {"M": 5}}]},
    {"Items": [], "LastEvaluatedKey": "x"},
    {"Items": [], "LastEvaluatedKey": {"sourceServerArn": {"S": "x"}}},
]


@pytest.mark.parametrize("body", MALFORMED, ids=str)
async def test_a_malformed_page_is_an_error_of_aws_for_every_reader(
    body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted as an empty page it would hide servers; a built-in exception would end the whole run."""
    with pytest.raises(AwsError, match="MalformedResponse"):
        await read(lambda _: answer(body), monkeypatch)
    async with (
        scripted_aws(lambda _: answer(body), monkeypatch),
        AwsClient(Settings(), lambda: NOW, allowed=READ_OPERATIONS) as aws_client,
    ):
        reader = LineageReader(TableReader(aws_client.hub(), "inventory", "us-east-1"))
        for method in (reader.by_name, reader.items):
            with pytest.raises(AwsError, match="MalformedResponse"):
                await method("app")


@pytest.mark.parametrize(
    ("staging", "server"),
    [(A, True), ("TOPOLOGY", False), ("", False), (None, False), (12, False), ("１" * 12, False)],  # noqa: RUF001
)
def test_bookkeeping_items_are_recognised_by_an_invalid_account_id(staging: object, *, server: bool) -> None:
    assert is_server({"stagingAccountId": staging}) is server


@pytest.mark.parametrize(
    ("known", "account_id"),
    [
        ({"_queryAccount": B, "sourceServerArn": f"arn:aws:drs:us-west-2:{A}:source-server/s-1"}, B),
        ({"sourceServerArn": f"arn:aws:drs:us-west-2:{A}:source-server/s-1"}, A),
        ({"_queryAccount": "", "sourceServerArn": "nonsense"}, ""),
        ({}, ""),
    ],
)
def test_the_account_that_sees_a_server(known: dict[str, Any], account_id: str) -> None:
    assert owner_account(known) == account_id


def test_stored_facts_of_ec2_are_distinguished_from_none() -> None:
    assert stored_facts({"tags": {"Name": "x"}}) is None
    facts = stored_facts({"sourceTags": {"Name": "x"}})
    assert facts is not None
    assert (facts.tags, facts.network) == ({"Name": "x"}, None)
    assert stored_facts({"ec2NetworkConfig": {"vpcId": "v"}, "sourceTags": "broken"}) is not None
