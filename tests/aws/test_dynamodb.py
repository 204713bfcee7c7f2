"""DynamoDB reads and writes: unprocessed items, batch limits, pagination, optimistic locking, value conversion."""

from __future__ import annotations

import base64
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from service.aws import dynamodb
from service.aws.attribute_values import decode, encode, encode_value
from service.aws.client import AwsClient
from service.aws.dynamodb_write import CompareAndSet, Table, WriteConflictError
from service.errors import AwsError
from service.models import Call
from service.settings import Settings
from tests.support.sandbox import EngineSandbox
from tests.support.scripted import Answer, Request, ScriptedAws, answer, refusal, scripted_aws


class PartialTable:
    """Script of a table that processes only a share of each batch; `stored` has the items written."""

    def __init__(self, share: float) -> None:
        self.stored: dict[str, Any] = {}
        self.sizes: list[int] = []
        self._dice = random.Random(7)  # noqa: S311 - a simulation
        self._share = share

    def __call__(self, request: Request) -> Answer:
        (name,) = request.params["RequestItems"]
        requested = request.params["RequestItems"][name]
        if request.operation == "BatchWriteItem":
            self.sizes.append(len(requested))
            kept = [each for each in requested if self._dice.random() < self._share]
            for each in kept:
                item = each["PutRequest"]["Item"]
                self.stored[item["id"]["S"]] = item
            rest = [each for each in requested if each not in kept]
            return answer({"UnprocessedItems": {name: rest} if rest else {}})
        keys = requested["Keys"]
        self.sizes.append(len(keys))
        half = keys[: max(1, int(len(keys) * self._share))]
        rest = keys[len(half) :]
        items = [self.stored[key["id"]["S"]] for key in half if key["id"]["S"] in self.stored]
        return answer({"Responses": {name: items}, "UnprocessedKeys": {name: {"Keys": rest}} if rest else {}})


@asynccontextmanager
async def table_of(script: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Table, ScriptedAws]]:
    async with (
        scripted_aws(script, monkeypatch) as aws,
        AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client,
    ):
        yield Table(aws_client.hub(), "t", "us-east-1"), aws


