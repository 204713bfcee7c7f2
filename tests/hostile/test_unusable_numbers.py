"""Numbers that DynamoDB cannot store, and bodies nested too deep: refused by every operation before it calls AWS."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final

import pytest

from service.accounts.staging import staging_record
from service.errors import RefusalError
from service.handlers import data_management, query
from service.handlers.data_management import lambda_handler
from service.models import utc_now
from tests.hostile.mutants import OPERATIONS, ROUTES

IN_JSON: Final = ["1e-200", "1e-131", "1e126", "1e300", "1e400", "-1e400", "NaN", "Infinity", "1" * 5000]
VALUES: Final = [1e-200, -1e200, float("nan"), float("inf"), 10**39, -(10**400), Decimal("1e-400"), Decimal("NaN")]
DEEP: Final = json.loads("[" * 40 + "]" * 40)
WITH_BODY: Final = [(method, path, body) for method, path, body in ROUTES if body is not None]


def _refuse(*_: object) -> Any:
    raise AssertionError("the app was opened")


@pytest.fixture(autouse=True)
def without_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (data_management, query):
        monkeypatch.setattr(module._router, "_run", _refuse)


@pytest.mark.parametrize("number", IN_JSON)
@pytest.mark.parametrize(("method", "path", "body"), WITH_BODY)
def test_a_body_with_such_a_number_is_a_bad_request(method: str, path: str, body: Any, number: str) -> None:
    handler = query.lambda_handler if path == "/staging-accounts/validate" else lambda_handler
    for members in ({**body, "more": 0}, {"stagingAccount": {**body, "more": {"inner": [0]}}}):
        text = json.dumps(members).replace("0]", f"{number}]").replace('"more": 0', f'"more": {number}')
        event = {"httpMethod": method, "path": path, "requestContext": {}, "body": text}
        response = handler(event, None)
        assert response["statusCode"] == 400, response
        assert json.loads(response["body"])["error"] in {"INVALID_PARAMETER", "VALIDATION_ERROR"}


@pytest.mark.parametrize("value", [*VALUES, DEEP, {"a": DEEP}], ids=lambda value: str(value)[:20])
@pytest.mark.parametrize(("operation", "members"), OPERATIONS)
def test_an_event_with_such_a_value_is_refused(operation: str, members: Any, value: Any) -> None:
    is_sync = operation in data_management._router._operations
    module, key = (data_management, "body") if is_sync else (query, "queryParams")
    answer = module.lambda_handler({"operation": operation, key: {**members, "more": {"inner": [value]}}}, None)
    assert "error" in answer, answer
    assert "INVALID_PARAMETER" in str(answer) or "out of range" in str(answer) or "nested" in str(answer)


@pytest.mark.parametrize(
    "more", [{"note": "x" * 2000}, {"": 1}, {"note": "\ud800"}], ids=["too long", "without a name", "no text"]
)
def test_a_staging_account_that_cannot_be_stored_is_refused(more: Any) -> None:
    given = {"accountId": "444455556666", "accountName": "x", "externalId": "an-id", **more}
    with pytest.raises(RefusalError, match="cannot be stored") as refusal:
        staging_record(given, partition="aws", now=utc_now(), added_by="user")
    assert (refusal.value.code, refusal.value.status) == ("VALIDATION_ERROR", 400)
