"""In-memory DynamoDB: the operations and expressions that the engine uses, with eventually consistent reads."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.simulation.expressions import InvalidExpression, condition, update

__all__ = ["AttributeValues", "DynamoDb", "Key", "Keys", "ServiceError", "Table", "tables"]

AttributeValues = dict[str, Any]
Key = tuple[str, ...]


class ServiceError(Exception):
    """Error response of a simulated service; `members` are those beside code and message."""

    def __init__(
        self, code: str, message: str = "", *, status: int = 400, members: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.members = code, message, status, members or {}


@dataclass(frozen=True, slots=True)
class Keys:
    """Names of a table's key attributes and of each index's hash key; an index's range key is the table's hash key."""

    hash: str
    range: str | None = None
    indexes: Mapping[str, str] = field(default_factory=dict)

    def of(self, item: Mapping[str, Any]) -> Key:
        """Return an item's key. Raises ServiceError when an attribute is missing."""
        try:
            return tuple(item[name]["S"] for name in (self.hash, self.range) if name)
        except KeyError as missing:
            raise ServiceError("ValidationException", f"missing the key {missing}") from None


_NO_REASON: Final[Mapping[str, Any]] = {"Code": "None"}
_ONE_ITEM_TWICE: Final = "Transaction request cannot include multiple operations on one item"
_TOKEN_LIFETIME_S: Final = 600.0

Listener = Callable[[str, Key, AttributeValues | None, AttributeValues | None], None]


@dataclass(slots=True)
class Table:
    """One table. `journal` has the time, key and previous item of each change."""

    name: str
    keys: Keys
    items: dict[Key, AttributeValues] = field(default_factory=dict)
    journal: list[tuple[float, Key, AttributeValues | None]] = field(default_factory=list)

    def as_of(self, moment: float) -> Mapping[Key, AttributeValues]:
        """Return the items as they were at a moment."""
        if not self.journal or self.journal[-1][0] <= moment:
            return self.items
        view = dict(self.items)
        for changed_at, key, before in reversed(self.journal):
            if changed_at <= moment:
                break
            if before is None:
                view.pop(key, None)
            else:
                view[key] = before
        return view


