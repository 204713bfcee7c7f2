"""Direct invocations: every caller gets an answer, in the words it always got."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from service.errors import AwsError, ConfigurationError
from service.handlers.dispatch import Operation, answer_operation
from service.models import Call

DENIED: Final = AwsError("AccessDenied", "no", Call("drs", "X", "111122223333", "us-east-1"))


class Body(BaseModel):
    """A body with one member."""

    count: int


@pytest.fixture(autouse=True)
def _log_reaches_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("service"), "propagate", True)


def answer(
    event: Mapping[str, Any], operation: Operation = dict, failed_code: str = "OPERATION_FAILED"
) -> dict[str, Any]:
    operations = {"echo": operation, "other": dict}
    return answer_operation(event, operations, malformed_code="INVALID_EVENT_FORMAT", failed_code=failed_code)


def raising(error: BaseException) -> Operation:
    def operation(_: Mapping[str, Any]) -> dict[str, Any]:
        raise error

    return operation


@pytest.mark.parametrize(
    "event", [{"operation": "echo"}, {"operation": "echo", "body": None}, {"operation": "echo", "body": {}}]
)
def test_an_operation_without_body_gets_an_empty_one(event: dict[str, Any]) -> None:
    assert answer(event) == {}


def test_an_operation_gets_the_body_and_gives_the_answer() -> None:
    assert answer({"operation": "echo", "body": {"a": 1}, "other": 2}) == {"a": 1}


@pytest.mark.parametrize("name", ["", None, 5, ["echo"], {}])
def test_an_operation_that_is_no_text(name: object) -> None:
    assert answer({"operation": name})["error"] == "INVALID_EVENT_FORMAT"


def test_an_unknown_operation_is_refused_and_the_known_ones_named() -> None:
    told = answer({"operation": "nope"})
    assert (told["error"], told["details"]) == ("INVALID_OPERATION", {"operation": "nope"})
    assert "echo, other" in told["message"]
    assert answer_operation({"operation": "x"}, {}, malformed_code="A", failed_code="B")["error"] == "INVALID_OPERATION"


@pytest.mark.parametrize("body", ["{}", [], 5, True])
def test_a_body_that_is_no_object(body: object) -> None:
    told = answer({"operation": "echo", "body": body})
    assert (told["error"], told["details"]["parameter"]) == ("INVALID_PARAMETER", "body")


def test_a_body_that_does_not_fit_names_the_parameter() -> None:
    told = answer({"operation": "echo", "body": {"count": "many"}}, lambda body: Body(**body).model_dump())
    assert told["error"] == "INVALID_PARAMETER"
    assert told["details"]["problems"][0]["parameter"] == "count"


def test_expected_trouble_is_told_with_what_to_do() -> None:
    assert answer({"operation": "echo"}, raising(ConfigurationError("set X"))) == {
        "error": "CONFIGURATION_ERROR",
        "message": "set X",
    }
    told = answer({"operation": "echo"}, raising(DENIED))
    assert (told["error"], told["retryable"], told["details"]["code"]) == ("DRS_ERROR", True, "AccessDenied")


@pytest.mark.parametrize(
    "bug", [KeyError("secret"), ExceptionGroup("g", [ValueError("secret")]), RuntimeError("secret")]
)
def test_a_bug_is_logged_with_its_trace_and_answered_without(bug: Exception, caplog: pytest.LogCaptureFixture) -> None:
    told = answer({"operation": "echo"}, raising(bug))
    assert (told["error"], told["operation"]) == ("OPERATION_FAILED", "echo")
    assert "secret" not in orjson.dumps(told).decode()
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None


def test_the_query_function_tells_the_operation_among_the_details() -> None:
    told = answer({"operation": "echo"}, raising(KeyError("x")), "INTERNAL_ERROR")
    assert (told["error"], told["retryable"]) == ("INTERNAL_ERROR", True)
    assert told["details"]["operation"] == "echo"


@pytest.mark.parametrize("end", [KeyboardInterrupt(), SystemExit(1)])
def test_the_end_of_the_process_is_no_answer(end: BaseException) -> None:
    with pytest.raises(type(end)):
        answer({"operation": "echo"}, raising(end))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(name=json_values, body=json_values)
def test_whatever_comes_gets_an_answer_that_can_be_sent(name: Any, body: Any) -> None:
    told = answer({"operation": name, "body": body})
    orjson.dumps(told)
    assert isinstance(told["error"], str)