@pytest.mark.parametrize("share", [1.0, 0.6])
async def test_unprocessed_items_are_sent_until_all_are_in(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    script = PartialTable(share)
    async with table_of(script, monkeypatch) as (table, _):
        await table.put_many({"id": f"i{number}", "n": number} for number in range(60))
        assert len(script.stored) == 60
        assert max(script.sizes) <= 25


async def test_a_table_that_processes_nothing_ends_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    async with table_of(PartialTable(0.0), monkeypatch) as (table, aws):
        with pytest.raises(AwsError, match="unprocessed"):
            await table.put_many([{"id": "x"}])
        assert len(aws.requests) == 9


async def test_unprocessed_keys_are_requested_again(monkeypatch: pytest.MonkeyPatch) -> None:
    script = PartialTable(1.0)
    async with table_of(script, monkeypatch) as (table, _):
        await table.put_many({"id": f"i{number}"} for number in range(150))
        script._share, script.sizes = 0.5, []
        items = await table.get_many({"id": f"i{number}"} for number in range(160))
        assert {item["id"] for item in items} == {f"i{number}" for number in range(150)}
        assert max(script.sizes) <= 100


async def test_a_table_that_processes_a_part_each_time_gets_more_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    script = PartialTable(0.4)
    async with table_of(script, monkeypatch) as (table, aws):
        await table.put_many({"id": f"i{number}"} for number in range(300))
        assert len(script.stored) == 300
        # so at least every other batch came back partly unprocessed
        assert aws.request_count("BatchWriteItem") > 2 * 12
        script._share = 0.1
        assert len(await table.get_many({"id": f"i{number}"} for number in range(100))) == 100
        assert aws.request_count("BatchGetItem") > 9


async def test_a_response_without_items_is_not_an_empty_table(monkeypatch: pytest.MonkeyPatch) -> None:
    async with table_of(lambda _: answer(b"garbage"), monkeypatch) as (table, _):
        with pytest.raises(AwsError):
            _ = [item async for item in table.scan()]


ODD_VALUES: list[Any] = [{}, {"Q": 5}, {"N": "x"}, {"N": None}, {"M": 5}, {"L": [5]}, {"NS": ["x"]}]


@pytest.mark.parametrize(
    "items",
    [5, None, ["x"], {"a": 1}, *([{"a": value}] for value in ODD_VALUES)],
)
async def test_items_of_another_shape_are_a_malformed_answer(items: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A built-in exception would count as a bug, not as a problem of this call."""
    async with table_of(lambda _: answer({"Items": items, "Responses": {"t": items}}), monkeypatch) as (table, _):
        with pytest.raises(AwsError) as scanned:
            _ = [item async for item in table.scan()]
        with pytest.raises(AwsError) as got:
            await table.get_many([{"id": "x"}])
    assert {scanned.value.code, got.value.code} == {"MalformedResponse"}


async def test_a_last_key_that_is_none_is_a_malformed_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with table_of(lambda _: answer({"Items": [], "LastEvaluatedKey": "x"}), monkeypatch) as (table, _):
        with pytest.raises(AwsError, match="MalformedResponse: LastEvaluatedKey has another type"):
            _ = [item async for item in table.scan()]


async def test_a_last_key_that_repeats_is_a_malformed_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the same pages would be read forever."""
    following = {"": "1", "1": "2", "2": "1"}

    def script(request: Request) -> Answer:
        last = request.params.get("ExclusiveStartKey", {"id": {"S": ""}})["id"]["S"]
        return answer({"Items": [], "LastEvaluatedKey": {"id": {"S": following[last]}}})

    async with table_of(script, monkeypatch) as (table, aws):
        with pytest.raises(AwsError, match="MalformedResponse: LastEvaluatedKey repeats"):
            _ = [item async for item in table.scan()]
        with pytest.raises(AwsError, match="MalformedResponse: LastEvaluatedKey repeats"):
            _ = [item async for item in table.query("#id = :id", {"id": "x"})]
        assert (aws.request_count("Scan"), aws.request_count("Query")) == (3, 3)


@pytest.mark.parametrize(
    "item",
    [{}, {"id": {"N": "5"}}, {"id": {"S": "y"}}, {"id": {"S": 5}}, {"id": {"NULL": True}}, {"other": {"S": "x"}}],
)
async def test_an_item_with_another_key_is_a_malformed_answer(item: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"Items": [item], "Item": item, "Responses": {"t": [item]}}
    async with table_of(lambda _: answer(body), monkeypatch) as (table, _):
        with pytest.raises(AwsError, match="MalformedResponse"):
            await table.get({"id": "x"})
        with pytest.raises(AwsError, match="MalformedResponse"):
            await table.get_many([{"id": "x"}])
        if not isinstance(item.get("id", {}).get("S"), str):
            with pytest.raises(AwsError, match="MalformedResponse"):
                _ = [each async for each in table.query("#id = :id", {"id": "x"})]


async def test_keys_that_never_end_are_a_malformed_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamodb, "_MAX_PAGES", 3)
    keys = iter("abcdef")
    async with table_of(
        lambda _: answer({"Items": [], "LastEvaluatedKey": {"id": {"S": next(keys)}}}), monkeypatch
    ) as (table, aws):
        with pytest.raises(AwsError, match="LastEvaluatedKey does not end after 3 pages"):
            _ = [item async for item in table.scan()]
        assert aws.request_count("Scan") == 3


async def test_a_query_sends_what_it_was_given_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [{"id": {"S": "x"}, "odd": 5}]
    async with table_of(lambda _: answer({"Items": items}), monkeypatch) as (table, aws):
        dropped = [
            each
            async for each in table.query(
                "#id = :id", {"id": "x"}, trim=lambda item: {name: item[name] for name in item if name != "odd"}
            )
        ]
        with pytest.raises(AwsError, match="MalformedResponse"):
            _ = [each async for each in table.query("id = :id", {"id": "x"}, index="index", only=("odd",))]
    assert dropped == [{"id": "x"}]
    common = {"TableName": "t", "ExpressionAttributeValues": {":id": {"S": "x"}}}
    assert [request.params for request in aws.requests] == [
        {
            **common,
            "KeyConditionExpression": "#id = :id",
            "ExpressionAttributeNames": {"#id": "id"},
            "ConsistentRead": True,
        },
        {
            **common,
            "KeyConditionExpression": "id = :id",
            "ExpressionAttributeNames": {"#odd": "odd"},
            "IndexName": "index",
            "ProjectionExpression": "#odd",
        },
    ]


async def test_compare_and_set_gives_up_after_its_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt reads the item again; its write requires that the attributes are still as they were read."""
    items = iter([{}, {"Item": {"id": {"S": "x"}}}, {"Item": {"id": {"S": "x"}, "list": {"L": []}}}])

    def script(request: Request) -> Answer:
        if request.operation == "GetItem":
            return answer(next(items))
        return refusal("ConditionalCheckFailedException", 400)

    call = Call("dynamodb", "UpdateItem", "111111111111", "us-west-2")
    async with table_of(script, monkeypatch) as (table, aws):
        update = CompareAndSet(table, {"id": "x"}, unchanged=("list",), attempts=3, call=call, subject="the item x")
        for _ in range(3):
            await update.read()
            assert not await update.write({"list": ["a"]})
        with pytest.raises(WriteConflictError, match="the item x was written by others 3 times") as caught:
            await update.read()
    assert (caught.value.code, caught.value.call) == ("TransactionConflictException", call)
    writes = [request.params for request in aws.requests if request.operation == "UpdateItem"]
    assert [write["ConditionExpression"] for write in writes] == [
        "attribute_not_exists( #id )",
        "attribute_exists( #id ) AND attribute_not_exists( #list )",
        "attribute_exists( #id ) AND #list = :read_list",
    ]
    assert writes[2]["ExpressionAttributeValues"][":read_list"] == {"L": []}
    assert aws.request_count("GetItem") == 3


async def test_a_batch_without_responses_is_not_an_empty_result(monkeypatch: pytest.MonkeyPatch) -> None:
    async with table_of(lambda _: answer({}), monkeypatch) as (table, _):
        with pytest.raises(AwsError, match="missing Responses"):
            await table.get_many([{"id": "x"}])


@pytest.mark.parametrize("member", [[], "", 0, {"t": ["x"]}, {"t": {"Keys": [1]}}, {"t": "x"}, {"t": None}])
async def test_malformed_unprocessed_entries_are_an_error_and_not_none(
    member: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is unknown then which keys were read and which items written."""
    body = {"Responses": {"t": []}, "UnprocessedKeys": member, "UnprocessedItems": member}
    async with table_of(lambda _: answer(body), monkeypatch) as (table, _):
        for request in (table.get_many, table.put_many):
            with pytest.raises(AwsError, match="Unprocessed") as caught:
                await request([{"id": "x"}])
            assert caught.value.code == "MalformedResponse"


@pytest.mark.parametrize(("keys", "items"), [({}, {}), ({"other": {"Keys": [{}]}}, {"other": [{}]})])
async def test_no_unprocessed_entries_end_a_batch(keys: Any, items: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"Responses": {"t": []}, "UnprocessedKeys": keys, "UnprocessedItems": items}
    async with table_of(lambda _: answer(body), monkeypatch) as (table, aws):
        assert await table.get_many([{"id": "x"}]) == []
        await table.put_many([{"id": "x"}])
        assert len(aws.requests) == 2


async def test_reads_are_consistent_except_those_of_indexes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a run reads what its shards have just written, so reads are consistent, except those of indexes."""
    body = {"Items": [], "Item": {"id": {"S": "x"}}, "Responses": {"t": []}}
    async with table_of(lambda _: answer(body), monkeypatch) as (table, aws):
        assert [item async for item in table.scan()] == []
        assert await table.get({"id": "x"}) == {"id": "x"}
        assert await table.get_many([{"id": "x"}]) == []
    requested = {request.operation: request.params for request in aws.requests}
    requested["BatchGetItem"] = requested["BatchGetItem"]["RequestItems"]["t"]
    assert {operation: params.get("ConsistentRead") for operation, params in requested.items()} == {
        "Scan": True,
        "GetItem": True,
        "BatchGetItem": True,
    }


async def test_conditions_hold_against_a_real_table(sandbox: EngineSandbox) -> None:
    async with AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client:
        table = Table(aws_client.hub(), sandbox.server.environment()["DRS_REGION_STATUS_TABLE"], "us-east-1")
        key = {"region": "r"}
        assert await table.get(key) is None
        assert await table.put_if({**key, "n": 1}, "attribute_not_exists( #region )")
        assert not await table.put_if({**key, "n": 2}, "attribute_not_exists( #region )")
        assert await table.update_if(key, {"n": 3, "gone": None}, "#n = :stored", {"stored": 1})
        assert not await table.update_if(key, {"n": 4}, "#n = :stored", {"stored": 1})
        filled = {"region": "r", "n": 3, "m": "new"}
        assert await table.fill(key, {"n": 5, "m": "new"}, "attribute_exists( #region )")
        assert await table.get(key) == filled
        assert not await table.fill({"region": "other"}, {"n": 5}, "attribute_exists( #region )")
        assert not await table.delete_if(key, "#n < :limit", {"limit": 3})
        assert await table.delete_if(key, "#n < :limit", {"limit": 4})
        assert [item async for item in table.scan()] == []


@pytest.mark.parametrize(("read", "seen"), [(2, [2]), (1, [1, 2])], ids=["unchanged", "written since"])
async def test_an_item_that_was_just_read_is_read_again_only_after_a_conflict(
    read: int, seen: list[int], sandbox: EngineSandbox
) -> None:
    async with AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client:
        table = Table(aws_client.hub(), sandbox.server.environment()["DRS_REGION_STATUS_TABLE"], "us-east-1")
        stored = {"region": "r", "n": 2, "kept": "yes"}
        await table.put_many([stored])
        key, call = {"region": "r"}, Call("dynamodb", "UpdateItem", "hub", "r")
        sandbox.calls()
        update = CompareAndSet(
            table, key, unchanged=("n",), attempts=2, call=call, subject="r", known={**stored, "n": read}
        )
        found = []
        while True:
            item = await update.read()
            assert item is not None
            found.append(item["n"])
            if await update.write({"n": item["n"] + 10}):
                break
        assert found == seen
        assert sandbox.calls()["dynamodb", "GetItem"] == len(seen) - 1
        assert await table.get(key) == {"region": "r", "n": 12, "kept": "yes"}


async def test_a_batch_is_written_without_the_sdks_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """They would take more CPU than the rest of a first sync; `tests/unit/aws/test_request_bodies.py` has the rest."""
    partial = PartialTable(1.0)
    async with table_of(partial, monkeypatch) as (table, _):
        monkeypatch.setattr(ParamValidator, "validate", lambda *_: pytest.fail("checked"))
        await table.put_many([{"id": "a", "raw": b"\x00"}])
    assert partial.stored["a"]["raw"] == {"B": "AA=="}


async def test_a_scan_reads_all_pages(sandbox: EngineSandbox) -> None:
    big = "x" * 100_000
    async with AwsClient(Settings(), lambda: datetime.now(UTC)) as aws_client:
        table = Table(aws_client.hub(), sandbox.server.environment()["DRS_REGION_STATUS_TABLE"], "us-east-1")
        for number in range(25):
            await table.put_many([{"region": f"r{number}", "big": big}])
        assert len([item async for item in table.scan()]) == 25
        assert sandbox.calls()["dynamodb", "Scan"] >= 2


@given(st.binary(max_size=40))
def test_bytes_are_sent_as_binaries_and_read_from_base64(value: bytes) -> None:
    assert encode_value({"deep": [value]}) == {"M": {"deep": {"L": [{"B": value}]}}}
    text = base64.b64encode(value).decode()
    assert decode({"one": {"B": text}, "set": {"BS": [text]}}) == {"one": value, "set": [value]}


@pytest.mark.parametrize("text", ["%", "QQ", "QQ=\n=", 5, None])
def test_a_binary_that_is_not_base64_is_a_malformed_item(text: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        decode({"values": {"B": text}})


@pytest.mark.parametrize(
    "value",
    [{"N": "NaN"}, {"N": "-Infinity"}, {"N": "1E+200"}, {"N": "1E-200"}, {"SS": ["a", 5]}, {"NS": [5]}, {"BS": [5]}],
)
def test_a_value_that_dynamodb_does_not_have_is_a_malformed_item(value: Any) -> None:
    with pytest.raises(ValueError, match=r"that DynamoDB does not have|a member of another type"):
        decode({"odd": value})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(item=st.dictionaries(st.text(min_size=1, max_size=8), json_values, max_size=6))
def test_values_survive_encoding_and_decoding(item: dict[str, Any]) -> None:
    # None at the top level means no attribute.
    kept = {name: value for name, value in item.items() if value is not None}
    assert decode(encode(item)) == kept


def _decimals(value: Any) -> Any:
    """Convert floats and tuples, which boto3's serializer does not accept."""
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, dict):
        return {key: _decimals(inner) for key, inner in value.items()}
    return [_decimals(inner) for inner in value] if isinstance(value, list | tuple) else value


