"""Structure of responses, as callers of the platform expect it."""

from __future__ import annotations

import json

import pytest

from service.errors import AwsError
from service.handlers.responses import aws_error_body, envelope, error_body, not_found
from service.models import Call


def test_the_envelope_of_the_api() -> None:
    response = envelope(202, {"a": ["ü", None]})
    assert json.loads(response.pop("body")) == {"a": ["ü", None]}
    assert response == {
        "statusCode": 202,
        "headers": {
            "Content-Type": "application/json",
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Headers": "Content-Type,Authorization",
            "Access-Control-Allow-Methods": "GET,POST,PUT,DELETE,OPTIONS",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
        },
    }


def test_half_a_surrogate_pair_in_a_path_is_answered_all_the_same() -> None:
    body = json.loads(not_found({"httpMethod": "GET", "path": "/\ud800"})["body"])
    assert body["details"]["path"] == "/\ud800"


@pytest.mark.parametrize(
    ("code", "retryable"),
    [
        ("DYNAMODB_ERROR", True),
        ("DRS_ERROR", True),
        ("STEP_FUNCTIONS_ERROR", True),
        ("STS_ERROR", True),
        ("INTERNAL_ERROR", True),
        ("NOT_FOUND", False),
        ("INVALID_PARAMETER", False),
        ("OPERATION_FAILED", False),
    ],
)
def test_which_errors_callers_may_repeat(code: str, *, retryable: bool) -> None:
    expected = {"error": code, "message": "m", "details": {"a": 1}}
    assert error_body(code, "m", details={"a": 1}) == ({**expected, "retryable": True} if retryable else expected)


@pytest.mark.parametrize(
    ("service", "code"),
    [("dynamodb", "DYNAMODB_ERROR"), ("drs", "DRS_ERROR"), ("sts", "STS_ERROR"), ("ec2", "INTERNAL_ERROR")],
)
def test_a_call_that_failed_for_good_names_the_service(service: str, code: str) -> None:
    response = aws_error_body(AwsError("AccessDenied", "no", Call(service, "Op", "111122223333", "us-east-1")))
    assert (response["error"], response["details"]["code"], response["details"]["operation"]) == (
        code,
        "AccessDenied",
        "Op",
    )
    assert (response["details"]["errorClass"], bool(response["details"]["cause"])) == ("Denied", True)
    assert f"allow {service}:Op" in response["details"]["advice"]
    unknown = aws_error_body(AwsError("New", "no", Call(service, "Op", "1", "r")))["details"]
    assert (unknown["errorClass"], "API reference" in unknown["advice"]) == ("Unknown", True)


def test_a_route_that_does_not_exist() -> None:
    response = not_found({"httpMethod": "GET", "path": "/nope", "requestContext": {}})
    assert response["statusCode"] == 404
    body = json.loads(response["body"])
    assert (body["error"], body["details"]) == ("NOT_FOUND", {"path": "/nope", "method": "GET"})
    assert json.loads(not_found({})["body"])["details"] == {"path": "", "method": ""}
