"""The in-memory DynamoDB returns what moto's returns, for every operation that the engine uses."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest
from botocore import xform_name
from moto.core.exceptions import JsonRESTError
from moto.dynamodb import dynamodb_backends

from service.aws.conditional_write import fill, put
from service.aws.dynamodb_write import Table
from service.errors import AwsError, CancellationReason
from service.models import Call
from service.sandbox.fast_dynamodb import FastDynamoHandler, register_fast_dynamodb
from service.sandbox.fleet import parse_model
from service.sandbox.fleet_models import Fleet
from service.sandbox.tables import create_tables, table_environment
from tests.simulation.dynamodb import DynamoDb, ServiceError, tables
from tests.simulation.fault_injection import client_error

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
    """Session whose calls go to moto's DynamoDB without HTTP. `reasons`: those of the last refused transaction."""

    reasons: Any = None

    async def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str) -> dict[str, Any]:
        handler = FastDynamoHandler()
        handler.body = handler.params = orjson.loads(orjson.dumps(params))
        handler.region, handler.current_account = region, HUB
        try:
            answer: dict[str, Any] = _wire(getattr(handler, xform_name(operation))().result)
        except JsonRESTError as error:
            code = str(error.error_type).rpartition("#")[2]
            self.reasons = _reasons(orjson.loads(error.description))
            raise _error(code, str(error), Call(service, operation, HUB, region), self.reasons) from None
        return answer


def _reasons(members: Mapping[str, Any]) -> list[Any] | None:
    """Return the reasons of a cancelled transaction, of an error response's members."""
    return list(members["CancellationReasons"]) if "CancellationReasons" in members else None


def _error(code: str, message: str, call: Call, reasons: list[Any] | None) -> AwsError:
    found = tuple(CancellationReason("" if each["Code"] == "None" else each["Code"]) for each in reasons or ())
    return AwsError(code, message, call, reasons=found)


def _wire(value: Any) -> Any:
    """Return a response as it would arrive over HTTP."""
    if isinstance(value, Mapping):
        return {name: _wire(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_wire(inner) for inner in value]
    if isinstance(value, str) and type(value) is not str:  # an item that is serialized already
        return orjson.loads(value)
    return value


OPERATIONS = ("put", "update", "advance", "fill", "delete", "many", "each", "get", "get many", "query", "scan")


class _Here:
    """Session whose calls go to the in-memory DynamoDB."""

    def __init__(self, served: DynamoDb) -> None:
        self._served = served
        self.reasons: Any = None

    async def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str) -> dict[str, Any]:
        try:
            return self._served.serve(operation, params)
        except ServiceError as refused:
            self.reasons = _reasons(refused.members)
            raise _error(refused.code, refused.message, Call(service, operation, HUB, region), self.reasons) from None


async def _run_random_operation(table: Table, rng: random.Random) -> Any:  # noqa: C901, PLR0911 - one for each case
    """Run one of the engine's table operations; return its result or error code."""
    key = {"sourceServerArn": rng.choice(ARNS), "stagingAccountId": rng.choice(("1", "TOPOLOGY"))}
    members = {
        "replicationRegion": "us-east-1",
        "count": rng.randint(0, 4),
        "extra": rng.choice((None, 1, "x", [1])),
        "map": rng.choice(({"a": 1}, {"a": 2, "b": {"c": 3, "d": 4}}, {"b": {"d": 5}})),
    }
    condition, limit = rng.choice(CONDITIONS)
    values = {"limit": limit} if limit else {}
    what = rng.choice(OPERATIONS)
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
        if what == "each":
            others = [{**key, "sourceServerArn": arn} for arn in rng.sample(ARNS, 2)]
            exists = "attribute_exists( #sourceServerArn )"
            writes = [put({**others[0], **members}, condition, values), fill(others[1], {"f": 1}, exists)]
            return await table.write_each(writes)
        if what == "get":
            return await table.get(key)
        if what == "get many":
            return _sorted(await table.get_many([{**key, "sourceServerArn": arn} for arn in ARNS]))
        if what == "query":
            condition_text = "#replicationRegion = :region AND begins_with( #sourceServerArn , :prefix)"
            query_values = {"region": "us-east-1", "prefix": ARNS[0][:-1]}
            names = ("sourceServerArn", "stagingAccountId", "count", "map.b.c", "map.a")
            pages = table.query(condition_text, query_values, index="ReplicationRegionIndex", only=names)
            return _sorted([item async for item in pages])
        return _sorted([item async for item in table.scan()])
    except AwsError as error:
        return error.code


def _sorted(items: list[dict[str, Any]]) -> list[str]:
    return sorted(repr(sorted(item.items())) for item in items)


async def _transact(session: _Moto | _Here, tables_: Mapping[str, str], rng: random.Random) -> Any:
    """Write a random transaction; return the error code and reasons, if any."""
    token = {"ClientRequestToken": f"token-{rng.randint(0, 9)}"} if rng.random() < 0.2 else {}
    actions = [_action(tables_, rng) for _ in range(rng.choice((1, 2, 3)))]
    session.reasons = None
    try:
        await session.call("dynamodb", "TransactWriteItems", {"TransactItems": actions, **token}, region=REGION)
    except AwsError as error:
        return error.code, session.reasons
    return None, None


