"""The tables of the benchmarks' endpoint keep what a transaction writes as they keep single writes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from benchmarks.endpoint.estate import Estate
from benchmarks.endpoint.tables import INVENTORY, STATUS, TOPOLOGY, Tables
from service.models import utc_now


def _key(number: int) -> dict[str, Any]:
    return {"pk": {"S": f"arn-{number}"}, "sk": {"S": "TOPOLOGY"}}


@pytest.fixture
def tables() -> Tables:
    return Tables(Estate(targets=1, regions=1, servers=1), utc_now())


def _kept(tables: Tables, *numbers: int) -> list[dict[str, Any]]:
    request = {"RequestItems": {TOPOLOGY: {"Keys": [_key(each) for each in numbers]}}}
    items: list[dict[str, Any]] = orjson.loads(tables.answer("BatchGetItem", request))["Responses"][TOPOLOGY]
    return items


def test_a_transaction_writes_as_its_actions_do_alone(tables: Tables) -> None:
    put = [{"Put": {"TableName": TOPOLOGY, "Item": {**_key(each), "a": {"S": "x"}}}} for each in range(100)]
    assert tables.answer("TransactWriteItems", {"TransactItems": put}) == b"{}"
    assert _kept(tables, 0, 99) == [{**_key(0), "a": {"S": "x"}}, {**_key(99), "a": {"S": "x"}}]
    set_count = {
        "UpdateExpression": "SET #n=:n",
        "ExpressionAttributeNames": {"#n": "serverCount"},
        "ExpressionAttributeValues": {":n": {"N": "7"}},
    }
    actions = [
        {"Delete": {"TableName": TOPOLOGY, "Key": _key(0)}},
        {"ConditionCheck": {"TableName": TOPOLOGY, "Key": _key(1)}},
        {"Update": {"TableName": INVENTORY, "Key": {}, **set_count}},
        {"Update": {"TableName": STATUS, "Key": {"region": {"S": "us-west-2"}}, **set_count}},
    ]
    assert tables.answer("TransactWriteItems", {"TransactItems": actions}) == b"{}"
    assert len(_kept(tables, 0, 1)) == 1
    [row] = orjson.loads(tables.answer("Scan", {"TableName": STATUS}))["Items"]
    assert row == {"region": {"S": "us-west-2"}, "serverCount": {"N": "7"}}
    keys = [{"region": {"S": region}} for region in ("us-west-2", "eu-west-1")]
    found = orjson.loads(tables.answer("BatchGetItem", {"RequestItems": {STATUS: {"Keys": keys}}}))
    assert found["Responses"] == {STATUS: [row]}


@pytest.mark.parametrize("new", [True, False])
def test_an_inventory_of_new_servers_is_empty(*, new: bool) -> None:
    tables = Tables(Estate(targets=1, regions=1, servers=1, new=new), utc_now())
    items = orjson.loads(tables.answer("Scan", {"TableName": INVENTORY, "Limit": 1}))["Items"]
    assert len(items) == (0 if new else 1)
