"""DynamoDB reads: pagination of Query and Scan, batches with unprocessed keys retried, plain Python values."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from decimal import Clamped, Context, Decimal, Inexact, Overflow, Rounded, Underflow
from types import MappingProxyType
from typing import Any, Final

import anyio
import orjson

from service.aws.client import AccountSession
from service.errors import AwsError
from service.models import Call

__all__ = ["Item", "TableReader", "decode", "encode", "encode_value", "names_in"]

Item = dict[str, Any]

_BATCH_GET: Final = 100  # BatchGetItem's own limit
_MAX_ROUNDS: Final = 8


class TableReader:
    """Reads of one table in the hub."""

    def __init__(self, session: AccountSession, name: str, region: str) -> None:
        self._session = session
        self.name = name
        self._region = region

    def scan(self) -> AsyncIterator[Item]:
        """Scan the table, consistently, and yield the items of all pages.

        Raises:
            AwsError: a page could not be read; the items yielded before are only a part.
        """
        return self._pages("Scan", {"ConsistentRead": True})

    def query(
        self,
        condition: str,
        values: Mapping[str, Any],
        *,
        index: str | None = None,
        only: Sequence[str] = (),
        trim: Callable[[Item], Item] | None = None,
    ) -> AsyncIterator[Item]:
        """Query the table or one of its indexes and yield the items of all pages.

        Reads of the table are consistent; DynamoDB offers only eventually consistent reads of a global secondary index.

        Args:
            condition: key condition; names as `#name`, values as `:name`.
            values: the values by name, without the colon.
            index: global secondary index, None for the table itself.
            only: top-level attributes to return; empty for all.
            trim: applied to each item before it is decoded; dropping an attribute here saves the cost of decoding it.

        Raises:
            AwsError: a page could not be read; the items yielded before are only a part.
        """
        params: dict[str, Any] = {
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": {f":{name}": encode_value(value) for name, value in values.items()},
        }
        params.update({"ConsistentRead": True} if index is None else {"IndexName": index})
        if only:
            params["ProjectionExpression"] = ",".join(f"#{name}" for name in only)
        if names := {*only, *names_in(condition)}:
            params["ExpressionAttributeNames"] = {f"#{name}": name for name in sorted(names)}
        return self._pages("Query", params, trim)

    async def scan_page(
        self, condition: str, values: Mapping[str, Any], *, start: Mapping[str, Any] | None = None
    ) -> tuple[list[Item], Item | None]:
        """Scan one page, consistently, and return its items that meet a condition, and the key that it ends at.

        Args:
            condition: filter; names as `#name`, values as `:name`.
            values: the values by name, without the colon.
            start: key that the page before ended at; None for the first page.

        Returns:
            The items, of which there may be none, and the key to go on from; None after the last page.

        Raises:
            AwsError: the page could not be read.
        """
        params: dict[str, Any] = {
            "ConsistentRead": True,
            "FilterExpression": condition,
            "ExpressionAttributeNames": {f"#{name}": name for name in sorted(names_in(condition))},
            "ExpressionAttributeValues": {f":{name}": encode_value(value) for name, value in values.items()},
        }
        items, last_key = await self._page(
            "Scan", {**params, **({"ExclusiveStartKey": encode(start)} if start else {})}
        )
        return items, self._decoded("Scan", [last_key])[0] if last_key else None

    async def _pages(
        self, operation: str, params: Mapping[str, Any], trim: Callable[[Item], Item] | None = None
    ) -> AsyncIterator[Item]:
        """Follow LastEvaluatedKey to the last page: the one pagination loop for Query and Scan."""
        start: Mapping[str, Any] = {}
        used_keys: set[bytes] = set()
        while True:
            items, last_key = await self._page(operation, {**params, **start}, trim)
            for item in items:
                yield item
            if not last_key:
                return
            fingerprint = orjson.dumps(last_key, option=orjson.OPT_SORT_KEYS)
            if fingerprint in used_keys:
                raise self._malformed(operation, "LastEvaluatedKey repeats")
            used_keys.add(fingerprint)
            start = {"ExclusiveStartKey": last_key}

    async def _page(
        self, operation: str, params: Mapping[str, Any], trim: Callable[[Item], Item] | None = None
    ) -> tuple[list[Item], Item]:
        """Read one page; return its items, and the encoded key that it ends at, empty after the last page."""
        response = await self.call(operation, params)
        if "Items" not in response:
            raise self._malformed(operation, "response is missing Items")
        items = self._decoded(operation, response["Items"], trim)
        last_key = response.get("LastEvaluatedKey")
        if last_key is not None and not isinstance(last_key, dict):
            raise self._malformed(operation, "LastEvaluatedKey is not an object")
        return items, last_key or {}

    async def get(self, key: Mapping[str, Any]) -> Item | None:
        """Read one item, consistently; None when there is none. Raises AwsError."""
        response = await self.call("GetItem", {"Key": encode(key), "ConsistentRead": True})
        return self._decoded("GetItem", [response["Item"]])[0] if response.get("Item") else None

    async def get_many(self, keys: Iterable[Mapping[str, Any]]) -> list[Item]:
        """Read items by key, consistently, in any order; items that do not exist are left out.

        Raises:
            AwsError: some could not be read.
        """
        items: list[Item] = []
        pending = [encode(key) for key in keys]
        rounds = 0
        while pending:
            chunk, pending = pending[:_BATCH_GET], pending[_BATCH_GET:]
            response = await self.call(
                "BatchGetItem", {"RequestItems": {self.name: {"Keys": chunk, "ConsistentRead": True}}}, named=False
            )
            if not isinstance(response.get("Responses"), dict):  # present even when no item exists
                raise self._malformed("BatchGetItem", "response is missing Responses")
            items.extend(self._decoded("BatchGetItem", response["Responses"].get(self.name, [])))
            unprocessed = self.unprocessed("BatchGetItem", response, "UnprocessedKeys", "Keys")
            if unprocessed:
                rounds = await self.next_round("BatchGetItem", 0 if len(unprocessed) < len(chunk) else rounds)
                pending = [*unprocessed, *pending]
        return items

    def _decoded(self, operation: str, items: Iterable[Item], trim: Callable[[Item], Item] | None = None) -> list[Item]:
        try:
            return [decode(trim(item) if trim else item) for item in items]
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise self._malformed(operation, f"unexpected item structure ({type(error).__name__})") from None

    def _malformed(self, operation: str, why: str) -> AwsError:
        return AwsError("MalformedResponse", why, Call("dynamodb", operation, "hub", self._region))

    def unprocessed(self, operation: str, response: Mapping[str, Any], *path: str) -> list[dict[str, Any]]:
        """Return the entries of a batch that DynamoDB did not process, to send again.

        Args:
            operation: the batch operation.
            response: its response.
            path: member of the response that maps table names to the entries, then members below the table's name.

        Raises:
            AwsError: the member has an unexpected structure, so it is unknown which entries were processed.
        """
        entries: Any = response
        for name in (path[0], self.name, *path[1:]):
            if not isinstance(entries, dict):
                raise self._malformed(operation, f"unexpected {path[0]} structure")
            entries = entries.get(name)
            if entries is None:
                return []
        if not (isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)):
            raise self._malformed(operation, f"unexpected {path[0]} structure")
        return entries

    async def next_round(self, operation: str, rounds: int) -> int:
        """Back off before unprocessed entries of a batch are sent again; return the new number of rounds.

        Args:
            operation: the batch operation.
            rounds: consecutive batches returned entirely unprocessed. Pass 0 after partial progress, which is normal: a
                response is limited to 16 MB, so it may hold only some of 100 big items.

        Raises:
            AwsError: eight rounds in a row made no progress.
        """
        if rounds >= _MAX_ROUNDS:
            raise AwsError(
                "ProvisionedThroughputExceededException",
                f"table {self.name} returned all items of a batch unprocessed {_MAX_ROUNDS + 1} times",
                Call("dynamodb", operation, "hub", self._region),
            )
        await anyio.sleep(min(2.0, 0.05 * 2**rounds))
        return rounds + 1

    async def call(self, operation: str, params: Mapping[str, Any], *, named: bool = True) -> dict[str, Any]:
        """Make one call; `named` adds the table name to the parameters. Raises AwsError."""
        named_params = {"TableName": self.name, **params} if named else params
        try:
            return await self._session.call("dynamodb", operation, named_params, region=self._region)
        except AwsError as error:
            if error.code != "ResourceNotFoundException":
                raise
            message = f"table {self.name} does not exist in {self._region} of this account"
            raise AwsError(error.code, message, error.call) from None


def names_in(condition: str) -> set[str]:
    """Return the `#name` placeholders of an expression, which are always spelled like the attribute."""
    return {
        word.strip("(), ").removeprefix("#") for word in condition.replace("(", " ").split() if word.startswith("#")
    }


def encode(item: Mapping[str, Any]) -> dict[str, Any]:
    """Convert plain values to AttributeValues; None at the top level is left out."""
    return {name: encode_value(value) for name, value in item.items() if value is not None}


def encode_value(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """Convert a plain value to an AttributeValue; floats become exact decimals, tuples become lists, bytes binaries.

    Raises:
        TypeError: a type that DynamoDB does not have, infinity or NaN.
        ArithmeticError: a number of more than 38 digits, or with an exponent outside -128 to 126.
    """
    match value:
        case str():
            return {"S": str(value)}
        case bytes() | bool():  # the SDK writes bytes as base64
            return {"B" if isinstance(value, bytes) else "BOOL": value}
        case int() | float() | Decimal():
            return {"N": _number_text(value)}
        case dict() | Mapping():
            return {"M": {key: encode_value(inner) for key, inner in value.items()}}
        case list() | tuple():
            return {"L": [encode_value(inner) for inner in value]}
        case None:
            return {"NULL": True}
        case _:
            raise TypeError(f"DynamoDB has no type for {type(value).__name__}")


# Precision and range of DynamoDB numbers (developer guide); trapped, because rounding would silently change values.
_NUMBERS: Final = Context(prec=38, Emin=-128, Emax=126, traps=[Clamped, Overflow, Inexact, Rounded, Underflow])


def _number_text(value: float | Decimal) -> str:
    number = _NUMBERS.create_decimal(str(value) if isinstance(value, float) else value)
    if not number.is_finite():
        raise TypeError("DynamoDB has no type for infinity or NaN")
    return str(number)


def decode(item: Mapping[str, Any]) -> Item:
    """Convert AttributeValues to plain values: whole numbers to int, others to float, sets to sorted lists.

    Raises:
        ValueError: a type that DynamoDB does not have, or a binary that is not base64.
    """
    return {name: _plain(value) for name, value in item.items()}


def _plain(tagged: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    ((kind, value),) = tagged.items()
    try:
        return _PLAIN[kind](value)
    except KeyError:
        raise ValueError(f"an attribute of the unknown type {kind}") from None


def _number(text: str) -> int | float:
    if text.isdecimal():  # the fast path: nearly all of our numbers
        return int(text)
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else float(number)


def _binary(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


# Not boto3's TypeDeserializer: it takes five times as long, and importing boto3 takes a tenth of a cold start.
_PLAIN: Final[Mapping[str, Callable[[Any], Any]]] = MappingProxyType(
    {
        "S": str,
        "BOOL": bool,
        "N": _number,
        "M": decode,
        "L": lambda values: [_plain(each) for each in values],
        "NULL": lambda _: None,
        "SS": sorted,
        "NS": lambda values: sorted(map(_number, values)),
        "B": _binary,
        "BS": lambda values: sorted(map(_binary, values)),
    }
)
