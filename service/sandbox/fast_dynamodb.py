"""Faster DynamoDB for moto, with the same responses; a test compares the two.

moto serializes every response generically, copies each item of a page three times and computes its size twice: a page
of 500 items takes seconds, during which the sandbox serves nothing else. moto also lets other threads run between the
condition check of a write and the write itself; here one lock serializes all requests.
"""

from __future__ import annotations

import json
import threading
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from moto.core.responses import ActionResult
from moto.core.utils import get_service_model
from moto.dynamodb import urls
from moto.dynamodb.exceptions import ItemSizeTooLarge, MockValidationException
from moto.dynamodb.models import table as tables
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import RESULT_SIZE_LIMIT, Table
from moto.dynamodb.models.utilities import dynamo_to_dict
from moto.dynamodb.responses import DynamoHandler

from service.sandbox.fast_expressions import register_fast_expressions
from service.sandbox.transactions import CompletedTransactions, FastBackend, check_request

__all__ = ["FastTable", "is_fast_dynamodb_registered", "register_fast_dynamodb", "use_fast_queries"]

_READ_OPERATIONS: Final = frozenset({"GetItem", "BatchGetItem", "Query", "Scan"})
_WRITE_OPERATIONS: Final = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"})
_MAX_ITEM_BYTES: Final = 405_000  # as in moto: the documented limit is 400 KB, and AWS accepts slightly more
_MAX_BATCH_WRITES: Final = 25
_HEADERS: Final = {"Content-Type": "application/x-amz-json-1.0"}


_request_lock: Final = threading.RLock()
_completed_transactions: Final = CompletedTransactions()


class FastDynamoHandler(DynamoHandler):
    """moto's request handler; items in a response are already in wire format and are not serialized again."""

    def call_action(self) -> Any:  # noqa: ANN401  (as in moto)
        """Handle one request under a lock, so that a write's condition still holds when it is written."""
        with _request_lock:
            return super().call_action()

    def batch_write_item(self) -> ActionResult:
        """Write a batch, or reject it as DynamoDB does: moto accepts any number of writes and duplicate keys."""
        batches = self.body["RequestItems"]
        if not 0 < sum(map(len, batches.values())) <= _MAX_BATCH_WRITES or not all(batches.values()):
            raise MockValidationException(f"a batch has 1 to {_MAX_BATCH_WRITES} writes, at least one per table")
        keys = [
            (
                name,
                *(str(keyed.get(attribute)) for attribute in self.dynamodb_backend.get_table(name).table_key_attrs),
            )
            for name, requests in batches.items()
            for request in requests
            for keyed in (request.get("PutRequest", {}).get("Item") or request["DeleteRequest"]["Key"],)
        ]
        if len(set(keys)) < len(keys):
            raise MockValidationException("Provided list of item keys contains duplicates")
        return super().batch_write_item()

    def transact_write_items(self) -> ActionResult:
        """Apply a transaction, unless one with its ClientRequestToken was applied within ten minutes."""
        check_request(self.body["TransactItems"])
        if not _completed_transactions.has(self.dynamodb_backend, self.body):
            self.dynamodb_backend.__class__ = FastBackend
            super().transact_write_items()  # checks the expressions, and calls the backend
            _completed_transactions.add(self.dynamodb_backend, self.body)
        return ActionResult({})

    def serialized(self, action_result: ActionResult) -> Any:  # noqa: ANN401  (as in moto)
        """Turn a result into status, headers, body."""
        result = action_result.result
        action = self._get_action()
        if isinstance(result, dict) and action in _READ_OPERATIONS | _WRITE_OPERATIONS:
            if action in _WRITE_OPERATIONS:  # moto adds members that are not in the response
                result = {name: value for name, value in result.items() if name in _members(action)}
            try:
                return 200, {**_HEADERS, **self.response_headers}, _response_body(result)
            except TypeError:  # binary values are rare; moto's serializer handles them
                return super().serialized(action_result)
        return super().serialized(action_result)


@cache
def _members(action: str) -> frozenset[str]:
    """Return the members of an operation's response."""
    return frozenset(get_service_model("dynamodb").operation_model(action).output_shape.members)


def _response_body(result: dict[str, Any]) -> str:
    members = {name: value for name, value in result.items() if name != "status_code" and value is not None}
    items = members.get("Items")
    if not items or not isinstance(items[0], _JsonText):
        return json.dumps(members, separators=(",", ":"))
    rest = json.dumps({**members, "Items": []}, separators=(",", ":"))
    return rest.replace('"Items":[]', f'"Items":[{",".join(items)}]', 1)


class FastItem(Item):
    """Item whose size is computed once when it is put, not once per attribute."""

    def __init__(self, hash_key: DynamoType, range_key: DynamoType | None, attrs: dict[str, Any]) -> None:
        self.hash_key, self.range_key = hash_key, range_key
        self.attrs = LimitedSizeDict()
        dict.update(self.attrs, {name: DynamoType(value) for name, value in attrs.items()})
        if self.size() > _MAX_ITEM_BYTES:
            raise ItemSizeTooLarge


def register_fast_dynamodb() -> None:
    """Replace moto's DynamoDB handler, items and update expressions. Call it before the first request; idempotent."""
    register_fast_expressions()
    urls.url_paths["{0}/"] = FastDynamoHandler.dispatch
    tables.Item = FastItem


def use_fast_queries(table: Table) -> None:
    """Make an existing table use the fast index queries; its items stay."""
    table.__class__ = FastTable


def is_fast_dynamodb_registered() -> bool:
    """Whether moto's DynamoDB was replaced in this process."""
    return tables.Item is FastItem


