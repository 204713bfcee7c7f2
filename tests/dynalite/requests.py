"""DynamoDB requests as the code makes them and at the documented limits, with the responses that AWS documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

__all__ = ["CASES", "KNOWN_DIFFERENCES", "NO_ANSWER", "TABLE", "Case"]

TABLE: Final = "{table}"
"""Placeholder in a request for the table's name."""

VALIDATION: Final = "ValidationException"
CONDITION: Final = "ConditionalCheckFailedException"
_KB: Final = 1024
_LIST_OF_MAPS: Final = {"L": [{"M": {"a": {"S": "1"}, "b": {"N": "2"}}}]}
_SAME_LIST: Final = {"L": [{"M": {"b": {"N": "2"}, "a": {"S": "1"}}}]}  # maps have no order


@dataclass(frozen=True, slots=True)
class Case:
    """One request; `stored` are the items before it, `answer` is the response or the error code."""

    operation: str
    params: Mapping[str, Any]
    answer: Mapping[str, Any] | str
    stored: tuple[Mapping[str, Any], ...] = ()


def key(number: int = 0) -> dict[str, Any]:
    """Return the key of an item."""
    return {"sourceServerArn": {"S": f"arn-{number}"}, "stagingAccountId": {"S": "1"}}


def item(number: int = 0, **members: Any) -> dict[str, Any]:
    """Return an item; members are AttributeValues."""
    return {**key(number), **members}


def _put(members: Mapping[str, Any], answer: Mapping[str, Any] | str) -> Case:
    return Case("PutItem", {"Item": item(**members)}, answer)


def _sized(size: int) -> Mapping[str, Any]:
    """Fill an item up to a size in bytes; attribute names count too."""
    others = sum(len(name) + len(value["S"]) for name, value in key().items())
    return {"fill": {"S": "x" * (size - others - len("fill"))}}


def _update(
    stored: Mapping[str, Any] | None, expression: str, condition: str, answer: Mapping[str, Any] | str, /, **values: Any
) -> Case:
    words = f"{expression} {condition}".replace(",", " ").replace("(", " ").replace(")", " ").replace("=", " ").split()
    params: dict[str, Any] = {
        "Key": key(),
        "UpdateExpression": expression,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {word: word.removeprefix("#") for word in words if word.startswith("#")},
        "ReturnValues": "ALL_NEW",
    }
    if values:
        params["ExpressionAttributeValues"] = {f":{name}": value for name, value in values.items()}
    expected = {"Attributes": item(**answer)} if isinstance(answer, Mapping) else answer
    return Case("UpdateItem", params, expected, (item(**stored),) if stored is not None else ())


def _write(count: int, answer: Mapping[str, Any] | str, *, twice: bool = False) -> Case:
    puts = [{"PutRequest": {"Item": item(0 if twice else number)}} for number in range(count)]
    return Case("BatchWriteItem", {"RequestItems": {TABLE: puts}}, answer)


def _get(count: int, answer: Mapping[str, Any] | str, *stored: Mapping[str, Any], twice: bool = False) -> Case:
    keys = [key(0 if twice else number) for number in range(count)]
    return Case("BatchGetItem", {"RequestItems": {TABLE: {"Keys": keys, "ConsistentRead": True}}}, answer, stored)


def _query(condition: str, values: Mapping[str, str], answer: Mapping[str, Any] | str, **more: Any) -> Case:
    bound = {f":{name}": {"S": value} for name, value in values.items()}
    params = {"KeyConditionExpression": condition, "ExpressionAttributeValues": bound, **more}
    stored = tuple(item(number, replicationRegion={"S": "r"}, n={"N": str(number)}) for number in range(3))
    return Case("Query", params, answer, stored)


def _page(*items: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"Items": list(items), "Count": len(items), "ScannedCount": len(items), **more}


_S: Final = {"S": "x"}
_TWO_OF_A_KEY: Final = [{"PutRequest": {"Item": item(a={"S": text})}} for text in ("x", "y")]
_LOCK_IS_FREE: Final = "NOT (#status = :held AND #startedAt > :void) OR #owner = :owner"
_LOCK: Final = {"held": _S, "void": {"N": "5"}, "owner": {"S": "me"}}
_INDEX: Final = {"IndexName": "ReplicationRegionIndex"}

