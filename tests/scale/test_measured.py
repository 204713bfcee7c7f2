"""The units and sizes that the plan reckons with, measured: each item that the engine writes is weighed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from moto.dynamodb import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType

from benchmarks.scale import facts
from service.aws.client import AwsClient
from service.models import Call
from tests.support.estate import Estate

INDEX_KEYS = ("sourceAccountId", "stagingAccountId", "replicationRegion")


def size_of(value: Mapping[str, Any]) -> int:
    """Weigh an AttributeValue, by DynamoDB's rules (developer guide, item sizes)."""
    [(kind, inner)] = value.items()
    if kind == "S":
        return len(inner.encode())
    if kind == "N":
        return (len(inner) + 1) // 2 + 1
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + size_of(each) for name, each in inner.items())
    if kind == "L":
        return 3 + sum(1 + size_of(each) for each in inner)
    assert kind in {"BOOL", "NULL"}, kind
    return 1


def item_size(item: Mapping[str, Any]) -> int:
    """Weigh an item."""
    return sum(len(name.encode()) + size_of(value) for name, value in item.items())


class Scales:
    """Weighs what is written to the inventory table: units by kind of item, its indexes included."""

    def __init__(self, estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
        self.units: Counter[str] = Counter()
        self.sizes: dict[str, list[int]] = {}
        self._hub = estate.names.hub
        self._table = estate.sandbox.environment()["SOURCE_SERVER_INVENTORY_TABLE"]
        sent = AwsClient.send

        async def send(aws_client: AwsClient, source: Any, call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
            answer = await sent(aws_client, source, call, params)
            if call.service == "dynamodb":
                self._weigh(call.operation, params)
            return answer

        monkeypatch.setattr(AwsClient, "send", send)

    def _weigh(self, operation: str, params: Mapping[str, Any]) -> None:
        if operation == "BatchWriteItem":
            for request in params["RequestItems"].get(self._table, ()):
                self._charge(request["PutRequest"]["Item"])
        elif params.get("TableName") == self._table:
            if operation == "PutItem":
                self._charge(params["Item"])
            elif operation == "UpdateItem":
                self._charge(self._held(params["Key"]))

    def _held(self, key: Mapping[str, Any]) -> Mapping[str, Any]:
        table = dynamodb_backends[self._hub]["us-east-1"].tables[self._table]
        item = table.items[DynamoType(key["sourceServerArn"])][DynamoType(key["stagingAccountId"])]
        found: Mapping[str, Any] = item.to_json()["Attributes"]
        return found

    def _charge(self, item: Mapping[str, Any]) -> None:
        size = item_size(item)
        kind = "server" if "sourceServerID" in item else item["stagingAccountId"]["S"].partition("#")[0]
        self.units[kind] += math.ceil(size / 1024) * (1 + sum(key in item for key in INDEX_KEYS))
        self.sizes.setdefault(kind, []).append(size)


@pytest.fixture
def scales(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> Scales:
    return Scales(estate, monkeypatch)


async def test_what_a_server_costs_when_it_is_new_and_when_nothing_has_changed(estate: Estate, scales: Scales) -> None:
    first = await estate.sync()
    servers = first["serversWritten"]
    assert servers == len(estate.items())
    per_server = scales.units.total() / servers
    assert facts.UNITS_NEW_SERVER * 0.8 <= per_server <= facts.UNITS_NEW_SERVER * 1.2, scales.units
    fullest = max(scales.sizes["server"])
    assert facts.ITEM_KB * 0.8 <= fullest / 1000 <= facts.ITEM_KB * 1.2
    assert math.ceil(fullest / 1024) * 4 == facts.UNITS_CHANGED_SERVER

    scales.units.clear()
    again = await estate.sync()
    assert (again["serversWritten"], scales.units.total()) == (0, 0)
