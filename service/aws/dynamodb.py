"""DynamoDB through the door: plain Python values in and out, all pages followed, unprocessed items sent again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import anyio
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from service.aws.door import Caller
from service.errors import AwsError
from service.models import Call

__all__ = ["Item", "Table"]

Item = dict[str, Any]

_BATCH_WRITE: Final = 25  # BatchWriteItem's own limit
_BATCH_GET: Final = 100  # BatchGetItem's own limit
_MOST_ROUNDS: Final = 8
_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


class Table:
    """One table in the hub."""

    def __init__(self, caller: Caller, name: str, region: str) -> None:
        self._caller = caller
        self.name = name
        self._region = region

    async def scan(self) -> AsyncIterator[Item]:
        """Give every item, all pages.

        Raises:
            AwsError: a page could not be read; what came before is then only a part.
        """
        async for item in self._pages("Scan", {"ConsistentRead": True}):
            yield item

    async def query(
        self, condition: str, values: Mapping[str, Any], *, index: str, only: Sequence[str]
    ) -> AsyncIterator[Item]:
        """Give the items of an index that meet a key condition, all pages.

        Args:
            condition: key condition; names as `#name`, values as `:name`.
            values: the values by name, without the colon.
            index: global secondary index; its reads are eventually consistent.
            only: top-level attributes to return.

        Raises:
            AwsError: a page could not be read.
        """
        names = {f"#{name}": name for name in only} | {f"#{name}": name for name in _names_in(condition)}
        async for item in self._pages(
            "Query",
            {
                "IndexName": index,
                "KeyConditionExpression": condition,
                "ProjectionExpression": ",".join(f"#{name}" for name in only),
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": {f":{name}": _encode(value) for name, value in values.items()},
            },
        ):
            yield item

    async def _pages(self, operation: str, params: Mapping[str, Any]) -> AsyncIterator[Item]:
        start: Mapping[str, Any] = {}
        while True:
            answer = await self._call(operation, {**params, **start})
            if "Items" not in answer:
                raise AwsError(
                    "MalformedResponse", "no Items in the answer", Call("dynamodb", operation, "hub", self._region)
                )
            for item in answer["Items"]:
                yield decode(item)
            if not answer.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    async def get(self, key: Mapping[str, Any]) -> Item | None:
        """Read one item, consistently; None when there is none."""
        answer = await self._call("GetItem", {"Key": encode(key), "ConsistentRead": True})
        return decode(answer["Item"]) if answer.get("Item") else None

    async def get_many(self, keys: Iterable[Mapping[str, Any]]) -> list[Item]:
        """Read items by key, consistently, in no order; those that do not exist are left out.

        Raises:
            AwsError: some could not be read.
        """
        found: list[Item] = []
        pending = [encode(key) for key in keys]
        rounds = 0
        while pending:
            chunk, pending = pending[:_BATCH_GET], pending[_BATCH_GET:]
            answer = await self._call(
                "BatchGetItem", {"RequestItems": {self.name: {"Keys": chunk, "ConsistentRead": True}}}, named=False
            )
            found.extend(decode(item) for item in answer.get("Responses", {}).get(self.name, []))
            unprocessed = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
            if unprocessed:
                rounds = await self._next_round("BatchGetItem", rounds)
                pending = [*unprocessed, *pending]
        return found

    async def put_many(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Put whole items in batches of 25, sending again what DynamoDB hands back unprocessed.

        Raises:
            AwsError: some could not be written; the others were.
        """
        pending = [{"PutRequest": {"Item": encode(item)}} for item in items]
        rounds = 0
        while pending:
            chunk, pending = pending[:_BATCH_WRITE], pending[_BATCH_WRITE:]
            answer = await self._call("BatchWriteItem", {"RequestItems": {self.name: chunk}}, named=False)
            unprocessed = answer.get("UnprocessedItems", {}).get(self.name, [])
            if unprocessed:
                rounds = await self._next_round("BatchWriteItem", rounds)
                pending = [*unprocessed, *pending]

    async def _next_round(self, operation: str, rounds: int) -> int:
        """Wait longer each time the table hands something back; give up in the end rather than for ever."""
        if rounds >= _MOST_ROUNDS:
            raise AwsError(
                "ProvisionedThroughputExceededException",
                f"the table {self.name} kept handing items back unprocessed",
                Call("dynamodb", operation, "hub", self._region),
            )
        await anyio.sleep(min(2.0, 0.05 * 2**rounds))
        return rounds + 1

    async def put_if(self, item: Mapping[str, Any], condition: str, values: Mapping[str, Any] | None = None) -> bool:
        """Put an item if a condition holds; tell whether it did."""
        return await self._conditional("PutItem", {"Item": encode(item)}, condition, values or {})

    async def delete_if(self, key: Mapping[str, Any], condition: str, values: Mapping[str, Any]) -> bool:
        """Delete an item if a condition holds; tell whether it did."""
        return await self._conditional("DeleteItem", {"Key": encode(key)}, condition, values)

    async def update_if(
        self, key: Mapping[str, Any], assign: Mapping[str, Any], condition: str, values: Mapping[str, Any] | None = None
    ) -> bool:
        """Set attributes of an item (those assigned None are removed) if a condition holds; tell whether it did."""
        setting = {name: value for name, value in assign.items() if value is not None}
        removing = [name for name, value in assign.items() if value is None]
        expression = "SET " + ",".join(f"#{name}=:{name}" for name in setting)
        if removing:
            expression += " REMOVE " + ",".join(f"#{name}" for name in removing)
        return await self._update(key, expression, assign, condition, {**setting, **(values or {})})

    async def fill(self, key: Mapping[str, Any], assign: Mapping[str, Any], condition: str) -> bool:
        """Set those of these attributes that an item lacks, if a condition holds; tell whether it did."""
        expression = "SET " + ",".join(f"#{name}=if_not_exists(#{name},:{name})" for name in assign)
        return await self._update(key, expression, assign, condition, assign)

    async def _update(
        self, key: Mapping[str, Any], expression: str, names: Iterable[str], condition: str, values: Mapping[str, Any]
    ) -> bool:
        params = {
            "Key": encode(key),
            "UpdateExpression": expression,
            "ExpressionAttributeNames": {f"#{name}": name for name in names},
        }
        return await self._conditional("UpdateItem", params, condition, values)

    async def _conditional(
        self, operation: str, params: Mapping[str, Any], condition: str, values: Mapping[str, Any]
    ) -> bool:
        names = {**params.get("ExpressionAttributeNames", {}), **{f"#{name}": name for name in _names_in(condition)}}
        request = {**params, "ConditionExpression": condition, "ExpressionAttributeNames": names}
        if values:
            request["ExpressionAttributeValues"] = {f":{name}": _encode(value) for name, value in values.items()}
        try:
            await self._call(operation, request)
        except AwsError as error:
            if error.code == "ConditionalCheckFailedException":
                return False
            raise
        return True

    async def _call(self, operation: str, params: Mapping[str, Any], *, named: bool = True) -> dict[str, Any]:
        named_params = {"TableName": self.name, **params} if named else params
        try:
            return await self._caller.call("dynamodb", operation, named_params, region=self._region)
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise
            message = f"there is no table {self.name} in {self._region} of this account"
            raise AwsError(error.code, message, error.call) from None


def _names_in(condition: str) -> set[str]:
    """Find the `#name` placeholders of an expression; ours are always spelled like the attribute."""
    return {
        word.strip("(), ").removeprefix("#") for word in condition.replace("(", " ").split() if word.startswith("#")
    }


def encode(item: Mapping[str, Any]) -> dict[str, Any]:
    """Turn plain values into AttributeValues, top-level None left out."""
    return {name: _encode(value) for name, value in item.items() if value is not None}


def decode(item: Mapping[str, Any]) -> Item:
    """Turn AttributeValues into plain values; whole numbers become int, others float."""
    return {name: _plain(_deserialize(value)) for name, value in item.items()}


def _encode(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return _serialize(_exact(value))


def _exact(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Replace floats by decimals, all the way down: DynamoDB's serialiser takes no float."""
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, Mapping):
        return {key: _exact(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(inner) for inner in value]
    return value


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
