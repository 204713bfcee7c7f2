"""Creation of DynamoDB tables in the hub, with the properties that deploy/templates/tables.yaml gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import anyio

from service.aws.client import AccountSession
from service.error_classes import ERROR_CLASSES
from service.errors import AwsError
from service.models import Call

__all__ = ["TableAdmin"]

_POLL_S: Final = 1.0
_TIMEOUT_S: Final = 300.0


class TableAdmin:
    """Describes and creates tables. All methods raise AwsError."""

    def __init__(self, session: AccountSession, region: str, *, poll_s: float = _POLL_S) -> None:
        self._session = session
        self._region = region
        self._poll_s = poll_s

    async def describe(self, name: str) -> Mapping[str, Any] | None:
        """Return `Table` of DescribeTable; None if there is no such table."""
        try:
            response = await self._call("DescribeTable", {"TableName": name})
        except AwsError as error:
            if error.code == "ResourceNotFoundException":
                return None
            raise
        table: Mapping[str, Any] = response["Table"]
        return table

    async def create(
        self, name: str, keys: tuple[str, ...], indexes: Mapping[str, str], tags: Mapping[str, str], *, ttl: str
    ) -> None:
        """Create a table, wait until it is active, and switch on point-in-time recovery and time to live.

        A table that appears meanwhile, or was created by an attempt whose response was lost, is completed.

        Args:
            name: of the table.
            keys: partition key and, if there is one, sort key; all are strings.
            indexes: partition key by index name; the sort key of an index is the table's partition key.
            tags: of the table.
            ttl: attribute of time to live.

        Raises:
            AwsError: a step failed; what was created stays.
        """
        params: dict[str, Any] = {
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": key, "AttributeType": "S"} for key in dict.fromkeys((*keys, *indexes.values()))
            ],
            "KeySchema": _schema(*keys),
            "SSESpecification": {"Enabled": True},
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        }
        if indexes:
            params["GlobalSecondaryIndexes"] = [
                {"IndexName": index, "KeySchema": _schema(key, keys[0]), "Projection": {"ProjectionType": "ALL"}}
                for index, key in indexes.items()
            ]
        try:
            await self._call("CreateTable", params)
        except AwsError as error:
            if error.code != "ResourceInUseException":
                raise
        await self._wait_until_active(name)
        recovery = {"PointInTimeRecoveryEnabled": True}
        await self._call("UpdateContinuousBackups", {"TableName": name, "PointInTimeRecoverySpecification": recovery})
        time_to_live = {"AttributeName": ttl, "Enabled": True}
        await self._call("UpdateTimeToLive", {"TableName": name, "TimeToLiveSpecification": time_to_live})

    async def _wait_until_active(self, name: str) -> None:
        with anyio.move_on_after(_TIMEOUT_S):
            while True:
                table = await self.describe(name)
                if table is not None and table.get("TableStatus") == "ACTIVE":
                    return
                await anyio.sleep(self._poll_s)
        call = Call("dynamodb", "DescribeTable", "hub", self._region)
        late, message = ERROR_CLASSES["TableDeadline"], f"table {name} was not active after {_TIMEOUT_S:.0f} s"
        raise AwsError("DeadlineExceeded", message, call, error_class=late, facts={"table": f"table {name}"})

    async def _call(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return await self._session.call("dynamodb", operation, params, region=self._region)


def _schema(hash_key: str, range_key: str = "") -> list[dict[str, str]]:
    schema = [{"AttributeName": hash_key, "KeyType": "HASH"}]
    return [*schema, {"AttributeName": range_key, "KeyType": "RANGE"}] if range_key else schema
