"""Lambda Invoke: recorded invocations and error responses."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

import pytest
from botocore.exceptions import ClientError

from service.sandbox.faults import Faults
from service.sandbox.fleet import FleetError, parse_model
from service.sandbox.fleet_models import Fleet
from service.sandbox.lambda_functions import Invocation
from service.sandbox.server import Sandbox

HUB, TARGET = "999900001111", "111122223333"
WORKER, READER = (f"drs-orchestration-{base}-sandbox" for base in ("data-management-handler", "query-handler"))
ARN = f"arn:aws:lambda:us-east-1:{HUB}:function:{WORKER}"
MIB = 1024**2
Client = Callable[..., Any]


def _error_of(call: Callable[..., Any], **arguments: Any) -> tuple[str, int, dict[str, Any]]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response: dict[str, Any] = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response


def _invocation(number: int, payload: Any, *, function: str = WORKER, kind: str = "Event") -> Invocation:
    return Invocation(number, function, HUB, "us-east-1", kind, payload)


def test_events_are_recorded_in_order(sandbox: Sandbox, client: Client) -> None:
    functions = client("lambda")
    for number in (1, 2):
        answer = functions.invoke(FunctionName=WORKER, InvocationType="Event", Payload=json.dumps({"n": number}))
        assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    functions.invoke(FunctionName=READER, InvocationType="Event")
    assert sandbox.invocations() == [
        _invocation(1, {"n": 1}),
        _invocation(2, {"n": 2}),
        _invocation(3, {}, function=READER),
    ]
    sandbox.clear_invocations()
    assert sandbox.invocations() == []
    functions.invoke(FunctionName=WORKER, InvocationType="Event", Payload=b"[1, null]")
    assert sandbox.invocations() == [_invocation(4, [1, None])]


@pytest.mark.parametrize("name", [WORKER, ARN, f"{HUB}:function:{WORKER}", f"{WORKER}:$LATEST", f"{ARN}:live"])
def test_a_function_has_many_names(sandbox: Sandbox, client: Client, name: str) -> None:
    client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")
    assert sandbox.invocations() == [_invocation(1, {})]


def test_a_synchronous_call_returns_null(sandbox: Sandbox, client: Client) -> None:
    for kind in ({}, {"InvocationType": "RequestResponse"}):
        answer = client("lambda").invoke(FunctionName=WORKER, Payload=b"{}", **kind)
        assert (answer["StatusCode"], json.load(answer["Payload"])) == (200, None)
        assert answer["ExecutedVersion"] == "$LATEST"
        assert "FunctionError" not in answer
    assert sandbox.invocations() == [_invocation(number, {}, kind="RequestResponse") for number in (1, 2)]


def test_a_dry_run_is_not_recorded(sandbox: Sandbox, client: Client) -> None:
    assert client("lambda").invoke(FunctionName=WORKER, InvocationType="DryRun")["StatusCode"] == 204
    assert sandbox.invocations() == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nobody", f"Function not found: arn:aws:lambda:us-east-1:{HUB}:function:nobody"),
        (f"arn:aws:lambda:us-west-2:{HUB}:function:{WORKER}", "Functions from 'us-west-2' are not reachable"),
    ],
)
def test_an_unknown_function_is_not_found(sandbox: Sandbox, client: Client, name: str, message: str) -> None:
    code, status, response = _error_of(client("lambda").invoke, FunctionName=name, InvocationType="Event")
    assert (code, status) == ("ResourceNotFoundException", 404)
    assert response["Error"]["Message"].startswith(message)
    assert (response["Type"], response["Message"]) == ("User", response["Error"]["Message"])
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-amzn-errortype"] == "ResourceNotFoundException"
    assert sandbox.invocations() == []


def test_functions_exist_only_in_the_hub_and_its_region(sandbox: Sandbox, client: Client) -> None:
    assert _error_of(client("lambda", region="us-west-2").invoke, FunctionName=WORKER)[:2] == (
        "ResourceNotFoundException",
        404,
    )
    elsewhere = client("lambda", account_id=TARGET)
    assert _error_of(elsewhere.invoke, FunctionName=WORKER)[:2] == ("ResourceNotFoundException", 404)
    code, status, response = _error_of(elsewhere.invoke, FunctionName=ARN)
    assert (code, status) == ("AccessDeniedException", 403)
    assert f"is not authorized to perform: lambda:InvokeFunction on resource: {ARN}" in response["Error"]["Message"]
    assert sandbox.invocations() == []


def test_calls_about_policies_are_no_invocations(sandbox: Sandbox, client: Client) -> None:
    functions = client("lambda")
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.get_policy(FunctionName="none")
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.remove_permission(FunctionName="none", StatementId="x")
    assert [call.operation for call in sandbox.calls()] == ["GetPolicy", "RemovePermission"]
    assert sandbox.invocations() == []


def test_an_event_payload_is_limited_to_one_megabyte(sandbox: Sandbox, client: Client) -> None:
    invoke = client("lambda").invoke
    largest = json.dumps("x" * (MIB - 2)).encode()
    invoke(FunctionName=WORKER, InvocationType="Event", Payload=largest)
    code, status, response = _error_of(invoke, FunctionName=WORKER, InvocationType="Event", Payload=largest + b" ")
    assert (code, status) == ("RequestTooLargeException", 413)
    assert f"{MIB + 1} byte payload is too large for the Event" in response["Error"]["Message"]
    invoke(FunctionName=WORKER, Payload=largest + b" ")  # a synchronous invocation may have six megabytes
    assert [entry.invocation_type for entry in sandbox.invocations()] == ["Event", "RequestResponse"]


@pytest.mark.parametrize("payload", [b"{", b"NaN", b"\xff\xfe{", b"{} {}"])
def test_a_payload_that_is_not_json_is_rejected(sandbox: Sandbox, client: Client, payload: bytes) -> None:
    code, status, response = _error_of(
        client("lambda").invoke, FunctionName=WORKER, InvocationType="Event", Payload=payload
    )
    assert (code, status) == ("InvalidRequestContentException", 400)
    assert response["Error"]["Message"].startswith("Could not parse request body into json")
    assert sandbox.invocations() == []


def test_invalid_invocations_are_rejected(client: Client) -> None:
    functions = client("lambda")
    assert _error_of(functions.invoke, FunctionName=WORKER, InvocationType="Later")[:2] == (
        "InvalidParameterValueException",
        400,
    )
    assert _error_of(functions.invoke, FunctionName="a b")[:2] == ("InvalidParameterValueException", 400)
    assert _error_of(functions.list_functions)[:2] == ("NotImplementedException", 501)


def test_faults_apply(sandbox: Sandbox, client: Client, clock: Any) -> None:
    invoke = client("lambda").invoke
    throttled = {"error": "TooManyRequestsException", "status": 429, "message": "Rate Exceeded."}
    fault = {"service": "lambda", "operation": "Invoke", **throttled}
    sandbox.replace_faults(Faults.model_validate({"latency_ms": {"lambda": 40}, "fail": [fault]}))
    assert _error_of(invoke, FunctionName=WORKER, InvocationType="Event")[:2] == ("TooManyRequestsException", 429)
    invoke(FunctionName=WORKER, InvocationType="Event")
    assert clock.slept == [0.04, 0.04]
    denied = {"account_id": HUB, "service": "lambda", "operations": ["Invoke"]}
    sandbox.replace_faults(Faults.model_validate({"deny": [denied]}))
    code, status, response = _error_of(invoke, FunctionName=WORKER, InvocationType="Event")
    assert (code, status) == ("AccessDeniedException", 403)
    assert "lambda:InvokeFunction" in response["Error"]["Message"]
    assert len(sandbox.invocations()) == 1
    assert [(call.account, call.service, call.operation, call.count) for call in sandbox.calls()] == [
        (HUB, "lambda", "Invoke", 3)
    ]


def test_the_control_endpoints(sandbox: Sandbox, client: Client) -> None:
    client("lambda").invoke(FunctionName=WORKER, InvocationType="Event", Payload=b'{"operation": "sync"}')
    connection = HTTPConnection("127.0.0.1", sandbox.port, timeout=300)
    answers = []
    for method in ("GET", "DELETE", "GET"):
        connection.request(method, "/sandbox/invocations")
        answers.append(json.loads(connection.getresponse().read()))
    connection.close()
    empty = {"total": 0, "invocations": []}
    entry = {
        "number": 1,
        "function": WORKER,
        "account": HUB,
        "region": "us-east-1",
        "invocation_type": "Event",
        "payload": {"operation": "sync"},
    }
    assert answers == [{"total": 1, "invocations": [entry]}, empty, empty]


def test_the_fleet_declares_the_functions(members: dict[str, Any]) -> None:
    declared = parse_model(
        Fleet, {**members, "hub": {"account_id": HUB, "functions": ["other"]}, "tables": {"prefix": "dr"}}, "fleet"
    )
    assert declared.functions == ("other",)
    assert parse_model(Fleet, {**members, "tables": {"prefix": "dr", "environment": "prod"}}, "fleet").functions == (
        "dr-data-management-handler-prod",
        "dr-query-handler-prod",
    )
    with pytest.raises(FleetError, match=r"hub\.functions\[0\]"):
        parse_model(Fleet, {**members, "hub": {"account_id": HUB, "functions": ["a b"]}}, "fleet")


@pytest.mark.parametrize("functions", [None, []])
def test_the_environment_names_the_function(members: dict[str, Any], functions: list[str] | None) -> None:
    hub = {"account_id": HUB, "functions": functions}
    with Sandbox(parse_model(Fleet, {"hub": hub}, "fleet")) as running:
        environment = running.environment()
    assert (environment["PROJECT_NAME"], environment["ENVIRONMENT"]) == ("drs-orchestration", "sandbox")
    assert environment["DATA_MANAGEMENT_FUNCTION_NAME"] == WORKER
