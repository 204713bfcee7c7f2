"""DynamoDB reads: pagination of Query and Scan, batches with unprocessed keys retried, plain Python values."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import anyio
import orjson

from service.aws.attribute_values import Item, decode, encode, encode_value
from service.aws.client import AccountSession
from service.errors import AwsError
from service.models import Call

__all__ = ["Item", "TableReader", "names_in"]

_BATCH_GET: Final = 100  # BatchGetItem's own limit
_MAX_ROUNDS: Final = 8
_MAX_PAGES: Final = 10_000
"""Of at most 1 MB. More pages mean that the keys never end; a bound also where each key is a new one."""


class TableReader:
    """Reads of one table in the hub."""

    def __init__(self, session: AccountSession, name: str, region: str) -> None:
        self._session = session
        self.name = name
        self._region = region

    def scan(self, *, only: Sequence[str] = ()) -> AsyncIterator[Item]:
        """Scan the table, consistently, and yield the items of all pages.

        Args:
            only: attributes to return, as for `query`; empty for all.

        Raises:
            AwsError: a page could not be read; the items yielded before are only a part.
        """
        return self._pages("Scan", {"ConsistentRead": True, **_projection(only)})

    def query(
        self,
        condition: str,
        values: Mapping[str, Any],
        *,
        index: str | None = None,
        only: Sequence[str] = (),
        trim: Callable[[Item], Item] | None = None,
        page_size: int | None = None,
    ) -> AsyncGenerator[Item]:
        """Query the table or one of its indexes and yield the items of all pages.

        Reads of the table are consistent; DynamoDB offers only eventually consistent reads of a global secondary index.

        Args:
            condition: key condition; names as `#name`, values as `:name`.
            values: the values by name, without the colon.
            index: global secondary index, None for the table itself.
            only: attributes to return, those of a map as `map.attribute`; empty for all.
            trim: applied to each item before it is decoded; dropping an attribute here saves the cost of decoding it.
            page_size: items of a page at most, for who may stop early; None for as many as fit.

        Raises:
            AwsError: a page could not be read; the items yielded before are only a part.
        """
        params: dict[str, Any] = {
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": {f":{name}": encode_value(value) for name, value in values.items()},
        }
        params.update({"ConsistentRead": True} if index is None else {"IndexName": index})
        if page_size is not None:
            params["Limit"] = page_size
        selected_by = names_in(condition)  # never empty: a key is always named by a placeholder
        params |= _projection(only, selected_by)
        return self._pages("Query", params, trim, texts=selected_by & set(only) if only else selected_by)

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
        self,
        operation: str,
        params: Mapping[str, Any],
        trim: Callable[[Item], Item] | None = None,
        *,
        texts: Collection[str] = (),
    ) -> AsyncGenerator[Item]:
        """Follow LastEvaluatedKey to the last page: the one pagination loop for Query and Scan.

        Args:
            operation: Query or Scan.
            params: of the call.
            trim: as of `query`.
            texts: attributes that every item has as text, because the request selects items by them.
        """
        start: Mapping[str, Any] = {}
        used_keys: set[bytes] = set()
        for _ in range(_MAX_PAGES):
            items, last_key = await self._page(operation, {**params, **start}, trim)
            self._require_texts(operation, items, texts)
            for item in items:
                yield item
            if not last_key:
                return
            fingerprint = orjson.dumps(last_key, option=orjson.OPT_SORT_KEYS)
            if fingerprint in used_keys:
                raise self.malformed(operation, "LastEvaluatedKey repeats")
            used_keys.add(fingerprint)
            start = {"ExclusiveStartKey": last_key}
        raise self.malformed(operation, f"LastEvaluatedKey does not end after {_MAX_PAGES} pages")

    async def _page(
        self, operation: str, params: Mapping[str, Any], trim: Callable[[Item], Item] | None = None
    ) -> tuple[list[Item], Item]:
        """Read one page; return its items, and the encoded key that it ends at, empty after the last page."""
        response = await self.call(operation, params)
        if not isinstance(response.get("Items"), list):
            raise self.malformed(operation, "response is missing Items")
        items = self._decoded(operation, response["Items"], trim)
        last_key = response.get("LastEvaluatedKey") or {}
        self._decoded(operation, [last_key])
        return items, last_key

    async def has_items(self) -> bool:
        """Whether the table has an item, by a consistent read of one at most. Raises AwsError."""
        items, last_key = await self._page("Scan", {"Limit": 1, "ConsistentRead": True})
        return bool(items or last_key)

    async def get(self, key: Mapping[str, Any]) -> Item | None:
        """Read one item, consistently; None when there is none. Raises AwsError."""
        response = await self.call("GetItem", {"Key": encode(key), "ConsistentRead": True})
        if response.get("Item") is None:
            return None
        item = self._decoded("GetItem", [response["Item"]])[0]
        if any(item.get(name) != value for name, value in key.items()):
            raise self.malformed("GetItem", "the item has another key than the one that was requested")
        return item

    async def get_many(
        self, keys: Iterable[Mapping[str, Any]], *, trim: Callable[[Item], Item] | None = None
    ) -> list[Item]:
        """Read items by key, consistently, in any order; items that do not exist are left out.

        Args:
            keys: the keys, all with the same attributes.
            trim: as for `query`.

        Raises:
            AwsError: some could not be read.
        """
        items: list[Item] = []
        wanted = [dict(key) for key in keys]
        names = tuple(wanted[0]) if wanted else ()
        requested = {tuple(key[name] for name in names) for key in wanted}
        pending = [encode(key) for key in wanted]
        rounds = 0
        while pending:
            chunk, pending = pending[:_BATCH_GET], pending[_BATCH_GET:]
            response = await self.call(
                "BatchGetItem", {"RequestItems": {self.name: {"Keys": chunk, "ConsistentRead": True}}}, named=False
            )
            if not isinstance(response.get("Responses"), dict):  # present even when no item exists
                raise self.malformed("BatchGetItem", "response is missing Responses")
            found = self._decoded("BatchGetItem", response["Responses"].get(self.name, []), trim)
            self._require_texts("BatchGetItem", found, names)
            if not requested.issuperset(tuple(item[name] for name in names) for item in found):
                raise self.malformed("BatchGetItem", "an item has another key than the requested ones")
            items.extend(found)
            unprocessed = self.unprocessed("BatchGetItem", response, "UnprocessedKeys", "Keys")
            if unprocessed:
                rounds = await self.next_round("BatchGetItem", 0 if len(unprocessed) < len(chunk) else rounds)
                pending = [*unprocessed, *pending]
        return items

    def _decoded(self, operation: str, items: Iterable[Item], trim: Callable[[Item], Item] | None = None) -> list[Item]:
        try:
            return [decode(trim(item) if trim else item) for item in items]
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise self.malformed(operation, f"unexpected item structure ({type(error).__name__})") from None

    def _require_texts(self, operation: str, items: Iterable[Item], names: Collection[str]) -> None:
        """Check that every item has some attributes as text. Raises AwsError."""
        for item in items:
            if not all(isinstance(item.get(name), str) for name in names):
                raise self.malformed(operation, f"an item is missing {' or '.join(sorted(names))}")

    def malformed(self, operation: str, why: str) -> AwsError:
        """Make the error of a response that cannot be used, such as one with an item that lacks its key."""
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
                raise self.malformed(operation, f"unexpected {path[0]} structure")
            entries = entries.get(name)
            if entries is None:
                return []
        if not (isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)):
            raise self.malformed(operation, f"unexpected {path[0]} structure")
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


def _projection(only: Sequence[str], selected_by: Collection[str] = ()) -> dict[str, Any]:
    """Return the parameters that select attributes, and name those of the condition as well."""
    paths = [path.split(".") for path in only]
    names = sorted({*(name for path in paths for name in path), *selected_by})
    written = ",".join(".".join(f"#{name}" for name in path) for path in paths)
    expression = {"ProjectionExpression": written} if written else {}
    return {**expression, "ExpressionAttributeNames": {f"#{name}": name for name in names}} if names else {}


def names_in(condition: str) -> set[str]:
    """Return the `#name` placeholders of an expression, which are always spelled like the attribute."""
    return {
        word.strip("(), ").removeprefix("#") for word in condition.replace("(", " ").split() if word.startswith("#")
    }
