"""TransactWriteItems for moto: the reasons that AWS gives, at a cost that grows with the writes, not with the tables.

moto copies the whole table for every write of a transaction. Here all conditions are checked before anything is
written, and only the items that a transaction writes are kept for undoing it. The caller holds the lock of requests.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from moto.core.exceptions import JsonRESTError
from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.exceptions import (
    ERROR_TYPE_PREFIX,
    MockValidationException,
    MultipleTransactionsException,
    TransactionCanceledException,
    TransactWriteSingleOpException,
)
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models import table as tables
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.models.utilities import dynamo_to_dict

__all__ = ["CompletedTransactions", "FastBackend", "check_request"]

_ACTIONS: Final = frozenset({"ConditionCheck", "Delete", "Put", "Update"})
_MAX_ACTIONS: Final = 100
_MAX_BYTES: Final = 4 * 1024 * 1024
_TOKEN_LIFETIME_S: Final = 600.0

_Reason = tuple[str | None, str | None, dict[str, Any] | None]
_NO_REASON: Final[_Reason] = (None, None, None)


def check_request(actions: Sequence[Mapping[str, Any]]) -> None:
    """Raise moto's ValidationException for a transaction that is too small, too large or malformed."""
    if not 0 < len(actions) <= _MAX_ACTIONS:
        bound = f"less than or equal to {_MAX_ACTIONS}" if actions else "greater than or equal to 1"
        raise MockValidationException(
            "1 validation error detected: Value at 'transactItems' failed to satisfy constraint: "
            f"Member must have length {bound}"
        )
    if any(len(each) != 1 or not _ACTIONS.issuperset(each) for each in actions):
        raise TransactWriteSingleOpException
    if sum(_sent_bytes(members) for each in actions for members in each.values()) > _MAX_BYTES:
        raise MockValidationException("The aggregate size of the items in the transaction cannot exceed 4 MB")


def _sent_bytes(members: Mapping[str, Any]) -> int:
    attributes = members.get("Item") or {**members["Key"], **members.get("ExpressionAttributeValues", {})}
    return sum(len(name.encode()) + int(DynamoType(value).size()) for name, value in attributes.items())


class CompletedTransactions:
    """Transactions that were applied, by ClientRequestToken: within ten minutes a repeated one changes nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_backend: WeakKeyDictionary[DynamoDBBackend, dict[str, tuple[float, str]]] = WeakKeyDictionary()

    def has(self, backend: DynamoDBBackend, request: Mapping[str, Any]) -> bool:
        """Whether a request was applied already. Raises an error when another had its token."""
        known, now = self._by_backend.setdefault(backend, {}), self._clock()
        for token in [each for each, (completed, _) in known.items() if now - completed >= _TOKEN_LIFETIME_S]:
            del known[token]
        _, content = known.get(request.get("ClientRequestToken", ""), (now, None))
        if content not in {None, _content(request)}:
            raise JsonRESTError(
                f"{ERROR_TYPE_PREFIX}IdempotentParameterMismatchException",
                "DynamoDB rejected the request because you retried a request with a different payload but with an "
                "idempotent token that was already used.",
            )
        return content is not None

    def add(self, backend: DynamoDBBackend, request: Mapping[str, Any]) -> None:
        """Record that a request was applied."""
        if token := request.get("ClientRequestToken"):
            self._by_backend.setdefault(backend, {})[token] = self._clock(), _content(request)


def _content(request: Mapping[str, Any]) -> str:
    return json.dumps(request["TransactItems"], sort_keys=True, default=repr)  # repr: bytes


@dataclass(slots=True)
class _Write:
    """One action of a transaction, and the item it is about as it was before."""

    action: str
    members: Mapping[str, Any]
    table: Table
    hash_value: DynamoType
    range_value: DynamoType | None
    before: Item | None

    def reason(self) -> _Reason:
        """Return why its condition is not met; without a code when it is."""
        condition = get_filter_expression(
            self.members.get("ConditionExpression"),
            self.members.get("ExpressionAttributeNames"),
            self.members.get("ExpressionAttributeValues"),
        )
        if condition.expr(self.before):
            return _NO_REASON
        is_shown = self.members.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and self.before is not None
        shown = self.before.to_json()["Attributes"] if is_shown and self.before is not None else None
        return "ConditionalCheckFailed", "The conditional request failed", shown

    def apply(self, backend: DynamoDBBackend) -> None:
        """Write without a condition."""
        name = self.members["TableName"]
        if self.action == "Put":
            backend.put_item(name, self.members["Item"])
        elif self.action == "Delete":
            self.table.delete_item(self.hash_value, self.range_value)
        elif self.action == "Update":
            if self.before is not None:  # moto changes an item in place; this copy is for undoing it
                self.before = tables.Item(self.hash_value, self.range_value, dynamo_to_dict(self.before.attrs))
            backend.update_item(
                name,
                dict(self.members["Key"]),
                self.members["UpdateExpression"],
                self.members.get("ExpressionAttributeNames", {}),
                self.members.get("ExpressionAttributeValues", {}),
            )

    def undo(self) -> None:
        """Put back the item as it was before."""
        if self.before is None:
            self.table.delete_item(self.hash_value, self.range_value)
        elif self.range_value is None:
            self.table.items[self.hash_value] = self.before
        else:
            self.table.items[self.hash_value][self.range_value] = self.before


class FastBackend(DynamoDBBackend):
    """moto's tables, with transactions that copy no table."""

    def transact_write_items(self, transact_items: list[dict[str, Any]]) -> None:
        """Apply all actions of a transaction, or none.

        Raises:
            TransactionCanceledException: a condition is not met, or an item would become invalid.
        """
        writes = [_write_of(self, action, members) for each in transact_items for action, members in each.items()]
        targets = [(id(each.table), each.hash_value, each.range_value) for each in writes if isinstance(each, _Write)]
        if len(set(targets)) < len(targets):
            raise MultipleTransactionsException
        reasons = [each.reason() if isinstance(each, _Write) else each for each in writes]
        if any(code for code, *_ in reasons):
            raise TransactionCanceledException(reasons)
        self._apply([each for each in writes if isinstance(each, _Write)])

    def _apply(self, writes: Sequence[_Write]) -> None:
        done = 0
        try:
            for done, each in enumerate(writes):  # noqa: B007  (used where it fails)
                each.apply(self)
        except BaseException as error:
            for each in reversed(writes[: done + 1]):
                each.undo()
            # An expression that no item could satisfy fails the request; what depends on the item is a reason.
            if not isinstance(error, MockValidationException) or error.exception_msg.startswith("Invalid "):
                raise
            reasons = [_NO_REASON] * len(writes)
            reasons[done] = _invalid(error.exception_msg)
            raise TransactionCanceledException(reasons) from None


def _write_of(backend: DynamoDBBackend, action: str, members: Mapping[str, Any]) -> _Write | _Reason:
    """Return one action with its item; the reason against it when its key does not match the table."""
    table = backend.get_table(members["TableName"])
    try:
        keys = backend.get_keys_value(table, members["Item"] if action == "Put" else members["Key"])
    except MockValidationException:
        if action != "Put":
            return _invalid("The provided key element does not match the schema")
        missing = next(name for name in table.table_key_attrs if name not in members["Item"])
        return _invalid(f"One or more parameter values were invalid: Missing the key {missing} in the item")
    hash_value, range_value = keys
    return _Write(action, members, table, hash_value, range_value, table.get_item(hash_value, range_value))


def _invalid(message: str) -> _Reason:
    return "ValidationError", message, None
