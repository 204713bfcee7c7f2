"""The in-memory DynamoDB returns what moto's returns, for every operation that the engine uses."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from botocore import xform_name
from moto.core.exceptions import JsonRESTError
from moto.dynamodb import dynamodb_backends

from service.aws.dynamodb_write import Table
from service.errors import AwsError
from service.models import Call
from service.sandbox.fast_dynamodb import FastDynamoHandler, register_fast_dynamodb
from service.sandbox.fleet import parse_model
from service.sandbox.fleet_models import Fleet
from service.sandbox.tables import create_tables, table_environment
from tests.simulation.dynamodb import DynamoDb, ServiceError, tables

HUB, REGION = "999000000001", "us-east-1"
ARNS = [f"arn:aws:drs:us-east-1:{account}:source-server/s-{n}" for account in (1, 2) for n in range(3)]
CONDITIONS = (
    ("attribute_not_exists( #sourceServerArn )", None),
    ("attribute_exists( #sourceServerArn ) AND attribute_not_exists( #extra )", None),
    (
        "#count < :limit OR ( attribute_not_exists( #count ) AND "
        "( attribute_not_exists( #extra ) OR #extra < :limit ))",
        3,
    ),
    ("NOT (#status = :limit AND #count > :limit) OR #owner = :limit", 2),
    ("#count = :limit", 1),
)


class _Moto:
    """Session whose calls go to moto's DynamoDB without HTTP."""

    async def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str) -> dict[str, Any]:
        handler = FastDynamoHandler()
        handler.body = handler.params = orjson.loads(orjson.dumps(params))
        handler.region, handler.current_account = region, HUB
        try:
            answer: dict[str, Any] = _wire(getattr(handler, xform_name(operation))().result)
        except JsonRESTError as error:
            code = str(error.error_type).rpartition("#")[2]
            raise AwsError(code, str(error), Call(service, operation, HUB, region)) from None
        return answer


def _wire(value: Any) -> Any:
    """Return a response as it would arrive over HTTP."""
    if isinstance(value, Mapping):
        return {name: _wire(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_wire(inner) for inner in value]
    if isinstance(value, str) and type(value) is not str:  # an item that is serialized already
        return orjson.loads(value)
    return value


class _Here:
    """Session whose calls go to the in-memory DynamoDB."""

    def __init__(self, served: DynamoDb) -> None:
        self._served = served

    async def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str) -> dict[str, Any]:
        try:
            return self._served.serve(operation, params)
        except ServiceError as refused:
            raise AwsError(refused.code, refused.message, Call(service, operation, HUB, region)) from None


async def _run_random_operation(table: Table, rng: random.Random) -> Any:  # noqa: C901, PLR0911 - one for each case
    """Run one of the engine's table operations; return its result or error code."""
    key = {"sourceServerArn": rng.choice(ARNS), "stagingAccountId": rng.choice(("1", "TOPOLOGY"))}
    members = {"replicationRegion": "us-east-1", "count": rng.randint(0, 4), "extra": rng.choice((None, 1, "x", [1]))}
    condition, limit = rng.choice(CONDITIONS)
    values = {"limit": limit} if limit else {}
    what = rng.choice(("put", "update", "advance", "fill", "delete", "many", "get", "get many", "query", "scan"))
    try:
        if what == "put":
            return await table.put_if({**key, **members}, condition, values)
        if what == "update":
            return await table.update_if(key, members, condition, values)
        if what == "advance":
            changes = {"extra": members["extra"], "replicationRegion": "us-east-1"}
            return await table.advance(key, changes, "count", condition, values, base=7)
        if what == "fill":
            return await table.fill(key, {"count": 9, "filled": 1}, "attribute_exists( #sourceServerArn )")
        if what == "delete":
            return await table.delete_if(key, condition, values)
        if what == "many":
            return await table.put_many([{**key, "sourceServerArn": arn, **members} for arn in rng.sample(ARNS, 3)])
        if what == "get":
            return await table.get(key)
        if what == "get many":
            return _sorted(await table.get_many([{**key, "sourceServerArn": arn} for arn in ARNS]))
        if what == "query":
            condition_text = "#replicationRegion = :region AND begins_with( #sourceServerArn , :prefix)"
            query_values = {"region": "us-east-1", "prefix": ARNS[0][:-1]}
            names = ("sourceServerArn", "stagingAccountId", "count")
            pages = table.query(condition_text, query_values, index="ReplicationRegionIndex", only=names)
            return _sorted([item async for item in pages])
        return _sorted([item async for item in table.scan()])
    except AwsError as error:
        return error.code


def _sorted(items: list[dict[str, Any]]) -> list[str]:
    return sorted(repr(sorted(item.items())) for item in items)


@pytest.mark.parametrize("seed", range(20))
async def test_it_answers_as_moto_does(seed: int) -> None:
    register_fast_dynamodb()
    members = {"hub": {"account_id": HUB, "registered": False}, "tables": {"environment": "here"}, "accounts": []}
    fleet = parse_model(Fleet, members, "here")
    create_tables(fleet)
    try:
        name = table_environment(fleet.tables)["SOURCE_SERVER_INVENTORY_TABLE"]
        table = tables()["source_server_inventory_table"]
        here = DynamoDb({name: table}, lambda: 0.0, random.Random(0), page=2)  # noqa: S311 - not a secret
        one, other = (Table(session, name, REGION) for session in (_Moto(), _Here(here)))  # type: ignore[arg-type]
        outcomes = set()
        for step in range(60):
            results = [await _run_random_operation(each, random.Random(f"{seed} {step}")) for each in (one, other)]  # noqa: S311
            assert results[0] == results[1], step
            outcomes.add(str(results[0]))
        assert {"True", "False"} <= outcomes
    finally:
        dynamodb_backends.pop(HUB, None)