# Without infinity and NaN: boto3 accepts some of them, although DynamoDB rejects them.
numbers = st.integers() | st.floats(allow_infinity=False) | st.decimals(allow_nan=False, allow_infinity=False)


@given(st.recursive(json_values | numbers, lambda inner: st.lists(inner, max_size=3) | st.tuples(inner), max_leaves=6))
def test_values_are_written_as_boto3_writes_them(value: Any) -> None:
    def outcome(write: Any, given: Any) -> Any:
        try:
            return write(given)
        except (ArithmeticError, TypeError) as error:
            return isinstance(error, ArithmeticError)

    assert outcome(encode_value, value) == outcome(TypeSerializer().serialize, _decimals(value))


@pytest.mark.parametrize("text", ["inf", "-inf", "nan", "-nan"])
@pytest.mark.parametrize("kind", [float, Decimal])
def test_what_is_no_number_is_refused(text: str, kind: Any) -> None:
    with pytest.raises((TypeError, ArithmeticError)):
        encode_value(kind(text))


class Word(StrEnum):
    ONE = "one"


@pytest.mark.parametrize("value", [{1}, bytearray(b"x"), object(), {"deep": [object()]}])
def test_a_type_that_no_item_has_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="DynamoDB has no type for"):
        encode_value(value)


def test_a_word_of_an_enumeration_is_text() -> None:
    encoded = encode_value(Word.ONE)
    assert encoded == {"S": "one"}
    assert type(encoded["S"]) is str
