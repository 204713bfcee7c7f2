"""Fast DynamoDB: the same responses as moto's own implementation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ClientError
from hypothesis import example, given
from hypothesis import strategies as st
from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table

from service.sandbox.fast_dynamodb import FastTable, use_fast_queries
from service.sandbox.server import Sandbox

Client = Callable[..., Any]
INDEX = "ByColour"


class Thing(NamedTuple):
    number: int
    version: str
    colour: str | None
    weight: int


class IndexQuery(NamedTuple):
    prefix: str | None
    limit: int | None
    names: list[list[str]] | None
    has_filter: bool


THINGS = st.builds(
    Thing, st.integers(0, 30), st.sampled_from("ab"), st.sampled_from(["red", "blue", None]), st.integers(1, 9)
)
INDEX_QUERIES = st.builds(
    IndexQuery,
    st.sampled_from([None, "thing-", "thing-1", "no"]),
    st.sampled_from([None, 1, 3, 100]),
    st.sampled_from(
        [
            None,
            [["id"], ["weight"]],
            [["missing"], ["version"]],
            [["sizes", "width"], ["sizes", "box", "height"], ["id"], ["sizes", "none"], ["missing", "none"]],
        ]
    ),
    st.booleans(),
)


@contextmanager
def _table() -> Iterator[Table]:
    backend = dynamodb_backends["123456780000"]["us-east-1"]
    schema = [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "version", "KeyType": "RANGE"}]
    index = [{"AttributeName": "colour", "KeyType": "HASH"}, {"AttributeName": "id", "KeyType": "RANGE"}]
    table = backend.create_table(
        "things",
        schema=schema,
        throughput=None,
        attr=[{"AttributeName": name, "AttributeType": "S"} for name in ("id", "version", "colour")],
        global_indexes=[{"IndexName": INDEX, "KeySchema": index, "Projection": {"ProjectionType": "ALL"}}],
        indexes=[],
        streams=None,
        billing_mode="PAY_PER_REQUEST",
        sse_specification=None,
        tags=[],
        deletion_protection_enabled=False,
        warm_throughput=None,
    )
    use_fast_queries(table)
    try:
        yield table
    finally:
        backend.delete_table("things")


def _wire(thing: Thing) -> dict[str, Any]:
    item = {
        "id": {"S": f"thing-{thing.number:02}"},
        "version": {"S": thing.version},
        "weight": {"N": str(thing.weight)},
        # Large enough that a few dozen items fill a page of 1 MB.
        "parts": {"L": [{"M": {"name": {"S": "x" * thing.weight * 15_000}, "sold": {"BOOL": thing.weight > 4}}}]},
    }
    if thing.weight % 2:
        sizes = {"M": {"width": {"N": str(thing.weight)}, "box": {"M": {"height": {"N": "1"}, "depth": {"N": "2"}}}}}
        item["sizes"] = sizes
    return item | ({"colour": {"S": thing.colour}} if thing.colour else {})


def _pages(query: Callable[..., Any], table: Table, index_query: IndexQuery) -> Any:
    """Read all pages of one query; returns (items, (returned, scanned) counts per page, start keys)."""
    items, counts = [], []
    starts: list[dict[str, Any] | None] = [None]
    filter_expression = get_filter_expression("weight > :w", {}, {":w": {"N": "4"}}) if index_query.has_filter else None
    operands = [DynamoType({"S": index_query.prefix})] if index_query.prefix else []
    while True:
        found, scanned, last = query(
            table,
            DynamoType({"S": "red"}),
            "BEGINS_WITH" if index_query.prefix else None,
            operands,
            index_query.limit,
            starts[-1],
            True,  # noqa: FBT003  (as moto calls it)
            index_query.names,
            index_name=INDEX,
            filter_expression=filter_expression,
            hash_key_conditions=[("colour", DynamoType({"S": "red"}))],
            range_key_conditions=[("id", "BEGINS_WITH", operands)] if index_query.prefix else [],
        )
        items += [{name: str(value) for name, value in item.attrs.items()} for item in found]
        counts.append((len(found), scanned))
        if last is None:
            return items, counts, starts
        starts.append({name: value.to_json() for name, value in last.items()})


@given(things=st.lists(THINGS, max_size=25), index_query=INDEX_QUERIES)
@example(
    things=[
        Thing(number=10, version="a", colour="red", weight=1),
        Thing(number=20, version="a", colour="red", weight=1),
    ],
    index_query=IndexQuery(prefix="thing-1", limit=1, names=None, has_filter=False),
)
def test_fast_and_moto_queries_return_the_same_pages(things: list[Thing], index_query: IndexQuery) -> None:
    with _table() as table:
        for thing in things:
            table.put_item(_wire(thing))
        first = _pages(FastTable.query, table, index_query)
        assert first == _pages(Table.query, table, index_query)
        assert first == _pages(FastTable.query, table, index_query)  # also from cached items


def _items_in_us_west_2(dynamodb: Any, table: str, **options: Any) -> list[dict[str, Any]]:
    answer = dynamodb.query(
        TableName=table,
        IndexName="ReplicationRegionIndex",
        KeyConditionExpression="replicationRegion = :region",
        ExpressionAttributeValues={":region": {"S": "us-west-2"}},
        **options,
    )
    assert answer["Count"] == len(answer["Items"])
    return list(answer["Items"])


def test_a_query_returns_the_latest_write(sandbox: Sandbox, client: Client) -> None:
    dynamodb, table = client("dynamodb"), sandbox.environment()["SOURCE_SERVER_INVENTORY_TABLE"]
    key = {"sourceServerArn": {"S": "arn:1"}, "stagingAccountId": {"S": "444455556666"}}
    item: dict[str, Any] = {
        **key,
        "replicationRegion": {"S": "us-west-2"},
        "deep": {"M": {"n": {"N": "1"}, "quote": {"S": '"Items":[]'}}},
    }
    dynamodb.put_item(TableName=table, Item=item)
    assert _items_in_us_west_2(dynamodb, table) == [item]
    dynamodb.update_item(
        TableName=table,
        Key=key,
        UpdateExpression="SET deep.n = :n",
        ExpressionAttributeValues={":n": {"N": "2"}},
    )
    item["deep"]["M"]["n"] = {"N": "2"}
    assert _items_in_us_west_2(dynamodb, table) == [item]
    assert _items_in_us_west_2(dynamodb, table, ProjectionExpression="sourceServerArn") == [
        {"sourceServerArn": {"S": "arn:1"}}
    ]
    dynamodb.put_item(TableName=table, Item={**key, "replicationRegion": {"S": "eu-west-1"}})
    assert _items_in_us_west_2(dynamodb, table) == []


def test_writes_are_answered_as_moto_answers_them(
    sandbox: Sandbox, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    dynamodb, table = client("dynamodb"), sandbox.environment()["SOURCE_SERVER_INVENTORY_TABLE"]
    key = {"sourceServerArn": {"S": "arn:1"}, "stagingAccountId": {"S": "444455556666"}}
    update: dict[str, Any] = {
        "TableName": table,
        "Key": key,
        "UpdateExpression": "SET #n = :n, parts[1] = :b",
        "ExpressionAttributeNames": {"#n": "n"},
    }

    def answers() -> list[dict[str, Any]]:
        item = {**key, "n": {"N": "1"}, "parts": {"L": [{"S": "é"}]}}
        put = {"TableName": table, "Item": item, "ReturnValues": "ALL_OLD"}
        found = [dynamodb.put_item(**put), dynamodb.put_item(**put)]
        for number, values in enumerate(("NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW")):
            update["ExpressionAttributeValues"] = {":n": {"N": str(number)}, ":b": {"B": b"\x00\xff"}}
            found += [dynamodb.update_item(**update, ReturnValues=values, ReturnConsumedCapacity="TOTAL")]
        found += [dynamodb.delete_item(TableName=table, Key=key, ReturnValues="ALL_OLD") for _ in range(2)]
        found += [
            dynamodb.batch_write_item(RequestItems={table: [request]}, ReturnConsumedCapacity="TOTAL")
            for request in ({"PutRequest": {"Item": item}}, {"DeleteRequest": {"Key": key}})
        ]
        for each in found:
            del each["ResponseMetadata"]
        return found

    fast = answers()
    assert [len(each.get("Attributes", ())) for each in fast] == [0, 4, 0, 4, 1, 4, 1, 4, 0, 0, 0]
    monkeypatch.setattr("service.sandbox.fast_dynamodb._WRITE_OPERATIONS", frozenset())
    assert answers() == fast


def test_binary_values_come_back_whole(sandbox: Sandbox, client: Client) -> None:
    dynamodb, table = client("dynamodb"), sandbox.environment()["SOURCE_SERVER_INVENTORY_TABLE"]
    key = {"sourceServerArn": {"S": "arn:1"}, "stagingAccountId": {"S": "444455556666"}}
    item = {**key, "replicationRegion": {"S": "us-west-2"}, "bytes": {"B": b"\x00\xff"}}
    dynamodb.put_item(TableName=table, Item=item)
    assert _items_in_us_west_2(dynamodb, table) == [item]
    legacy = {"sourceServerArn": {"AttributeValueList": [{"S": "arn:1"}], "ComparisonOperator": "EQ"}}
    assert dynamodb.query(TableName=table, KeyConditions=legacy)["Items"] == [item]  # from before expressions
    for region, items in (("us-west-2", [item]), ("eu-west-1", [])):
        where = {"replicationRegion": {"AttributeValueList": [{"S": region}], "ComparisonOperator": "EQ"}}
        assert dynamodb.query(TableName=table, KeyConditions=legacy, QueryFilter=where)["Items"] == items
    assert dynamodb.get_item(TableName=table, Key=key)["Item"] == item


def test_one_of_many_concurrent_conditional_writes_succeeds(sandbox: Sandbox, client: Client) -> None:
    dynamodb, table = client("dynamodb"), sandbox.environment()["DRS_REGION_STATUS_TABLE"]

    def write(number: int) -> str:
        try:
            dynamodb.put_item(
                TableName=table,
                Item={"region": {"S": "us-west-2"}, "writer": {"N": str(number)}},
                ConditionExpression="attribute_not_exists(#region)",
                ExpressionAttributeNames={"#region": "region"},
            )
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "written"

    with ThreadPoolExecutor(8) as pool:
        outcomes = Counter(pool.map(write, range(40)))
    assert outcomes == {"written": 1, "ConditionalCheckFailedException": 39}


def test_an_item_of_more_than_400_kb_is_rejected(sandbox: Sandbox, client: Client) -> None:
    dynamodb, table = client("dynamodb"), sandbox.environment()["SOURCE_SERVER_INVENTORY_TABLE"]
    key = {"sourceServerArn": {"S": "arn:1"}, "stagingAccountId": {"S": "444455556666"}}
    dynamodb.put_item(TableName=table, Item={**key, "big": {"S": "x" * 400_000}})
    with pytest.raises(ClientError, match="Item size has exceeded the maximum allowed size"):
        dynamodb.put_item(TableName=table, Item={**key, **{f"part{n}": {"S": "x" * 100_000} for n in range(5)}})
    assert set(dynamodb.get_item(TableName=table, Key=key)["Item"]) == {*key, "big"}
