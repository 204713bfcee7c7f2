"""Writes of single items with a condition, as DynamoDB's operations and its transactions take them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from service.aws.attribute_values import encode, encode_value
from service.aws.dynamodb import names_in

__all__ = ["ConditionalWrite", "advance", "delete", "fill", "put", "unchanged", "update"]


@dataclass(frozen=True, slots=True)
class ConditionalWrite:
    """A write of one item that DynamoDB carries out if its condition holds; one without a condition always.

    Attributes:
        operation: PutItem, UpdateItem or DeleteItem.
        params: its parameters without the name of the table.
    """

    operation: str
    params: Mapping[str, Any]

    def in_transaction(self, table: str) -> dict[str, Any]:
        """Return the write as an entry of TransactWriteItems."""
        return {self.operation.removesuffix("Item"): {"TableName": table, **self.params}}


def put(item: Mapping[str, Any], condition: str = "", values: Mapping[str, Any] | None = None) -> ConditionalWrite:
    """Put a whole item; names in the condition as `#name`, values as `:name`."""
    return _conditional("PutItem", {"Item": encode(item)}, condition, values or {})


def delete(key: Mapping[str, Any], condition: str, values: Mapping[str, Any]) -> ConditionalWrite:
    """Delete an item."""
    return _conditional("DeleteItem", {"Key": encode(key)}, condition, values)


def update(
    key: Mapping[str, Any], assign: Mapping[str, Any], condition: str, values: Mapping[str, Any] | None = None
) -> ConditionalWrite:
    """Set attributes of an item; None removes one."""
    return _conditional(
        "UpdateItem", _update(key, _setting(assign), assign), condition, {**_present(assign), **(values or {})}
    )


def fill(key: Mapping[str, Any], assign: Mapping[str, Any], condition: str) -> ConditionalWrite:
    """Set only those attributes that the item does not have yet."""
    expression = "SET " + ",".join(f"#{name}=if_not_exists(#{name},:{name})" for name in assign)
    return _conditional("UpdateItem", _update(key, expression, assign), condition, assign)


def advance(
    key: Mapping[str, Any],
    assign: Mapping[str, Any],
    counter: str,
    condition: str,
    values: Mapping[str, Any],
    *,
    base: int,
) -> ConditionalWrite:
    """Set attributes as `update` does, and increment the number `counter`, which starts at `base`; it is returned."""
    expression = _setting(assign).replace("SET ", f"SET #{counter}=if_not_exists(#{counter},:base)+:one,", 1)
    params = _update(key, expression, (*assign, counter)) | {"ReturnValues": "UPDATED_NEW"}
    return _conditional("UpdateItem", params, condition, {**_present(assign), **values, "base": base, "one": 1})


def unchanged(
    key: Mapping[str, Any], item: Mapping[str, Any] | None, names: Iterable[str]
) -> tuple[str, dict[str, Any]]:
    """Return the condition that some attributes of an item are as they were read, with the values in it.

    Args:
        key: the item's key.
        item: the item as it was read; None where there was none, and must still be none.
        names: the attributes.
    """
    hash_key = next(iter(key))
    if item is None:
        return f"attribute_not_exists( #{hash_key} )", {}
    conditions = [f"attribute_exists( #{hash_key} )"]
    conditions += [f"#{name} = :read_{name}" if name in item else f"attribute_not_exists( #{name} )" for name in names]
    return " AND ".join(conditions), {f"read_{name}": item[name] for name in names if name in item}


def _conditional(
    operation: str, params: Mapping[str, Any], condition: str, values: Mapping[str, Any]
) -> ConditionalWrite:
    """Add a condition, and the values of all expressions, to the parameters of a write."""
    names = {**params.get("ExpressionAttributeNames", {}), **{f"#{name}": name for name in names_in(condition)}}
    request = {**params, **({"ConditionExpression": condition} if condition else {})}
    if names:
        request["ExpressionAttributeNames"] = names
    if values:
        request["ExpressionAttributeValues"] = {f":{name}": encode_value(value) for name, value in values.items()}
    return ConditionalWrite(operation, request)


def _update(key: Mapping[str, Any], expression: str, names: Iterable[str]) -> dict[str, Any]:
    placeholders = {f"#{name}": name for name in names}
    return {"Key": encode(key), "UpdateExpression": expression, "ExpressionAttributeNames": placeholders}


def _setting(assign: Mapping[str, Any]) -> str:
    """Return the update expression that sets attributes; None removes one."""
    removing = [name for name, value in assign.items() if value is None]
    expression = "SET " + ",".join(f"#{name}=:{name}" for name in _present(assign))
    return f"{expression} REMOVE {','.join(f'#{name}' for name in removing)}" if removing else expression


def _present(assign: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in assign.items() if value is not None}
