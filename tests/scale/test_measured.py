"""Measurement of the sizes and write units that the cost model assumes, from the items that the engine writes."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.dynamodb import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType

from benchmarks.scale import facts
from service.aws.client import AwsClient
from service.models import Call
from service.sandbox.moto_drs import drs_backends
from tests.support.sandbox import EngineSandbox

pytestmark = pytest.mark.deep

INDEX_KEYS = ("sourceAccountId", "stagingAccountId", "replicationRegion")


def size_of(value: Mapping[str, Any]) -> int:
    """Return the size of an attribute value in bytes, by DynamoDB's rules (developer guide, item sizes)."""
    [(kind, inner)] = value.items()
    if kind in {"S", "B"}:
        return len(inner if kind == "B" else inner.encode())
    if kind == "N":
        return (len(inner) + 1) // 2 + 1
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + size_of(each) for name, each in inner.items())
    if kind == "L":
        return 3 + sum(1 + size_of(each) for each in inner)
    assert kind in {"BOOL", "NULL"}, kind
    return 1


def item_size(item: Mapping[str, Any]) -> int:
    """Return the size of an item in bytes."""
    return sum(len(name.encode()) + size_of(value) for name, value in item.items())


class WriteUnits:
    """Counts the units written to the inventory table, its indexes and the topology table, by kind of item."""

    def __init__(self, sandbox: EngineSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        self.units: Counter[str] = Counter()
        self.sizes: dict[str, list[int]] = {}
        self._hub = sandbox.names.hub
        environment = sandbox.server.environment()
        self._tables = {
            environment["SOURCE_SERVER_INVENTORY_TABLE"]: ("sourceServerArn", "stagingAccountId"),
            environment["SOURCE_SERVER_TOPOLOGY_TABLE"]: ("pk", "sk"),
        }
        original_send = AwsClient.send

        async def send(
            aws_client: AwsClient, source: Any, call: Call, params: Mapping[str, Any], **options: Any
        ) -> dict[str, Any]:
            answer = await original_send(aws_client, source, call, params, **options)
            if call.service == "dynamodb":
                self._record(call.operation, params)
            return answer

        monkeypatch.setattr(AwsClient, "send", send)

    def _record(self, operation: str, params: Mapping[str, Any]) -> None:
        if operation == "BatchWriteItem":
            for table in self._tables:
                for request in params["RequestItems"].get(table, ()):
                    self._add(request["PutRequest"]["Item"])
        elif operation == "TransactWriteItems":
            self._record_transaction(params["TransactItems"])
        elif params.get("TableName") in self._tables:
            if operation == "PutItem":
                self._add(params["Item"])
            elif operation == "UpdateItem":
                self._add(self._stored_item(params["TableName"], params["Key"]))

    def _record_transaction(self, actions: list[Mapping[str, Any]]) -> None:
        for members in (each for action in actions for each in action.values()):
            if members["TableName"] in self._tables:
                item = members.get("Item") or self._stored_item(members["TableName"], members["Key"])
                self._add(item, per_kb=2)  # prepared and committed; indexes follow once

    def _stored_item(self, name: str, key: Mapping[str, Any]) -> Mapping[str, Any]:
        table = dynamodb_backends[self._hub]["us-east-1"].tables[name]
        hash_key, range_key = self._tables[name]
        item = table.items[DynamoType(key[hash_key])][DynamoType(key[range_key])]
        attributes: Mapping[str, Any] = item.to_json()["Attributes"]
        return attributes

    def _add(self, item: Mapping[str, Any], *, per_kb: int = 1) -> None:
        size = item_size(item)
        kind = "server" if "sourceServerID" in item else item["sk"]["S"].partition("#")[0]
        self.units[kind] += math.ceil(size / 1024) * (per_kb + sum(key in item for key in INDEX_KEYS))
        self.sizes.setdefault(kind, []).append(size)


@pytest.fixture
def write_units(sandbox: EngineSandbox, monkeypatch: pytest.MonkeyPatch) -> WriteUnits:
    return WriteUnits(sandbox, monkeypatch)


async def test_what_a_server_costs_when_it_is_new_and_when_nothing_has_changed(
    sandbox: EngineSandbox, write_units: WriteUnits
) -> None:
    first = await sandbox.sync()
    servers = first["serversWritten"]
    assert servers == len(sandbox.items())
    per_server = (write_units.units.total() - write_units.units["values"]) / servers
    assert facts.UNITS_NEW_SERVER * 0.8 <= per_server <= facts.UNITS_NEW_SERVER * 1.2, write_units.units
    fullest = max(write_units.sizes["server"])
    assert facts.ITEM_KB * 0.8 <= fullest / 1000 <= facts.ITEM_KB * 1.2
    assert math.ceil(fullest / 1024) * 4 == facts.UNITS_CHANGED_SERVER
    assert write_units.units["TOPOLOGY"] / servers == pytest.approx(facts.UNITS_TOPOLOGY, rel=0.2)

    write_units.units.clear()
    again = await sandbox.sync()
    assert again["serversWritten"] == 0
    assert write_units.units == {"values": 3, "run": 1}  # one for each scope that has servers, and the run's record


async def test_what_the_moving_values_of_a_scope_cost(sandbox: EngineSandbox, write_units: WriteUnits) -> None:
    here = {"accounts": (sandbox.names.b,), "regions": ("us-east-1",)}
    sandbox.add(sandbox.names.b, "us-east-1", servers=300, origin={"region": "us-east-1"})
    servers = [server.record for server in drs_backends[sandbox.names.b]["us-east-1"].source_servers.values()]
    await sandbox.sync(**here)
    calm = write_units.sizes["values"][-1]
    assert calm <= facts.VALUES_ITEM_BYTES + facts.CALM_BYTES * len(servers)
    rng = random.Random(0)  # noqa: S311 - not a secret
    for record in servers:
        eta = datetime(2026, 12, 1, tzinfo=UTC) + timedelta(milliseconds=rng.randrange(30 * 24 * 3600 * 1000))
        record["dataReplicationInfo"] |= {
            "dataReplicationState": "STALLED",
            "dataReplicationError": {"error": "NOT_CONVERGING"},
            "lagDuration": f"PT{rng.randrange(30 * 24 * 3600)}S",
            "etaDateTime": eta.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "replicatedDisks": [{"backloggedStorageBytes": rng.randrange(4 * 1024**4)}],
        }
    await sandbox.sync(**here)
    troubled = write_units.sizes["values"][-1]
    assert troubled <= facts.VALUES_ITEM_BYTES + facts.TROUBLED_BYTES * len(servers)
    assert (troubled + calm) * 1.3 > 2 * facts.VALUES_ITEM_BYTES + 300 * (facts.CALM_BYTES + facts.TROUBLED_BYTES)


async def test_what_events_of_changes_cost(sandbox: EngineSandbox, write_units: WriteUnits) -> None:
    sandbox.set(EVENT_BUS_NAME="default")
    here = {"accounts": (sandbox.names.b,), "regions": ("us-east-1",)}
    sandbox.add(sandbox.names.b, "us-east-1", servers=300, origin={"region": "us-east-1"})
    servers = [server.record for server in drs_backends[sandbox.names.b]["us-east-1"].source_servers.values()]
    await sandbox.sync(**here)
    write_units.units.clear()
    await sandbox.sync(**here)
    assert write_units.units["events"] == 0  # nothing has changed
    servers[0]["dataReplicationInfo"]["dataReplicationState"] = "STALLED"
    await sandbox.sync(**here)
    assert write_units.units["events"] == facts.UNITS_ANNOUNCEMENT