CASES: Final[Mapping[str, Case]] = MappingProxyType(
    {
        # Values
        "empty text": _put({"a": {"S": ""}}, {}),
        "empty map and list": _put({"a": {"M": {}}, "b": {"L": []}}, {}),
        "empty set": _put({"a": {"SS": []}}, VALIDATION),
        "null": _put({"a": {"NULL": True}}, {}),
        "empty text in a key": Case("PutItem", {"Item": {**key(), "stagingAccountId": {"S": ""}}}, VALIDATION),
        "key left out": Case("PutItem", {"Item": {"sourceServerArn": _S}}, VALIDATION),
        "number in a text key": Case("PutItem", {"Item": {**key(), "stagingAccountId": {"N": "1"}}}, VALIDATION),
        "empty text in an index's key": _put({"replicationRegion": {"S": ""}}, VALIDATION),
        "null in an index's key": _put({"replicationRegion": {"NULL": True}}, VALIDATION),
        "number of 38 digits": _put({"n": {"N": "9" * 38}}, {}),
        "number of 39 digits": _put({"n": {"N": "9" * 39}}, VALIDATION),
        "number too great": _put({"n": {"N": "1E126"}}, VALIDATION),
        "number too small": _put({"n": {"N": "1E-131"}}, VALIDATION),
        "no number": _put({"n": {"N": "NaN"}}, VALIDATION),
        "item of 400,000 bytes": _put(_sized(400_000), {}),
        "item of 410,000 bytes": _put(_sized(410_000), VALIDATION),
        "item that grows past 410,000 bytes": _update(
            _sized(390_000), "SET #a=:a", "attribute_exists( #sourceServerArn )", VALIDATION, a={"S": "x" * 20_000}
        ),
        # Batches
        "25 writes": _write(25, {"UnprocessedItems": {}}),
        "26 writes": _write(26, VALIDATION),
        "no write": _write(0, VALIDATION),
        "one item written twice in a batch": _write(2, VALIDATION, twice=True),
        "one key written twice in a batch": Case(
            "BatchWriteItem", {"RequestItems": {TABLE: _TWO_OF_A_KEY}}, VALIDATION
        ),
        "one key written and deleted in a batch": Case(
            "BatchWriteItem",
            {"RequestItems": {TABLE: [*_TWO_OF_A_KEY[:1], {"DeleteRequest": {"Key": key()}}]}},
            VALIDATION,
        ),
        "100 gets": _get(100, {"Responses": {TABLE: [item(7)]}, "UnprocessedKeys": {}}, item(7)),
        "101 gets": _get(101, VALIDATION),
        "one key asked for twice in a batch": _get(2, VALIDATION, twice=True),
        # Conditions and updates
        "put where nothing is": Case(
            "PutItem", {"Item": item(), "ConditionExpression": "attribute_not_exists(sourceServerArn)"}, {}
        ),
        "put where something is": Case(
            "PutItem",
            {"Item": item(), "ConditionExpression": "attribute_not_exists(sourceServerArn)"},
            CONDITION,
            (item(),),
        ),
        "update of nothing": _update(None, "SET #a=:a", "#a = :a", CONDITION, a=_S),
        "update of nothing that must be": _update(None, "SET #a=:a", "attribute_exists( #a )", CONDITION, a=_S),
        "fill": _update(
            {"a": _S},
            "SET #a=if_not_exists(#a,:b),#b=if_not_exists(#b,:b)",
            "attribute_exists( #sourceServerArn )",
            {"a": _S, "b": {"S": "y"}},
            b={"S": "y"},
        ),
        "set and remove": _update({"a": _S, "b": _S}, "SET #a=:c REMOVE #b,#z", "#a = :a", {"a": _S}, a=_S, c=_S),
        "set and remove of one": _update({"a": _S}, "SET #a=:a REMOVE #a", "#a = :a", VALIDATION, a=_S),
        "set of a key": _update(
            {}, "SET #stagingAccountId=:a", "attribute_exists( #sourceServerArn )", VALIDATION, a=_S
        ),
        "value that is not used": _update({}, "SET #a=:a", "attribute_not_exists( #a )", VALIDATION, a=_S, b=_S),
        "text against number": _update({"a": _S}, "SET #a=:a", "#a < :a", CONDITION, a={"N": "1"}),
        "equal lists": _update(
            {"a": {"L": [_S]}}, "SET #b=:a", "#a = :a", {"a": {"L": [_S]}, "b": {"L": [_S]}}, a={"L": [_S]}
        ),
        "equal lists of maps": _update(
            {"a": _LIST_OF_MAPS}, "SET #b=:b", "#a = :a", {"a": _LIST_OF_MAPS, "b": _S}, a=_SAME_LIST, b=_S
        ),
        "other lists of maps": _update({"a": _LIST_OF_MAPS}, "SET #b=:b", "#a = :a", CONDITION, a={"L": []}, b=_S),
        "lock that never was": _update(None, "SET #b=:held", _LOCK_IS_FREE, {"b": _S}, **_LOCK),
        "lock that is held": _update(
            {"status": _S, "startedAt": {"N": "6"}, "owner": _S}, "SET #b=:held", _LOCK_IS_FREE, CONDITION, **_LOCK
        ),
        "lock that is void": _update(
            {"status": _S, "startedAt": {"N": "5"}},
            "SET #b=:held",
            _LOCK_IS_FREE,
            {"status": _S, "startedAt": {"N": "5"}, "b": _S},
            **_LOCK,
        ),
        "delete of what changed": Case(
            "DeleteItem",
            {"Key": key(), "ConditionExpression": "a = :a", "ExpressionAttributeValues": {":a": {"S": "y"}}},
            CONDITION,
            (item(a=_S),),
        ),
        "delete of nothing": Case("DeleteItem", {"Key": key()}, {}),
        # Queries
        "query by key": _query(
            "sourceServerArn = :a", {"a": "arn-1"}, _page(item(1, replicationRegion={"S": "r"}, n={"N": "1"}))
        ),
        "query of nothing": _query("sourceServerArn = :a", {"a": "none"}, _page()),
        "query of an index by prefix": _query(
            "replicationRegion = :r AND begins_with(sourceServerArn, :a)",
            {"r": "r", "a": "arn-2"},
            _page({"sourceServerArn": {"S": "arn-2"}}),
            **_INDEX,
            ProjectionExpression="sourceServerArn",
        ),
        "query of an index in order": _query(
            "replicationRegion = :r",
            {"r": "r"},
            _page(*({"n": {"N": str(number)}} for number in range(3))),
            **_INDEX,
            ProjectionExpression="n",
        ),
        "query that ends at its limit": _query(
            "replicationRegion = :r",
            {"r": "r"},
            _page({"n": {"N": "0"}}, LastEvaluatedKey=item(0, replicationRegion={"S": "r"})),
            **_INDEX,
            ProjectionExpression="n",
            Limit=1,
        ),
        "query that goes on": _query(
            "replicationRegion = :r",
            {"r": "r"},
            _page({"n": {"N": "1"}}, {"n": {"N": "2"}}),
            **_INDEX,
            ProjectionExpression="n",
            ExclusiveStartKey=item(0, replicationRegion={"S": "r"}),
        ),
        "consistent query of an index": _query(
            "replicationRegion = :r", {"r": "r"}, VALIDATION, **_INDEX, ConsistentRead=True
        ),
        "query of no index": _query("replicationRegion = :r", {"r": "r"}, VALIDATION, IndexName="NoIndex"),
        "query without the hash key": _query("sourceServerArn = :a", {"a": "x"}, VALIDATION, **_INDEX),
        "get of nothing": Case("GetItem", {"Key": key(), "ConsistentRead": True}, {}),
        "get of half a key": Case("GetItem", {"Key": {"sourceServerArn": _S}}, VALIDATION),
        "no table": Case("GetItem", {"TableName": "no-such-table", "Key": key()}, "ResourceNotFoundException"),
    }
)

NO_ANSWER: Final = "no answer"

KNOWN_DIFFERENCES: Final[Mapping[tuple[str, str], Mapping[str, Any] | str]] = MappingProxyType(
    {
        # (case, server) -> what it returns instead. Where moto accepts what AWS rejects, the code checks it itself.
        ("number of 39 digits", "moto"): {},
        ("number too great", "moto"): {},
        ("text against number", "moto"): NO_ANSWER,
        ("query of no index", "moto"): "ResourceNotFoundException",
        ("empty text in an index's key", "dynalite"): {},
        # dynalite compares members of lists, and maps, by identity.
        ("equal lists", "dynalite"): CONDITION,
        ("equal lists of maps", "dynalite"): CONDITION,
    }
)
"""Known differences from AWS: for these cases an emulator must give this response instead of that of AWS."""