@dataclass(slots=True)
class DynamoDb:
    """The tables of the hub.

    `lag_s`: an eventually consistent read, also of an index, may return data that is so many seconds old.
    `index_as_of`: indexes show the items of that moment until it is None again.
    `unprocessed`: share of batch entries returned as unprocessed, and of transactions cancelled because another
    writes one of their items. `lost_conditions`: so many of the next conditions are not met. `page`: maximum items on
    one page.
    """

    tables: dict[str, Table]
    time: Callable[[], float]
    rng: random.Random
    lag_s: float = 0.0
    index_as_of: float | None = None
    unprocessed: float = 0.0
    lost_conditions: int = 0
    completed: dict[str, tuple[float, Any]] = field(default_factory=dict)
    page: int = 1000
    listener: Listener | None = None

    def serve(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out an operation. Raises ServiceError."""
        try:
            return _OPERATIONS[operation](self, params)
        except InvalidExpression as error:
            raise ServiceError("ValidationException", str(error)) from None

    def _table(self, name: str) -> Table:
        if name not in self.tables:
            raise ServiceError("ResourceNotFoundException", "Requested resource not found")
        return self.tables[name]

    def _change(self, table: Table, key: Key, after: AttributeValues | None) -> None:
        before = table.items.get(key)
        table.journal.append((self.time(), key, before))
        if after is None:
            table.items.pop(key, None)
        else:
            table.items[key] = after
        if self.listener is not None:
            self.listener(table.name, key, before, after)

    def _check(self, item: Mapping[str, Any] | None, params: Mapping[str, Any]) -> None:
        text = params.get("ConditionExpression")
        is_met = text is None or condition(text)(item or {}, _names(params), _values(params))
        if text and self.lost_conditions:
            self.lost_conditions -= 1
            is_met = False
        if not is_met:
            raise ServiceError("ConditionalCheckFailedException", "The conditional request failed")

    def _get(self, params: Mapping[str, Any]) -> dict[str, Any]:
        table = self._table(params["TableName"])
        item = self._view(table, params).get(table.keys.of(params["Key"]))
        return {} if item is None else {"Item": item}

    def _view(self, table: Table, params: Mapping[str, Any]) -> Mapping[Key, AttributeValues]:
        if params.get("IndexName") and self.index_as_of is not None:
            return table.as_of(self.index_as_of)
        if params.get("ConsistentRead") or not self.lag_s:
            return table.items
        return table.as_of(self.time() - self.rng.random() * self.lag_s)

    def _put(self, params: Mapping[str, Any]) -> dict[str, Any]:
        table, item = self._table(params["TableName"]), params["Item"]
        key = table.keys.of(item)
        self._check(table.items.get(key), params)
        self._change(table, key, _as_stored(item))
        return {}

    def _delete(self, params: Mapping[str, Any]) -> dict[str, Any]:
        table = self._table(params["TableName"])
        key = table.keys.of(params["Key"])
        self._check(table.items.get(key), params)
        if key in table.items:
            self._change(table, key, None)
        return {}

    def _update(self, params: Mapping[str, Any]) -> dict[str, Any]:
        table = self._table(params["TableName"])
        key = table.keys.of(params["Key"])
        current = table.items.get(key)
        self._check(current, params)
        item, changed = _updated(table, current, params)
        self._change(table, key, item)
        if params.get("ReturnValues") == "UPDATED_NEW":
            return {"Attributes": {name: item[name] for name in changed}}
        if params.get("ReturnValues") == "ALL_NEW":
            return {"Attributes": item}
        return {}

    def _transact_write(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Apply all actions or none; the reasons have the order of the actions."""
        actions = [entry for each in params["TransactItems"] for entry in each.items()]
        _check_batch_size(actions, 100)
        written_at, content = self.completed.get(token := params.get("ClientRequestToken", ""), (self.time(), None))
        if content is not None and self.time() - written_at < _TOKEN_LIFETIME_S:
            if content != params["TransactItems"]:
                raise ServiceError("IdempotentParameterMismatchException", "the token was used with another payload")
            return {}
        writes = [(self._table(members["TableName"]), kind, members) for kind, members in actions]
        keys = [table.keys.of(members["Item" if kind == "Put" else "Key"]) for table, kind, members in writes]
        if len({(table.name, key) for (table, *_), key in zip(writes, keys, strict=True)}) < len(keys):
            raise ServiceError("ValidationException", _ONE_ITEM_TWICE)
        items = [table.items.get(key) for (table, *_), key in zip(writes, keys, strict=True)]
        reasons = [self._reason(item, members) for item, (*_, members) in zip(items, writes, strict=True)]
        if self.unprocessed and self.rng.random() < self.unprocessed:
            conflict = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
            reasons = [dict[str, Any](_NO_REASON) for _ in reasons]  # its conditions were not looked at
            reasons[self.rng.randrange(len(reasons))] = conflict
        if any(each != _NO_REASON for each in reasons):
            codes = ", ".join(each["Code"] for each in reasons)
            message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
            raise ServiceError("TransactionCanceledException", message, members={"CancellationReasons": reasons})
        after = [_after(table, item, kind, members) for item, (table, kind, members) in zip(items, writes, strict=True)]
        for (table, kind, _), key, item in zip(writes, keys, after, strict=True):
            if kind != "ConditionCheck" and (item is not None or key in table.items):
                self._change(table, key, item)
        if token:
            self.completed[token] = self.time(), params["TransactItems"]
        return {}

    def _reason(self, item: AttributeValues | None, members: Mapping[str, Any]) -> dict[str, Any]:
        try:
            self._check(item, members)
        except ServiceError as refused:
            is_shown = members.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and item
            shown = {"Item": item} if is_shown else {}
            return {"Code": "ConditionalCheckFailed", "Message": refused.message, **shown}
        return dict(_NO_REASON)

    def _scan(self, params: Mapping[str, Any]) -> dict[str, Any]:
        table = self._table(params["TableName"])
        answer = self._page(table, sorted(self._view(table, params).items()), params)
        text = params.get("FilterExpression")
        if text:  # applied after the page was cut, so a page may be empty and not the last one
            is_match, names, values = condition(text), _names(params), _values(params)
            answer["Items"] = [item for item in answer["Items"] if is_match(item, names, values)]
        return answer

    def _query(self, params: Mapping[str, Any]) -> dict[str, Any]:
        table = self._table(params["TableName"])
        index = params.get("IndexName")
        if index and (index not in table.keys.indexes or params.get("ConsistentRead")):
            raise ServiceError("ValidationException", f"no such read of {index}")
        hash_key = table.keys.indexes[index] if index else table.keys.hash
        is_match, names, values = condition(params["KeyConditionExpression"]), _names(params), _values(params)
        view = self._view(table, params).items()
        matches = sorted((key, item) for key, item in view if hash_key in item and is_match(item, names, values))
        return self._page(table, matches, params)

    def _page(
        self, table: Table, entries: Iterable[tuple[Key, AttributeValues]], params: Mapping[str, Any]
    ) -> dict[str, Any]:
        start = params.get("ExclusiveStartKey")
        after = table.keys.of(start) if start else None
        remaining = [entry for entry in entries if after is None or entry[0] > after]
        page = remaining[: min(self.page, params.get("Limit", self.page))]
        wanted = [_name for _name in (params.get("ProjectionExpression") or "").split(",") if _name]
        names = _names(params)
        paths = [[names.get(word, word) for word in path.split(".")] for path in wanted]
        items = [_projected(item, paths) if paths else item for _, item in page]
        answer: dict[str, Any] = {"Items": items, "Count": len(items)}
        if len(remaining) > len(page):
            last = page[-1][1]
            index_key = table.keys.indexes.get(params.get("IndexName", ""))
            answer["LastEvaluatedKey"] = {n: last[n] for n in (table.keys.hash, table.keys.range, index_key) if n}
        return answer

    def _batch_get(self, params: Mapping[str, Any]) -> dict[str, Any]:
        ((name, wanted),) = params["RequestItems"].items()
        table = self._table(name)
        _check_batch_size(wanted["Keys"], 100)
        processed, unprocessed = self._split_unprocessed(wanted["Keys"])
        view = self._view(table, wanted)
        items = [view[key] for each in processed if (key := table.keys.of(each)) in view]
        rest = {name: {**wanted, "Keys": unprocessed}} if unprocessed else {}
        return {"Responses": {name: items}, "UnprocessedKeys": rest}

    def _batch_write(self, params: Mapping[str, Any]) -> dict[str, Any]:
        ((name, requests),) = params["RequestItems"].items()
        table = self._table(name)
        _check_batch_size(requests, 25)
        keys = [_key_in_batch(table, each) for each in requests]
        if len(set(keys)) < len(keys):
            raise ServiceError("ValidationException", "Provided list of item keys contains duplicates")
        processed, unprocessed = self._split_unprocessed(requests)
        for each in processed:
            item, key = each.get("PutRequest", {}).get("Item"), _key_in_batch(table, each)
            if item is not None or key in table.items:
                self._change(table, key, None if item is None else _as_stored(item))
        return {"UnprocessedItems": {name: unprocessed} if unprocessed else {}}

    def _split_unprocessed(self, entries: list[Any]) -> tuple[list[Any], list[Any]]:
        if not self.unprocessed:
            return entries, []
        unprocessed = [each for each in entries if self.rng.random() < self.unprocessed]
        return [each for each in entries if each not in unprocessed], unprocessed


def _updated(
    table: Table, current: AttributeValues | None, params: Mapping[str, Any]
) -> tuple[AttributeValues, set[str]]:
    """Return an item as an update leaves it, and the names of the attributes that were set."""
    item = dict(current if current is not None else params["Key"])
    changed = update(params["UpdateExpression"])(item, _names(params), _values(params))
    if table.keys.of(item) != table.keys.of(params["Key"]):
        raise ServiceError("ValidationException", "an update cannot change the key")
    return item, changed


def _after(
    table: Table, current: AttributeValues | None, kind: str, members: Mapping[str, Any]
) -> AttributeValues | None:
    """Return an item as an action of a transaction leaves it."""
    if kind == "Put":
        return _as_stored(members["Item"])
    if kind == "Update":
        return _updated(table, current, members)[0]
    return current if kind == "ConditionCheck" else None


def _as_stored(item: Mapping[str, Any]) -> AttributeValues:
    """Return an item as responses show it: the SDK sends bytes as base64, and leaves decoding to the engine."""
    return {
        name: {"B": base64.b64encode(value["B"]).decode()} if isinstance(value.get("B"), bytes) else value
        for name, value in item.items()
    }


def _projected(item: Mapping[str, Any], paths: Iterable[Sequence[str]]) -> AttributeValues:
    """Return the attributes of an item that are at some paths; of a map only what its paths name."""
    found: AttributeValues = {}
    for name, *inner in paths:
        if name not in item:
            continue
        if not inner:
            found[name] = item[name]
        elif part := _projected(item[name].get("M", {}), [inner]):
            found[name] = {"M": {**found.get(name, {"M": {}})["M"], **part}}
    return found


def _key_in_batch(table: Table, request: Mapping[str, Any]) -> Key:
    return table.keys.of(request["PutRequest"]["Item"] if "PutRequest" in request else request["DeleteRequest"]["Key"])


def _check_batch_size(entries: list[Any], limit: int) -> None:
    if not 0 < len(entries) <= limit:
        raise ServiceError("ValidationException", f"{len(entries)} entries; must be 1 to {limit}")


def _names(params: Mapping[str, Any]) -> Mapping[str, str]:
    return params.get("ExpressionAttributeNames") or {}


def _values(params: Mapping[str, Any]) -> Mapping[str, Any]:
    return params.get("ExpressionAttributeValues") or {}


_OPERATIONS: Final[Mapping[str, Callable[[DynamoDb, Mapping[str, Any]], dict[str, Any]]]] = {
    "GetItem": DynamoDb._get,
    "PutItem": DynamoDb._put,
    "DeleteItem": DynamoDb._delete,
    "UpdateItem": DynamoDb._update,
    "Scan": DynamoDb._scan,
    "Query": DynamoDb._query,
    "BatchGetItem": DynamoDb._batch_get,
    "BatchWriteItem": DynamoDb._batch_write,
    "TransactWriteItems": DynamoDb._transact_write,
}


def tables() -> dict[str, Table]:
    """Return the engine's tables, empty, each under the name of its setting."""
    indexes = {
        "SourceAccountIndex": "sourceAccountId",
        "StagingAccountIndex": "stagingAccountId",
        "ReplicationRegionIndex": "replicationRegion",
    }
    keys = {
        "source_server_inventory_table": Keys("sourceServerArn", "stagingAccountId", indexes),
        "drs_region_status_table": Keys("region"),
        "target_accounts_table": Keys("accountId"),
        "source_server_topology_table": Keys("pk", "sk"),
        "tag_sync_config_table": Keys("accountId"),
    }
    return {name: Table(name, key) for name, key in keys.items()}
