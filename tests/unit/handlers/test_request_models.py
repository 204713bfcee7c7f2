"""Request models: the constraint that the OpenAPI page shows is the one that the check applies."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from service.errors import RefusalError
from service.handlers.request_models import (
    AddStagingRequest,
    NewStagingAccount,
    RemoveStagingRequest,
    SyncBody,
    TagSyncSettingsBody,
    TargetSyncRequest,
)
from service.queries.request_models import InventoryRequest, ServersRequest, StagingValidationRequest, TargetRequest
from service.settings import Settings

SETTINGS: Final = Settings()
TARGET: Final = "111122223333"
RECORD: Final[dict[str, Any]] = {"accountId": "444455556666", "accountName": "x", "externalId": "ext"}


@pytest.mark.parametrize("model", [InventoryRequest, ServersRequest, StagingValidationRequest, TargetRequest])
def test_the_names_of_the_members_are_those_of_the_schema(model: Any) -> None:
    assert model.member_names() == model.model_json_schema()["properties"].keys()


account_ids = st.from_regex(r"[0-9]{11,13}", fullmatch=True) | st.text(max_size=13)


@pytest.mark.parametrize(
    ("model", "member", "others"),
    [
        (TargetSyncRequest, "targetAccountId", {}),
        (RemoveStagingRequest, "stagingAccountId", {"targetAccountId": TARGET}),
        (TargetRequest, "targetAccountId", {}),
        (ServersRequest, "accountId", {"region": "us-west-2"}),
        (StagingValidationRequest, "accountId", {"region": "us-west-2", "externalId": "ext"}),
        (InventoryRequest, "sourceAccountId", {}),
    ],
)
@given(value=account_ids)
def test_an_account_id_is_accepted_exactly_if_it_matches_the_pattern_of_the_schema(
    model: Any, member: str, others: dict[str, str], value: str
) -> None:
    pattern = model.model_json_schema()["properties"][member]["pattern"]
    required = member in model.model_json_schema().get("required", ())
    accepted = re.search(pattern, value.strip()) is not None and "\n" not in value.strip()
    if issubclass(model, TargetSyncRequest | RemoveStagingRequest):
        accepted = accepted and value == value.strip()
    elif not required and not value.strip():
        accepted = True  # an empty parameter is one that is not sent
    try:
        model.parse({**others, member: value})
    except RefusalError:
        assert not accepted
    else:
        assert accepted


@given(
    external_id=st.text(max_size=4) | st.from_regex(r"[\w+=,.@:/-]{1,3}", fullmatch=True),
    name=st.text(max_size=3) | st.integers(255, 258).map(lambda length: "x" * length),
)
def test_a_staging_account_is_accepted_exactly_if_its_schema_accepts_it(external_id: str, name: str) -> None:
    members = NewStagingAccount.model_json_schema()["properties"]
    accepted = (
        re.fullmatch(members["externalId"]["pattern"].strip("^$"), external_id) is not None
        and members["accountName"]["minLength"] <= len(name.strip())
        and len(name) <= members["accountName"]["maxLength"]
    )
    record = {**RECORD, "externalId": external_id, "accountName": name}
    try:
        AddStagingRequest.parse({"targetAccountId": TARGET, "stagingAccount": record})
    except RefusalError:
        assert not accepted
    else:
        assert accepted


@pytest.mark.parametrize(
    ("given_members", "has_body", "code"),
    [
        ({}, True, "MISSING_FIELD"),
        ({"targetAccountId": "12"}, True, "INVALID_FORMAT"),
        ({"targetAccountId": TARGET}, False, "MISSING_BODY"),
        ({"targetAccountId": TARGET}, True, "MISSING_FIELD"),
        ({"targetAccountId": TARGET, "stagingAccount": None}, True, "MISSING_FIELD"),
        ({"targetAccountId": TARGET, "stagingAccount": [RECORD]}, True, "VALIDATION_ERROR"),
        ({"targetAccountId": TARGET, "stagingAccount": {**RECORD, "roleArn": "x"}}, True, "VALIDATION_ERROR"),
        ({"targetAccountId": TARGET, "stagingAccount": {**RECORD, "accountName": "\ud800"}}, True, "VALIDATION_ERROR"),
    ],
)
def test_the_first_error_of_a_new_staging_account_has_the_code_that_callers_expect(
    given_members: dict[str, Any], *, has_body: bool, code: str
) -> None:
    with pytest.raises(RefusalError) as error:
        AddStagingRequest.parse(given_members, has_body=has_body)
    assert error.value.code == code


def test_unknown_members_of_a_staging_account_are_kept() -> None:
    request = AddStagingRequest.parse({"targetAccountId": TARGET, "stagingAccount": {**RECORD, "note": {"a": [1]}}})
    assert request.staging_account.model_dump(by_alias=True)["note"] == {"a": [1]}


@given(hours=st.integers(-2, 30))
def test_an_interval_is_accepted_exactly_if_it_is_within_the_limits_of_the_schema(hours: int) -> None:
    limits = TagSyncSettingsBody.model_json_schema()["properties"]["intervalHours"]
    try:
        TagSyncSettingsBody.parse({"enabled": True, "intervalHours": hours})
    except RefusalError:
        assert not limits["minimum"] <= hours <= limits["maximum"]
    else:
        assert limits["minimum"] <= hours <= limits["maximum"]


@pytest.mark.parametrize("limit", [0, 1, 1000, 1001, "1", "1000", "1001"])
def test_a_page_limit_is_accepted_exactly_if_it_is_within_the_limits_of_the_schema(limit: int | str) -> None:
    limits = InventoryRequest.model_json_schema()["properties"]["limit"]
    try:
        request = InventoryRequest.parse({"limit": limit}, SETTINGS)
    except RefusalError:
        assert not limits["minimum"] <= int(limit) <= limits["maximum"]
    else:
        assert request.params.limit == int(limit)


def test_a_sync_body_reports_every_member_that_is_wrong() -> None:
    with pytest.raises(ValidationError) as error:
        SyncBody.parse({"accountIds": ["12"], "regions": 5, "unknown": 1})
    assert {each["loc"][0] for each in error.value.errors()} == {"accountIds", "regions"}
