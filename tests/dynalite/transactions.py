"""TransactWriteItems in front of dynalite, which has no transactions.

Real, by dynalite: every condition, update and limit of an item, because each action is tried as the write of one item.
Emulated here: that a transaction is all or nothing (what was written is put back after a refusal), that nobody sees it
in between (one lock for all requests), the limits of a request, its reasons, and ClientRequestToken.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

__all__ = ["Answer", "Transactions"]

_VERSION: Final = "com.amazonaws.dynamodb.v20120810#"
_OPERATIONS: Final = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "UpdateItem",  # without an expression it changes nothing, but may make an item, which is put back
}
_MAX_ACTIONS: Final = 100
_MAX_BYTES: Final = 4 * 1024 * 1024
_TOKEN_LIFETIME_S: Final = 600.0
_NO_REASON: Final = {"Code": "None"}
_DEPENDS_ON_ITEM: Final = (
    "Item size",
    "One or more parameter values were invalid",
    "The provided key element does not match the schema",
    "The provided expression refers to an attribute that does not exist in the item",
    "An operand in the update expression has an incorrect data type",
)


class Answer(NamedTuple):
    """HTTP status and JSON members of a response."""

    status: int
    members: dict[str, Any]


Send = Callable[[str, Mapping[str, Any]], Answer]


class _InvalidRequestError(Exception):
    """The whole request is refused, with this response."""

    def __init__(self, code: str, message: str) -> None:
        self.answer = Answer(400, {"__type": _VERSION + code, "message": message})


class Transactions:
    """The transactions of one dynalite; `lock` is held for every request to it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._completed: dict[str, tuple[float, Any]] = {}
        self._key_names: dict[str, tuple[str, ...]] = {}

    def write(self, request: Mapping[str, Any], send: Send) -> Answer:
        """Carry out a transaction; the caller holds the lock. `send` makes a call to dynalite."""
        actions, token = request["TransactItems"], request.get("ClientRequestToken", "")
        try:
            keys = self._checked_keys(actions, send)
            if self._is_completed(token, actions):
                return Answer(200, {})
            reasons = _tried(actions, keys, send)
        except _InvalidRequestError as refused:
            return refused.answer
        if any(each != _NO_REASON for each in reasons):
            codes = ", ".join(each["Code"] for each in reasons)
            message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
            kind = f"{_VERSION}TransactionCanceledException"
            return Answer(400, {"__type": kind, "CancellationReasons": reasons, "Message": message})
        if token:
            self._completed[token] = time.monotonic(), actions
        return Answer(200, {})

    def _is_completed(self, token: str, actions: Sequence[Mapping[str, Any]]) -> bool:
        written_at, content = self._completed.get(token, (0.0, None))
        if content is None or time.monotonic() - written_at >= _TOKEN_LIFETIME_S:
            return False
        if content != actions:
            raise _InvalidRequestError("IdempotentParameterMismatchException", "another payload had the token")
        return True

    def _checked_keys(self, actions: Sequence[Mapping[str, Any]], send: Send) -> list[dict[str, Any]]:
        if not 0 < len(actions) <= _MAX_ACTIONS:
            bound = f"less than or equal to {_MAX_ACTIONS}" if actions else "greater than or equal to 1"
            raise _InvalidRequestError("ValidationException", f"Member must have length {bound}")
        if any(len(each) != 1 for each in actions):
            text = "TransactItems can only contain one of Check, Put, Update or Delete"
            raise _InvalidRequestError("ValidationException", text)
        members = [next(iter(each.values())) for each in actions]
        if sum(len(json.dumps(each.get("Item", {}))) for each in members) > _MAX_BYTES:
            text = "The aggregate size of the items in the transaction cannot exceed 4 MB"
            raise _InvalidRequestError("ValidationException", text)
        keys = [self._key_of(each, send) for each in members]
        targets = {
            json.dumps([each["TableName"], key], sort_keys=True) for each, key in zip(members, keys, strict=True)
        }
        if len(targets) < len(keys):
            text = "Transaction request cannot include multiple operations on one item"
            raise _InvalidRequestError("ValidationException", text)
        return keys

    def _key_of(self, members: Mapping[str, Any], send: Send) -> dict[str, Any]:
        name = members["TableName"]
        if name not in self._key_names:
            status, answer = send("DescribeTable", {"TableName": name})
            if status != 200:
                raise _InvalidRequestError("ResourceNotFoundException", str(answer.get("message")))
            self._key_names[name] = tuple(each["AttributeName"] for each in answer["Table"]["KeySchema"])
        attributes = members.get("Item") or members["Key"]
        return {each: attributes[each] for each in self._key_names[name] if each in attributes}


def _tried(actions: Sequence[Mapping[str, Any]], keys: Sequence[Mapping[str, Any]], send: Send) -> list[dict[str, Any]]:
    """Write one action after another; return their reasons. If there are any, everything is put back."""
    reasons, undo = list[dict[str, Any]](), list[tuple[str, dict[str, Any]]]()
    refused: _InvalidRequestError | None = None
    for each, key in zip(actions, keys, strict=True):
        ((kind, members),) = each.items()
        own = {name: value for name, value in members.items() if name != "ReturnValuesOnConditionCheckFailure"}
        status, answer = send(_OPERATIONS[kind], {**own, "ReturnValues": "ALL_OLD"})
        if status == 200:
            before = answer.get("Attributes")
            put_back = ("PutItem", {"Item": before}) if before else ("DeleteItem", {"Key": key})
            put_back[1]["TableName"] = members["TableName"]
            undo.append(put_back)
            if kind == "ConditionCheck":
                send(*undo.pop())
            reasons.append(_NO_REASON)
            continue
        try:
            reasons.append(_reason(answer, {**members, "Key": key}, send))
        except _InvalidRequestError as error:
            refused = error
            break
    if refused or any(each != _NO_REASON for each in reasons):
        for operation, params in reversed(undo):
            send(operation, params)
    if refused:
        raise refused
    return reasons


def _reason(answer: Mapping[str, Any], members: Mapping[str, Any], send: Send) -> dict[str, Any]:
    """Return the reason that an error of a write stands for. Raises _InvalidRequestError."""
    code, message = answer["__type"].rpartition("#")[2], answer.get("message") or answer.get("Message", "")
    if code == "ConditionalCheckFailedException":
        is_shown = members.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        of_item = {"TableName": members["TableName"], "Key": members["Key"], "ConsistentRead": True}
        shown = send("GetItem", of_item).members if is_shown else {}
        return {"Code": "ConditionalCheckFailed", "Message": message, **shown}
    if code == "ValidationException" and message.startswith(_DEPENDS_ON_ITEM):
        return {"Code": "ValidationError", "Message": message}
    raise _InvalidRequestError(code, message)
