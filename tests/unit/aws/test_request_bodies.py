"""Bodies of many-item writes are those of the SDK, whatever the items have; what it refuses is refused."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ParamValidationError
from botocore.model import ServiceModel
from botocore.serialize import create_serializer
from hypothesis import given
from hypothesis import strategies as st

from service.aws.attribute_values import encode
from service.aws.request_bodies import DirectSerializer


@cache
def _model() -> ServiceModel:
    return ServiceModel(botocore.session.get_session().get_data("dynamodb/2012-08-10/service-2"))


def _both(operation: str, parameters: Any) -> list[dict[str, Any]]:
    sdk = create_serializer("json", include_validation=True)
    model = _model().operation_model(operation)
    parts = [each.serialize_to_request(parameters, model) for each in (DirectSerializer(sdk), sdk)]
    return [{**each, "body": json.loads(each["body"])} for each in parts]


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**37), 10**37), st.text(), st.binary(max_size=9)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=8,
)
ITEMS = st.dictionaries(st.text(min_size=1), VALUES, min_size=1, max_size=4).map(encode)


@given(st.lists(ITEMS, min_size=1, max_size=3))
def test_a_batch_is_what_the_sdk_would_send(items: list[dict[str, Any]]) -> None:
    ours, sdk = _both("BatchWriteItem", {"RequestItems": {"t": [{"PutRequest": {"Item": each}} for each in items]}})
    assert ours == sdk


@given(st.lists(ITEMS, min_size=1, max_size=3))
def test_a_transaction_is_what_the_sdk_would_send(items: list[dict[str, Any]]) -> None:
    members: dict[str, Any] = {
        "TableName": "t",
        "ConditionExpression": "#a = :a",
        "ExpressionAttributeNames": {"#a": "ä"},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    puts = [{"Put": {**members, "Item": each, "ExpressionAttributeValues": {":a": {"B": b"\xff"}}}} for each in items]
    updates = [{"Update": {**members, "Key": each, "UpdateExpression": "SET #a = :a"}} for each in items]
    ours, sdk = _both("TransactWriteItems", {"TransactItems": [*puts, *updates], "ClientRequestToken": "one"})
    assert ours == sdk


def test_half_a_character_is_what_the_sdk_would_send() -> None:
    ours, sdk = _both("BatchWriteItem", {"RequestItems": {"t": [{"PutRequest": {"Item": {"a": {"S": "\ud800"}}}}]}})
    assert ours == sdk


def test_other_operations_are_checked_by_the_sdk() -> None:
    serializer = DirectSerializer(create_serializer("json", include_validation=True))
    with pytest.raises(ParamValidationError):
        serializer.serialize_to_request({"TableName": "t", "Key": {"a": {"S": 1}}}, _model().operation_model("GetItem"))


@pytest.mark.parametrize("value", [{1, 2}, object()])
def test_what_json_cannot_express_is_an_error_of_the_sdk(value: object) -> None:
    serializer = DirectSerializer(create_serializer("json", include_validation=True))
    batch = {"RequestItems": {"t": [{"PutRequest": {"Item": {"a": {"S": value}}}}]}}
    with pytest.raises(ParamValidationError):
        serializer.serialize_to_request(batch, _model().operation_model("BatchWriteItem"))