def _action(tables_: Mapping[str, str], rng: random.Random) -> dict[str, Any]:
    name, key = rng.choice(
        [
            (tables_["SOURCE_SERVER_TOPOLOGY_TABLE"], {"pk": {"S": rng.choice(ARNS)}, "sk": {"S": "TOPOLOGY"}}),
            (tables_["DRS_REGION_STATUS_TABLE"], {"region": {"S": rng.choice("abc")}}),
        ]
    )
    condition = rng.choice(("attribute_exists(#count)", "attribute_not_exists(#count)", "#count < :limit", None, None))
    names, values = {"#count": "count"}, {":limit": {"N": "2"}}
    given: dict[str, Any] = {"TableName": name}
    if condition:
        given |= {"ConditionExpression": condition, "ExpressionAttributeNames": names}
        given |= {"ExpressionAttributeValues": values} if ":limit" in condition else {}
        given |= {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"} if rng.random() < 0.5 else {}
    kind = rng.choice(("Put", "Update", "Delete", "ConditionCheck") if condition else ("Put", "Update", "Delete"))
    if kind == "Put":
        return {kind: {**given, "Item": {**key, "count": {"N": str(rng.randint(0, 4))}}}}
    if kind == "Update":
        return {
            kind: {
                **given,
                "Key": key,
                "UpdateExpression": rng.choice(("SET #count = :limit", "SET #count = if_not_exists(#count, :limit)")),
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": values,
            }
        }
    return {kind: {**given, "Key": key}}


def _sandbox_and_simulation(names: Mapping[str, str]) -> tuple[_Moto, _Here, DynamoDb]:
    settings = tables()
    served = {names[each.upper()]: replace(table, name=names[each.upper()]) for each, table in settings.items()}
    here = DynamoDb(served, lambda: 0.0, random.Random(0), page=2)  # noqa: S311 - not a secret
    return _Moto(), _Here(here), here


@pytest.fixture
def table_names() -> Iterator[Mapping[str, str]]:
    """Create the sandbox's tables; return their names by environment variable."""
    register_fast_dynamodb()
    members = {"hub": {"account_id": HUB, "registered": False}, "tables": {"environment": "here"}, "accounts": []}
    fleet = parse_model(Fleet, members, "here")
    create_tables(fleet)
    try:
        yield table_environment(fleet.tables)
    finally:
        dynamodb_backends.pop(HUB, None)


@pytest.mark.parametrize("seed", range(20))
async def test_it_answers_as_moto_does(seed: int, table_names: Mapping[str, str]) -> None:
    name = table_names["SOURCE_SERVER_INVENTORY_TABLE"]
    moto, simulated, _ = _sandbox_and_simulation(table_names)
    one, other = (Table(session, name, REGION) for session in (moto, simulated))  # type: ignore[arg-type]
    outcomes = set()
    for step in range(60):
        results = [await _run_random_operation(each, random.Random(f"{seed} {step}")) for each in (one, other)]  # noqa: S311
        assert results[0] == results[1], step
        outcomes.add(str(results[0]))
    assert {"True", "False"} <= outcomes


async def test_its_transactions_are_those_of_the_sandbox(table_names: Mapping[str, str]) -> None:
    moto, simulated, here = _sandbox_and_simulation(table_names)
    codes = set()
    for step in range(400):
        sandbox_, simulation = [await _transact(each, table_names, random.Random(step)) for each in (moto, simulated)]  # noqa: S311
        assert sandbox_ == simulation, step
        codes |= {sandbox_[0], *(each["Code"] for each in sandbox_[1] or ())}
        stored = [await _stored(each, table_names) for each in (moto, simulated)]
        assert stored[0] == stored[1], step
    assert codes == {
        None,
        "None",
        "ConditionalCheckFailed",
        "IdempotentParameterMismatchException",
        "TransactionCanceledException",
        "ValidationException",
    }
    assert here.completed


async def _stored(session: _Moto | _Here, names: Mapping[str, str]) -> list[Any]:
    """Return all items, by table."""
    found = []
    for variable in ("SOURCE_SERVER_TOPOLOGY_TABLE", "DRS_REGION_STATUS_TABLE"):
        table = Table(session, names[variable], REGION)  # type: ignore[arg-type]
        found.append(_sorted([item async for item in table.scan()]))
    return found


def _put(name: str, number: int, **members: Any) -> dict[str, Any]:
    return {"Put": {"TableName": name, "Item": {"pk": {"S": str(number)}, "sk": {"S": "s"}}, **members}}


def test_another_transaction_cancels_one_and_its_reasons_name_an_item() -> None:
    changes: list[Any] = []
    served = DynamoDb(tables(), lambda: 0.0, random.Random(1), listener=lambda *change: changes.append(change))  # noqa: S311
    name, actions = "source_server_topology_table", [_put("source_server_topology_table", n) for n in range(3)]
    served.unprocessed = 1.0
    with pytest.raises(ServiceError) as refused:
        served.serve("TransactWriteItems", {"TransactItems": actions})
    reasons = refused.value.members["CancellationReasons"]
    assert sorted(each["Code"] for each in reasons) == ["None", "None", "TransactionConflict"]
    assert refused.value.code == "TransactionCanceledException"
    assert not changes
    served.unprocessed = 0.0
    served.serve("TransactWriteItems", {"TransactItems": actions})
    assert [change[:3] for change in changes] == [(name, (str(n), "s"), None) for n in range(3)]
    assert len(served.tables[name].journal) == 3


def test_the_sdk_shows_the_reasons() -> None:
    call = Call("dynamodb", "TransactWriteItems", HUB, REGION)
    members = {"CancellationReasons": [{"Code": "None"}]}
    error = client_error(call, "TransactionCanceledException", "cancelled", members)
    assert error.response["CancellationReasons"] == [{"Code": "None"}]
    assert error.response["Error"] == {"Code": "TransactionCanceledException", "Message": "cancelled"}
