"""The changes of moto: one switch leaves one out, and each is needed by the moto that is pinned.

When a newer moto makes a test here fail, it can do what the change was made for: retire that part of the change.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from service.sandbox.moto_changes import CHANGES, VARIABLE, MotoChangeError, change_moto

# In a process of its own: changes are made to classes of moto.
PROBES = """
import json
import threading
from botocore.exceptions import ClientError
from service.sandbox import start

def code(call, **params):
    try:
        call(**params)
    except ClientError as error:
        reasons = [each.get("Code") for each in error.response.get("CancellationReasons", [])]
        return [error.response["Error"]["Code"], reasons]
    return "accepted"

def calls_of(sandbox, operation, **params):
    "Functions that serve a request; its connection is new, and so is the thread."
    count = 0
    def profile(frame, event, argument):
        nonlocal count
        count += event == "call"
    threading.setprofile(profile)
    getattr(sandbox.client("dynamodb", use_ssl=False), operation)(**params)
    threading.setprofile(None)
    return count

with start(servers=0) as sandbox:
    dynamodb = sandbox.client("dynamodb")
    dynamodb.create_table(
        TableName="things",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    key = lambda name: {"id": {"S": name}}
    put = lambda name, **more: {"Put": {"TableName": "things", "Item": key(name), **more}}
    batch = [{"PutRequest": {"Item": key(f"batch{number}")}} for number in range(26)]
    new = {"ConditionExpression": "attribute_not_exists(id)"}
    once = {"TransactItems": [put("one"), put("two")], "ClientRequestToken": "again"}
    dynamodb.transact_write_items(**once)
    dynamodb.delete_item(TableName="things", Key=key("one"))
    dynamodb.transact_write_items(**once)
    twice = [{"PutRequest": {"Item": key("same")}}, {"DeleteRequest": {"Key": key("same")}}]
    result = {
        "a token again": "Item" in dynamodb.get_item(TableName="things", Key=key("one")),
        "26 writes": code(dynamodb.batch_write_item, RequestItems={"things": batch}),
        "a key twice": code(dynamodb.batch_write_item, RequestItems={"things": twice}),
    }
    for number in range(50):
        attributes = {f"a{name}": {"S": "text"} for name in range(20)}
        dynamodb.put_item(TableName="things", Item={**key(f"many{number}"), **attributes})
    result["calls"] = {
        "page": calls_of(sandbox, "scan", TableName="things", Limit=50),
        "transaction": calls_of(
            sandbox, "transact_write_items", TransactItems=[put(f"new{number}", **new) for number in range(5)]
        ),
    }
    large = {"blob": {"S": "x" * 390_000}}
    puts = [{"Put": {"TableName": "things", "Item": {**key(f"large{number}"), **large}}} for number in range(12)]
    result["4 MB"] = code(dynamodb.transact_write_items, TransactItems=puts)
print(json.dumps(result))
"""


def probe(unchanged: str) -> dict[str, Any]:
    environment = {**os.environ, VARIABLE: unchanged}
    done = subprocess.run(
        [sys.executable, "-c", PROBES], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.deep
def test_dynamodb_is_changed_where_moto_needs_it() -> None:
    ours, motos = probe(""), probe("dynamodb")
    cost, motos_cost = ours.pop("calls"), motos.pop("calls")
    assert ours == {
        "a token again": False,
        "26 writes": ["ValidationException", []],
        "a key twice": ["ValidationException", []],
        "4 MB": ["ValidationException", []],
    }
    for name, answer in ours.items():
        assert motos[name] != answer, f"moto itself does so now: {name}. Retire that part of the change"
    for name, calls in cost.items():
        assert motos_cost[name] > 2 * calls > 0, f"moto itself is as fast with a {name}. Retire that part of the change"


def test_every_change_has_a_reason_and_can_be_made_again() -> None:
    change_moto()
    change_moto()
    assert all(len(change.reason) > 10 for change in CHANGES)


def test_an_unknown_change_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "dynamodb, dinamo")
    with pytest.raises(
        MotoChangeError, match=r"names dinamo\. Fix: use some of drs, dynamodb, cloudformation, apigateway"
    ):
        change_moto()
