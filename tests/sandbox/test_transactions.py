"""TransactWriteItems in the sandbox: all or nothing, with the reasons of AWS, and as moto's own where that is right."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from moto.core.exceptions import JsonRESTError
from moto.dynamodb.exceptions import MockValidationException, TransactionCanceledException
from moto.dynamodb.models import DynamoDBBackend

from service.sandbox.faults import Faults
from service.sandbox.server import Sandbox
from service.sandbox.transactions import CompletedTransactions, FastBackend, check_request

Client = Callable[..., Any]
HUB: Final = "999900001111"
ABSENT: Final = "attribute_not_exists(pk)"
PRESENT: Final = "attribute_exists(pk)"
NO_REASON: Final = {"Code": "None"}
REFUSED: Final = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}


class Topology:
    """The topology table of a sandbox, and transactions that write to it."""

    def __init__(self, environment: Mapping[str, str], client: Any) -> None:
        self.client = client
        self.environment = environment
        self.name = environment["SOURCE_SERVER_TOPOLOGY_TABLE"]

    def put(self, pk: str, condition: str | None = None, **members: Any) -> dict[str, Any]:
        return {"Put": {"TableName": self.name, "Item": {**key(pk), **members}, **_optional(condition)}}

    def update(self, pk: str, expression: str, condition: str | None = None, **values: Any) -> dict[str, Any]:
        bound = {"ExpressionAttributeValues": {f":{name}": value for name, value in values.items()}} if values else {}
        update = {"TableName": self.name, "Key": key(pk), "UpdateExpression": expression}
        return {"Update": {**update, **_optional(condition), **bound}}

    def delete(self, pk: str, condition: str | None = None) -> dict[str, Any]:
        return {"Delete": {"TableName": self.name, "Key": key(pk), **_optional(condition)}}

    def check(self, pk: str, condition: str) -> dict[str, Any]:
        return {"ConditionCheck": {"TableName": self.name, "Key": key(pk), "ConditionExpression": condition}}

    def write(self, *actions: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        """Write a transaction; return the response without metadata."""
        answer = self.client.transact_write_items(TransactItems=list(actions), **options)
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    def refusal(self, *actions: Mapping[str, Any], **options: Any) -> tuple[str, str, Any]:
        """Write a transaction that is refused; return code, message and reasons."""
        with pytest.raises(ClientError) as caught:
            self.write(*actions, **options)
        error = caught.value.response
        return error["Error"]["Code"], error["Error"]["Message"], error.get("CancellationReasons")

    def items(self) -> dict[str, Any]:
        """Return the other attributes of all items, by partition key."""
        pages = self.client.get_paginator("scan").paginate(TableName=self.name, ConsistentRead=True)
        found = [each for page in pages for each in page["Items"]]
        return {
            each["pk"]["S"]: {name: value for name, value in each.items() if name not in {"pk", "sk"}} for each in found
        }


def key(pk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": "TOPOLOGY"}}


def _optional(condition: str | None) -> dict[str, str]:
    return {"ConditionExpression": condition} if condition else {}


@pytest.fixture
def topology(sandbox: Sandbox, client: Client) -> Topology:
    return Topology(sandbox.environment(), client("dynamodb"))


def test_all_actions_are_applied_in_several_tables(topology: Topology) -> None:
    status = topology.environment["DRS_REGION_STATUS_TABLE"]
    topology.write(*(topology.put(pk, n={"N": "1"}) for pk in ("changed", "deleted", "checked")))
    answer = topology.write(
        topology.put("new", ABSENT, n={"N": "2"}),
        topology.update("changed", "SET n = n + :n", PRESENT, n={"N": "4"}),
        topology.update("made", "SET n = :n", ABSENT, n={"N": "6"}),
        topology.delete("deleted", PRESENT),
        topology.check("checked", PRESENT),
        {"Put": {"TableName": status, "Item": {"region": {"S": "us-west-2"}}}},
    )
    assert answer == {}
    assert topology.items() == {
        "new": {"n": {"N": "2"}},
        "changed": {"n": {"N": "5"}},
        "made": {"n": {"N": "6"}},
        "checked": {"n": {"N": "1"}},
    }
    assert topology.client.scan(TableName=status)["Items"] == [{"region": {"S": "us-west-2"}}]


def test_one_refusal_cancels_all_and_the_reasons_have_the_order_of_the_actions(topology: Topology) -> None:
    topology.write(topology.put("a", n={"N": "1"}), topology.put("b", n={"N": "1"}))
    shown = topology.update("b", "SET n = :n", "n > :n", n={"N": "5"})
    shown["Update"]["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    code, message, reasons = topology.refusal(
        topology.put("new", ABSENT), topology.put("a", ABSENT), shown, topology.delete("none", PRESENT)
    )
    assert code == "TransactionCanceledException"
    assert message == (
        "Transaction cancelled, please refer cancellation reasons for specific reasons "
        "[None, ConditionalCheckFailed, ConditionalCheckFailed, ConditionalCheckFailed]"
    )
    assert reasons == [NO_REASON, REFUSED, {**REFUSED, "Item": {**key("b"), "n": {"N": "1"}}}, REFUSED]
    assert topology.items() == {"a": {"n": {"N": "1"}}, "b": {"n": {"N": "1"}}}


@pytest.mark.parametrize(
    ("values", "expression", "message"),
    [
        ({"n": {"S": "x" * 20_000}}, "SET b = :n", "Item size to update has exceeded the maximum allowed size"),
        (
            {},
            "SET b = absent",
            "The provided expression refers to an attribute that does not exist in the item",
        ),
    ],
)
def test_an_item_that_would_become_invalid_cancels_all(
    values: dict[str, Any], expression: str, message: str, topology: Topology
) -> None:
    before: dict[str, Any] = {"a": {"S": "x" * 390_000}}
    topology.write(topology.put("big", None, **before), topology.put("changed"), topology.put("deleted"))
    code, _, reasons = topology.refusal(
        topology.put("new"),
        topology.update("changed", "SET a = :a", a={"S": "y"}),
        topology.delete("deleted"),
        topology.update("big", expression, **values),
        topology.put("later"),
    )
    assert code == "TransactionCanceledException"
    assert reasons == [*[NO_REASON] * 3, {"Code": "ValidationError", "Message": message}, NO_REASON]
    assert topology.items() == {"big": before, "changed": {}, "deleted": {}}


def test_an_item_of_more_than_400_kb_is_a_reason(topology: Topology) -> None:
    _, _, reasons = topology.refusal(topology.put("a"), topology.put("b", big={"S": "x" * 410_000}))
    assert reasons == [
        NO_REASON,
        {"Code": "ValidationError", "Message": "Item size has exceeded the maximum allowed size"},
    ]
    assert topology.items() == {}


def test_half_a_key_is_a_reason(topology: Topology) -> None:
    put = {"Put": {"TableName": topology.name, "Item": {"pk": {"S": "a"}}}}
    delete = {"Delete": {"TableName": topology.name, "Key": {"pk": {"S": "c"}}}}
    for action, message in (
        (put, "One or more parameter values were invalid: Missing the key sk in the item"),
        (delete, "The provided key element does not match the schema"),
    ):
        _, _, reasons = topology.refusal(topology.put("b"), action)
        assert reasons == [NO_REASON, {"Code": "ValidationError", "Message": message}]
    assert topology.items() == {}


@pytest.mark.parametrize(
    ("actions", "code", "message"),
    [
        (
            lambda t: [t.put(str(n)) for n in range(101)],
            "ValidationException",
            "Member must have length less than or equal to 100",
        ),
        (
            lambda t: [t.put("a"), t.delete("b"), t.check("a", PRESENT)],
            "ValidationException",
            "Transaction request cannot include multiple operations on one item",
        ),
        (
            lambda t: [{**t.put("a"), **t.delete("b")}],
            "ValidationException",
            "TransactItems can only contain one of Check, Put, Update or Delete",
        ),
        (
            lambda t: [t.put(str(n), big={"S": "x" * 399_000}) for n in range(11)],
            "ValidationException",
            "The aggregate size of the items in the transaction cannot exceed 4 MB",
        ),
        (lambda t: [t.put("a"), t.update("b", "SET ((")], "ValidationException", "Invalid UpdateExpression"),
        (
            lambda t: [t.put("a"), t.update("b", "SET n = :none", n={"N": "1"})],
            "ValidationException",
            "An expression attribute value used in expression is not defined",
        ),
        (
            lambda t: [t.put("a"), {"Delete": {"TableName": "none", "Key": key("b")}}],
            "ResourceNotFoundException",
            "Requested resource not found",
        ),
    ],
)
def test_a_request_that_no_table_could_take_has_no_reasons(
    actions: Callable[[Topology], list[Any]], code: str, message: str, topology: Topology
) -> None:
    found, text, reasons = topology.refusal(*actions(topology))
    assert (found, reasons) == (code, None)
    assert message in text
    assert topology.items() == {}


def test_a_transaction_has_at_least_one_action() -> None:
    with pytest.raises(MockValidationException, match="Member must have length greater than or equal to 1"):
        check_request([])


def test_100_items_and_4_mb_are_allowed(topology: Topology) -> None:
    topology.write(*(topology.put(str(n), ABSENT, fill={"S": "x" * 41_000}) for n in range(100)))
    assert len(topology.items()) == 100


def test_a_repeated_token_changes_nothing(topology: Topology) -> None:
    topology.write(topology.put("a", ABSENT), ClientRequestToken="one")
    topology.client.delete_item(TableName=topology.name, Key=key("a"))
    assert topology.write(topology.put("a", ABSENT), ClientRequestToken="one") == {}
    assert topology.items() == {}
    code, *_ = topology.refusal(topology.put("b", ABSENT), ClientRequestToken="one")
    assert code == "IdempotentParameterMismatchException"
    topology.write(topology.put("b", ABSENT), ClientRequestToken="two")
    refused = (topology.put("a"), topology.put("b", ABSENT))
    topology.refusal(*refused, ClientRequestToken="three")
    topology.client.delete_item(TableName=topology.name, Key=key("b"))
    topology.write(*refused, ClientRequestToken="three")  # only what was applied is remembered
    assert set(topology.items()) == {"a", "b"}


def test_a_token_is_forgotten_after_ten_minutes() -> None:
    now = [0.0]
    completed = CompletedTransactions(lambda: now[0])
    here, there = (DynamoDBBackend(region, HUB) for region in ("us-east-1", "us-west-2"))
    request: dict[str, Any] = {"ClientRequestToken": "one", "TransactItems": [{"Put": {"Item": {"b": {"B": b"\xff"}}}}]}
    completed.add(here, request)
    now[0] = 599.0
    assert completed.has(here, request)
    assert not completed.has(there, request)
    with pytest.raises(JsonRESTError):
        completed.has(here, {**request, "TransactItems": []})
    now[0] = 600.0
    assert not completed.has(here, {**request, "TransactItems": []})


def test_an_index_query_after_a_transaction_returns_the_latest_write(sandbox: Sandbox, client: Client) -> None:
    dynamodb, table = client("dynamodb"), sandbox.environment()["SOURCE_SERVER_INVENTORY_TABLE"]
    item_key = {"sourceServerArn": {"S": "arn:1"}, "stagingAccountId": {"S": "444455556666"}}
    item: dict[str, Any] = {**item_key, "replicationRegion": {"S": "us-west-2"}, "n": {"N": "1"}}
    update = {
        "TableName": table,
        "Key": item_key,
        "UpdateExpression": "SET n = :n",
        "ExpressionAttributeValues": {":n": {"N": "2"}},
    }
    other = {"TableName": table, "Key": {**item_key, "sourceServerArn": {"S": "arn:2"}}}

    def found() -> list[Any]:
        answer = dynamodb.query(
            TableName=table,
            IndexName="ReplicationRegionIndex",
            KeyConditionExpression="replicationRegion = :region",
            ExpressionAttributeValues={":region": {"S": "us-west-2"}},
        )
        return list(answer["Items"])

    dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": item}}])
    assert found() == [item]
    with pytest.raises(ClientError):  # the update is undone
        dynamodb.transact_write_items(
            TransactItems=[{"Update": update}, {"Update": {**other, "UpdateExpression": "SET n = missing"}}]
        )
    assert found() == [item]
    dynamodb.transact_write_items(TransactItems=[{"Update": update}])
    assert found() == [{**item, "n": {"N": "2"}}]


@pytest.mark.parametrize(
    ("action", "missing"),
    [("Put", "PutItem"), ("Update", "UpdateItem"), ("Delete", "DeleteItem"), ("ConditionCheck", "ConditionCheckItem")],
)
def test_a_transaction_needs_the_permissions_of_its_actions(
    action: str, missing: str, sandbox: Sandbox, client: Client, topology: Topology
) -> None:
    actions = [
        topology.put("a"),
        topology.update("b", "SET n = :n", n={"N": "1"}),
        topology.delete("c"),
        topology.check("d", ABSENT),
    ]
    deny = {"account_id": HUB, "service": "dynamodb", "operations": [missing]}
    sandbox.replace_faults(Faults.model_validate({"deny": [deny]}))
    code, message, _ = topology.refusal(*actions)
    assert (code, f"perform: dynamodb:{missing} on" in message) == ("AccessDeniedException", True)
    assert topology.write(*(each for each in actions if action not in each)) == {}


def test_declared_failures_and_counts_know_transactions(sandbox: Sandbox, topology: Topology) -> None:
    fail = {
        "service": "dynamodb",
        "operation": "TransactWriteItems",
        "error": "TransactionInProgressException",
        "status": 400,
    }
    sandbox.replace_faults(Faults.model_validate({"fail": [fail]}))
    assert topology.refusal(topology.put("a"))[0] == "TransactionInProgressException"
    topology.write(topology.put("a"))
    assert {each.operation: each.count for each in sandbox.calls()}["TransactWriteItems"] == 2


@st.composite
def _action(draw: Callable[..., Any], pk: int, table: str, keyed: Mapping[str, Any]) -> dict[str, Any]:
    condition = draw(st.sampled_from([None, "attribute_exists(n)", "attribute_not_exists(n)", "n > :one"]))
    values = {":one": {"N": "1"}}
    members: dict[str, Any] = {"TableName": table, **_optional(condition)}
    if condition == "n > :one":
        members["ExpressionAttributeValues"] = values
    if draw(st.booleans()):
        members["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    kind = draw(st.sampled_from(["Put", "Update", "Delete", *(["ConditionCheck"] if condition else [])]))
    if kind == "Put":
        return {kind: {**members, "Item": {**keyed, "n": {"N": str(draw(st.integers(0, 3)))}}}}
    if kind == "Update":
        expression = draw(st.sampled_from(["SET n = :one", "SET n = if_not_exists(n, :one), m = :one", "REMOVE n"]))
        if ":one" in expression:
            members["ExpressionAttributeValues"] = values
        members["UpdateExpression"] = expression
    return {kind: {**members, "Key": keyed}}


@st.composite
def _transactions(draw: Callable[..., Any]) -> list[list[dict[str, Any]]]:
    result = []
    for _ in range(draw(st.integers(1, 5))):
        numbers = draw(st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True))
        keys = [("topology", key(f"{n}")) if n % 2 else ("tags", {"accountId": {"S": f"{n}"}}) for n in numbers]
        result.append([draw(_action(n, table, keyed)) for n, (table, keyed) in zip(numbers, keys, strict=True)])
    return result


def _backend(kind: type[DynamoDBBackend]) -> DynamoDBBackend:
    backend = kind("us-east-1", HUB)
    for name, names in (("topology", ("pk", "sk")), ("tags", ("accountId",))):
        backend.create_table(
            name,
            schema=[
                {"AttributeName": each, "KeyType": role} for each, role in zip(names, ("HASH", "RANGE"), strict=False)
            ],
            throughput=None,
            attr=[{"AttributeName": each, "AttributeType": "S"} for each in names],
            global_indexes=[],
            indexes=[],
            streams=None,
            billing_mode="PAY_PER_REQUEST",
            sse_specification=None,
            tags=[],
            deletion_protection_enabled=False,
            warm_throughput=None,
        )
    return backend


def _outcome(backend: DynamoDBBackend, actions: list[dict[str, Any]]) -> Any:
    """Return the reasons, or None, and all items after a transaction."""
    reasons = None
    try:
        backend.transact_write_items(copy.deepcopy(actions))
    except TransactionCanceledException as error:
        reasons = error.description
    items = {name: sorted(repr(each.to_json()) for each in table.all_items()) for name, table in backend.tables.items()}
    return reasons, items


@given(_transactions())
def test_the_outcome_is_that_of_moto(transactions: list[list[dict[str, Any]]]) -> None:
    fast, of_moto = map(_backend, (FastBackend, DynamoDBBackend))
    for actions in transactions:
        assert _outcome(fast, actions) == _outcome(of_moto, actions)


def _python_calls_of(work: Callable[[], Any]) -> int:
    calls = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def test_the_cost_does_not_grow_with_the_table() -> None:
    actions = [
        *({"Put": {"TableName": "topology", "Item": {**key(f"new {n}"), "n": {"N": "1"}}}} for n in range(50)),
        *(
            {
                "Update": {
                    "TableName": "topology",
                    "Key": key(f"{n}"),
                    "UpdateExpression": "SET n = :n",
                    "ExpressionAttributeValues": {":n": {"N": "2"}},
                }
            }
            for n in range(50)
        ),
    ]
    costs = []
    for size in (50, 2_000):
        backend = _backend(FastBackend)
        for number in range(size):
            backend.put_item("topology", {**key(f"{number}"), "n": {"N": "1"}})
        costs.append(_python_calls_of(partial(backend.transact_write_items, copy.deepcopy(actions))))
    assert costs[1] < 1.1 * costs[0]