@dataclass(frozen=True, slots=True)
class _IndexQuery:
    """Parameters of an index query, with moto's names."""

    range_comparison: str | None
    range_objs: Sequence[Any]
    limit: int | None
    exclusive_start_key: dict[str, Any] | None
    scan_index_forward: bool
    projection_expressions: Sequence[Sequence[str]] | None
    index_name: str | None = None
    consistent_read: bool = False
    filter_expression: Any = None
    hash_key_conditions: Sequence[tuple[str, Any]] = ()
    range_key_conditions: Sequence[Any] = ()

    @property
    def is_simple(self) -> bool:
        """Whether it has one hash key, at most one range key condition and forward order."""
        return (
            len(self.hash_key_conditions) == 1
            and len(self.range_key_conditions) <= 1
            and self.scan_index_forward
            and not self.consistent_read
        )


class _JsonText(str):
    """JSON text of an item."""


class _SerializedAttributes(dict[str, Any]):
    """All attributes of an item, with their JSON text cached on the item."""

    def __init__(self, item: Item) -> None:
        super().__init__(item.attrs)
        self._item = item

    def to_json(self) -> Any:  # noqa: ANN401  (text, or the attributes when a value is binary)
        """Return the JSON text; moto calls this when it builds the response."""
        cache = self._item.__dict__
        if "text" not in cache:
            try:
                cache["text"] = _JsonText(json.dumps(dynamo_to_dict(self._item.attrs), separators=(",", ":")))
            except TypeError:
                return dict(self)
        return cache["text"]


class FastTable(Table):
    """Table whose simple index queries sort only keys and cache each item's size and JSON text."""

    def get_item(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  (as in moto)
        """Return an item and drop its cached size and text, because the caller may change it."""
        item = super().get_item(*args, **kwargs)
        if item is not None:
            item.__dict__.pop("text", None)
            item.__dict__.pop("bytes", None)
        return item

    def query(self, hash_key: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  (as in moto)
        """Run a query; all but simple index queries use moto's implementation."""
        try:
            query = _IndexQuery(*args, **kwargs)
        except TypeError:  # legacy filters, from before expressions
            return super().query(hash_key, *args, **kwargs)
        index = next((each for each in self.global_indexes or () if each.name == query.index_name), None)
        if index is None or len(index.schema) != 2 or not self.range_key_attr or not query.is_simple:  # noqa: PLR2004
            return super().query(hash_key, *args, **kwargs)
        hash_name, range_name = (key["AttributeName"] for key in index.schema)
        return self._page(query, self._partition(query, hash_name, range_name), range_name)

    def _partition(self, query: _IndexQuery, hash_name: str, range_name: str) -> list[Item]:
        """Return the items of one hash key in index order."""
        hash_value = query.hash_key_conditions[0][1]
        matching: list[Item] = []
        for items in list(self.items.values()):
            for item in list(items.values()):
                hashed, ranged = item.attrs.get(hash_name), item.attrs.get(range_name)
                if hashed is not None and ranged is not None and hashed.value == hash_value.value:
                    matching.append(item)  # an item without both keys is not in the index
        return sorted(matching, key=lambda item: _index_key(item, range_name))

    def _page(
        self, query: _IndexQuery, items: list[Item], range_name: str
    ) -> tuple[list[Item], int, dict[str, Any] | None]:
        start, size, comparison = query.exclusive_start_key, 0, query.range_comparison
        page: list[Item] = []
        if start:
            start_key = tuple(
                _scalar(start[name]) for name in (range_name, self.hash_key_attr, str(self.range_key_attr))
            )
            items = items[bisect_right(items, start_key, key=lambda item: _index_key(item, range_name)) :]
        last = None
        for item in items:
            # As in moto, a page also ends before an item that the range key condition would exclude.
            item_size = item.__dict__.get("bytes") or item.__dict__.setdefault("bytes", item.size())
            if len(page) == query.limit or (page and size + item_size > RESULT_SIZE_LIMIT):
                last = self._get_last_evaluated_key(page[-1], query.index_name)
                break
            if comparison is None or item.attrs[range_name].compare(comparison, query.range_objs):
                page.append(item)
                size += item_size
        shown = page if query.filter_expression is None else [i for i in page if query.filter_expression.expr(i)]
        paths = query.projection_expressions or ()
        return [_copy_with(item, _projected(item, paths)) for item in shown], len(page), last


def _projected(item: Item, paths: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return the attributes of an item that are at some paths; without paths, all, with their JSON text cached."""
    return _part_of(item.attrs, paths) if paths else _SerializedAttributes(item)


def _part_of(attributes: Mapping[str, DynamoType], paths: Sequence[Sequence[str]]) -> dict[str, DynamoType]:
    """Return the attributes at some paths; of a map only what its paths name, nothing of one that has none of it."""
    inner: dict[str, list[Sequence[str]]] = {}
    for name, *rest in paths:
        if name in attributes:
            inner.setdefault(name, []).append(rest)
    part = {}
    for name, rests in inner.items():
        value = attributes[name]
        if [] in rests:
            part[name] = value
        elif value.is_map() and (members := _part_of(value.value, rests)):
            part[name] = DynamoType({"M": {}})
            part[name].value = members
    return part


def _index_key(item: Item, range_name: str) -> tuple[str, str, str]:
    return item.attrs[range_name].value, item.hash_key.value, item.range_key.value


def _scalar(value: Any) -> Any:  # noqa: ANN401  (a value in wire format, or moto's DynamoType)
    return next(iter(value.values())) if isinstance(value, dict) else value.value


def _copy_with(item: Item, attrs: dict[str, Any]) -> Item:
    shown = Item.__new__(Item)
    shown.hash_key, shown.range_key, shown.attrs = item.hash_key, item.range_key, attrs
    return shown
