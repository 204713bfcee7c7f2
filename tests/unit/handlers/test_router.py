"""Router: direct invocations and API events get the responses that callers of the platform expect."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from service.errors import AwsError, ConfigurationError, DeadlineExceededError, RefusalError
from service.handlers.router import Operation, Params, Response, Route, Router
from service.models import Call

DENIED: Final = AwsError("AccessDenied", "no", Call("drs", "X", "111122223333", "us-east-1"))


class Body(BaseModel):
    """A body with one member."""

    count: int


Work = Callable[[None, Params], Awaitable[Response]]


async def echo(_: None, params: Params) -> Response:
    return Response(params.values)


def run(work: Callable[[None], Awaitable[Response]]) -> Response:
    return asyncio.run(work(None))  # type: ignore[arg-type]


def router(work: Work = echo, failure_code: str = "OPERATION_FAILED", **more: Any) -> Router[None]:
    return Router(
        run,
        {"echo": Operation(work, **more), "other": Operation(echo, aliases=("another",))},
        (
            Route("POST", "/things/{id}/parts", "echo", {"id": "thingId"}),
            Route("GET", "/things/{id}/parts", "other"),
            Route("DELETE", "/things/{id}/parts/{partId}", "echo", {"id": "thingId"}),
        ),
        malformed_code="INVALID_EVENT_FORMAT",
        failure_code=failure_code,
        params_key="body",
    )


def invoke(event: Mapping[str, Any], work: Work = echo, failure_code: str = "OPERATION_FAILED") -> dict[str, Any]:
    return router(work, failure_code).direct(event)


def raising(error: BaseException) -> Work:
    async def operation(_: None, __: Params) -> Response:
        raise error

    return operation


@pytest.mark.parametrize(
    "event", [{"operation": "echo"}, {"operation": "echo", "body": None}, {"operation": "echo", "body": {}}]
)
def test_an_operation_without_body_gets_an_empty_one(event: dict[str, Any]) -> None:
    assert invoke(event) == {}


def test_an_operation_gets_the_body_and_returns_the_response() -> None:
    assert invoke({"operation": "echo", "body": {"a": 1}, "other": 2}) == {"a": 1}


@pytest.mark.parametrize("name", ["", None, 5, ["echo"], {}])
def test_an_operation_that_is_no_text(name: object) -> None:
    assert invoke({"operation": name})["error"] == "INVALID_EVENT_FORMAT"


def test_an_unknown_operation_is_refused_and_the_known_ones_named() -> None:
    response = invoke({"operation": "nope"})
    assert (response["error"], response["details"]) == ("INVALID_OPERATION", {"operation": "nope"})
    assert "echo, other" in response["message"]
    assert invoke({"operation": "another", "body": {"a": 1}}) == {"a": 1}


@pytest.mark.parametrize("body", ["{}", [], 5, True])
def test_a_body_that_is_no_object(body: object) -> None:
    response = invoke({"operation": "echo", "body": body})
    assert (response["error"], response["details"]["parameter"]) == ("INVALID_PARAMETER", "body")


def test_a_body_that_does_not_fit_names_the_parameter() -> None:
    async def counted(_: None, params: Params) -> Response:
        return Response(Body.model_validate(params.values).model_dump())

    response = invoke({"operation": "echo", "body": {"count": "many"}}, counted)
    assert response["error"] == "INVALID_PARAMETER"
    assert response["details"]["problems"][0]["parameter"] == "count"


def test_an_expected_problem_is_reported_with_what_to_do() -> None:
    assert invoke({"operation": "echo"}, raising(ConfigurationError("set X"))) == {
        "error": "CONFIGURATION_ERROR",
        "message": "set X",
    }
    response = invoke({"operation": "echo"}, raising(DENIED))
    assert (response["error"], response["retryable"], response["details"]["code"]) == (
        "DRS_ERROR",
        True,
        "AccessDenied",
    )


@pytest.mark.parametrize(
    "bug", [KeyError("secret"), ExceptionGroup("g", [ValueError("secret")]), RuntimeError("secret")]
)
def test_a_bug_is_logged_with_its_trace_and_reported_without(bug: Exception, caplog: pytest.LogCaptureFixture) -> None:
    response = invoke({"operation": "echo"}, raising(bug))
    assert (response["error"], response["operation"]) == ("OPERATION_FAILED", "echo")
    assert "secret" not in orjson.dumps(response).decode()
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None


def test_the_query_function_shows_the_operation_among_the_details() -> None:
    response = invoke({"operation": "echo"}, raising(KeyError("x")), "INTERNAL_ERROR")
    assert (response["error"], response["retryable"]) == ("INTERNAL_ERROR", True)
    assert response["details"]["operation"] == "echo"


@pytest.mark.parametrize("end", [KeyboardInterrupt(), SystemExit(1)])
def test_an_exit_of_the_process_is_not_turned_into_a_response(end: BaseException) -> None:
    with pytest.raises(type(end)):
        invoke({"operation": "echo"}, raising(end))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(name=json_values, body=json_values)
def test_every_event_gets_a_response_that_can_be_sent(name: Any, body: Any) -> None:
    response = invoke({"operation": name, "body": body})
    orjson.dumps(response)
    assert isinstance(response["error"], str)


def call(method: str, path: str, body: object = None, work: Work = echo, **more: Any) -> tuple[int, dict[str, Any]]:
    event = {"requestContext": {}, "httpMethod": method, "path": path, "body": body, **more}
    response = router(work).api(event)
    return response["statusCode"], orjson.loads(response["body"])


def test_a_route_gathers_path_query_and_body() -> None:
    assert call("POST", "/things/a%20b/parts", '{"n": 1}', queryStringParameters={"q": "2"}) == (
        200,
        {"q": "2", "n": 1, "thingId": "a b"},
    )
    assert call("POST", "/things/7/parts", {"n": 1}) == (200, {"n": 1, "thingId": "7"})  # parsed by who invokes it
    assert call("DELETE", "/things/7/parts/8") == (200, {"thingId": "7", "partId": "8"})
    assert call("GET", "/things/7/parts", queryStringParameters=None) == (200, {"id": "7"})


def test_a_member_of_the_path_cannot_be_overruled() -> None:
    assert call("POST", "/things/7/parts", '{"thingId": "8"}') == (200, {"thingId": "7"})


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nope"), ("PUT", "/things/7/parts"), ("POST", "/things/7/parts/"), ("POST", "/things//parts"), ("", "")],
)
def test_an_unknown_path_or_method_is_404(method: str, path: str) -> None:
    status, body = call(method, path)
    assert (status, body["error"], body["details"]) == (404, "NOT_FOUND", {"path": path, "method": method})


@pytest.mark.parametrize(
    "body",
    ["{", "null", "[]", "5", '"text"', '{"a": NaN}', "[" * 5000, '{"a": "' + "x" * 1_000_001 + '"}', 5, b"{}", True],
)
def test_a_body_that_cannot_be_used_is_400_and_nothing_is_done(body: object) -> None:
    status, response = call("POST", "/things/7/parts", body, raising(AssertionError("was called")))
    assert (status, response["error"], response["details"]["parameter"]) == (400, "INVALID_PARAMETER", "body")
    assert len(response["details"]["value"]) <= 100


def test_a_refusal_has_its_status_code_and_details() -> None:
    refusal = RefusalError("STAGING_ACCOUNT_EXISTS", "there", status=409, details={"a": 1})
    assert call("DELETE", "/things/7/parts/8", work=raising(refusal)) == (
        409,
        {"error": "STAGING_ACCOUNT_EXISTS", "message": "there", "details": {"a": 1}},
    )


@pytest.mark.parametrize(
    "error", [RefusalError("X", "there"), DENIED, ConfigurationError("set X"), RuntimeError("bug")]
)
def test_an_error_is_a_text_for_operations_whose_callers_show_it(error: Exception) -> None:
    response = router(raising(error), message_only_errors=True).direct({"operation": "echo"})
    assert response == {"error": "echo failed; see the log" if isinstance(error, RuntimeError) else str(error)}


def test_what_the_ui_searches_stands_beside_the_message() -> None:
    refusal = RefusalError("DRS_NOT_INITIALIZED", "m", details={"region": "us-west-2", "initialized": False})
    response = invoke({"operation": "echo"}, raising(refusal))
    assert response == {"error": "DRS_NOT_INITIALIZED", "message": "m", "region": "us-west-2", "initialized": False}


def test_input_is_validated_before_the_app_is_opened() -> None:
    class Refused(BaseModel):
        @classmethod
        def member_names(cls) -> frozenset[str]:
            return frozenset()

        @classmethod
        def parse(cls, given: Mapping[str, Any], *, has_body: bool = True) -> None:  # noqa: ARG003
            raise RefusalError("INVALID_PARAMETER", "no")

    def never(_: object) -> Response:
        raise AssertionError("the app was opened")

    router_under_test = Router[None](
        never, {"x": Operation(echo, Refused)}, (), malformed_code="A", failure_code="B", params_key="queryParams"
    )
    assert router_under_test.direct({"operation": "x"})["error"] == "INVALID_PARAMETER"


def test_members_beside_the_operation_are_parameters_where_the_event_may_nest_them() -> None:
    router_under_test = Router[None](
        run, {"x": Operation(echo)}, (), malformed_code="A", failure_code="B", params_key="queryParams"
    )
    assert router_under_test.direct({"operation": "x", "targetAccountId": "1"}) == {"targetAccountId": "1"}
    assert router_under_test.direct({"operation": "x", "queryParams": {"targetAccountId": "2"}}) == {
        "targetAccountId": "2"
    }
    assert router_under_test.direct({"operation": "x", "queryParams": []})["error"] == "INVALID_PARAMETER"


def test_half_a_surrogate_pair_leaves_no_response_that_cannot_be_sent() -> None:
    for response in (
        invoke({"operation": "\ud800"}),
        invoke({"operation": "echo", "body": {"\ud800": ["\udfff", 2**70]}}),
        invoke({"operation": "echo"}, raising(RefusalError("SERVER_NOT_FOUND", "no \ud800", details={"v": "\ud800"}))),
    ):
        json.dumps(response, ensure_ascii=False).encode()  # as Lambda's runtime does


def test_a_response_is_sent_even_with_what_json_has_no_type_for() -> None:
    async def odd(_: None, __: Params) -> Response:
        return Response({"binary": b"\x00\xff", "number": Decimal("1.50"), "text": "\ud800"})

    assert invoke({"operation": "echo"}, odd) == {"binary": "AP8=", "number": "1.50", "text": "?"}


@pytest.mark.parametrize("event", [None, [], "echo", 5, {}, {"operation_": "echo"}])
def test_another_event_gets_no_answer(event: object) -> None:
    assert router().answer(event) is None


def test_an_error_that_lists_too_much_says_so() -> None:
    refusal = RefusalError("AMBIGUOUS_ID", "several", status=409, details={"candidates": ["x" * 1000] * 10_000})
    assert invoke({"operation": "echo"}, raising(refusal))["error"] == "RESPONSE_TOO_LARGE"
    assert call("DELETE", "/things/7/parts/8", work=raising(refusal))[0] == 413


def test_a_body_with_a_thousand_errors_gets_a_short_response() -> None:
    class Strict(BaseModel):
        model_config = ConfigDict(extra="forbid")

    async def strict(_: None, params: Params) -> Response:
        return Response(Strict.model_validate(params.values).model_dump())

    response = invoke({"operation": "echo", "body": {f"{number}{'x' * 10_000}": 1 for number in range(1000)}}, strict)
    assert response["error"] == "INVALID_PARAMETER"
    assert len(orjson.dumps(response)) < 10_000


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("set X"), "CONFIGURATION_ERROR"),
        (DENIED, "DRS_ERROR"),
        (DeadlineExceededError("too late"), "OPERATION_FAILED"),
        (RefusalError("INTERNAL_ERROR", "no account could be synced", status=500), "INTERNAL_ERROR"),
    ],
)
def test_problems_are_logged_because_a_schedule_reads_no_response(
    error: Exception, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody sees the response to a schedule."""
    assert invoke({"operation": "echo"}, raising(error))["error"] == code
    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)
    assert str(error) in record.getMessage()
    assert {"operation": "echo", "code": code}.items() <= vars(record).items()


def test_a_wrong_request_is_no_problem_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "service"):
        invoke({"operation": "echo"}, raising(RefusalError("MISSING_FIELD", "x is required")))
    assert [record.levelno for record in caplog.records] == [logging.INFO]


@pytest.mark.parametrize("failure_code", ["OPERATION_FAILED", "INTERNAL_ERROR"])
@pytest.mark.parametrize("bug", [KeyError("x"), DeadlineExceededError("too late")])
def test_behind_the_gateway_both_functions_fail_with_the_same_code(failure_code: str, bug: Exception) -> None:
    router_under_test = router(raising(bug), failure_code)
    response = router_under_test.api({"requestContext": {}, "httpMethod": "POST", "path": "/things/7/parts"})
    body = orjson.loads(response["body"])
    assert (response["statusCode"], body["error"], body["retryable"]) == (500, "INTERNAL_ERROR", True)
