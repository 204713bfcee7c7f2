"""Writes to DynamoDB. Apart from the reads, so that what may not write cannot even import them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from service.aws.dynamodb import TableReader, encode, encode_value, names_in
from service.errors import AwsError

__all__ = ["Table"]

_BATCH_WRITE: Final = 25  # BatchWriteItem's own limit


class Table(TableReader):
    """One table in the hub, to read and to write."""

    async def put_many(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Put whole items in batches of 25, sending again what DynamoDB hands back unprocessed.

        Raises:
            AwsError: some could not be written; the others were.
        """
        pending = [{"PutRequest": {"Item": encode(item)}} for item in items]
        rounds = 0
        while pending:
            chunk, pending = pending[:_BATCH_WRITE], pending[_BATCH_WRITE:]
            answer = await self.call("BatchWriteItem", {"RequestItems": {self.name: chunk}}, named=False)
            unprocessed = answer.get("UnprocessedItems", {}).get(self.name, [])
            if unprocessed:
                rounds = await self.next_round("BatchWriteItem", 0 if len(unprocessed) < len(chunk) else rounds)
                pending = [*unprocessed, *pending]

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
        names = {**params.get("ExpressionAttributeNames", {}), **{f"#{name}": name for name in names_in(condition)}}
        request = {**params, "ConditionExpression": condition, "ExpressionAttributeNames": names}
        if values:
            request["ExpressionAttributeValues"] = {f":{name}": encode_value(value) for name, value in values.items()}
        try:
            await self.call(operation, request)
        except AwsError as error:
            if error.code == "ConditionalCheckFailedException":
                return False
            raise
        return True
