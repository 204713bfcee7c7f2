"""Structure of responses: the API Gateway envelope, and error bodies as callers of the platform expect them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import orjson

from service.errors import AwsError, RefusalError

__all__ = ["HEADERS", "aws_error_body", "envelope", "error_body", "not_found", "refusal_body"]

HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Type": "application/json",
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Headers": "Content-Type,Authorization",
        "Access-Control-Allow-Methods": "GET,POST,PUT,DELETE,OPTIONS",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
)
_MAX_ECHO: Final = 200  # characters of a request that a response repeats
_RETRYABLE: Final = frozenset({"DYNAMODB_ERROR", "DRS_ERROR", "STEP_FUNCTIONS_ERROR", "STS_ERROR", "INTERNAL_ERROR"})
_CODE_OF_SERVICE: Final[Mapping[str, str]] = MappingProxyType(
    {"dynamodb": "DYNAMODB_ERROR", "drs": "DRS_ERROR", "sts": "STS_ERROR"}
)


def envelope(status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """Wrap a body for API Gateway's proxy integration."""
    return {"statusCode": status, "headers": dict(HEADERS), "body": _text(body)}


def _text(body: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(body).decode()
    except TypeError:  # orjson refuses a lone surrogate, which a caller's JSON may contain
        return json.dumps(body)


def error_body(code: str, message: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """Return an error body; `retryable` is added for the codes whose callers expect it."""
    body = {"error": code, "message": message, **more}
    return {**body, "retryable": True} if code in _RETRYABLE else body


def aws_error_body(error: AwsError) -> dict[str, Any]:
    """Return the error body for a call to AWS that failed after all retries."""
    code = _CODE_OF_SERVICE.get(error.call.service, "INTERNAL_ERROR")
    details = {
        "code": error.code,
        "operation": error.call.operation,
        "cause": error.cause,
        "errorClass": error.error_class.name,
        "advice": error.fix,
    }
    return error_body(code, str(error), details=details)


# Codes whose details stand beside the message, where the UI reads them.
_TOP_LEVEL_DETAILS: Final = frozenset({"DRS_NOT_INITIALIZED", "REGION_NOT_ENABLED", "REGION_ACCESS_DENIED"})


def refusal_body(refusal: RefusalError) -> dict[str, Any]:
    """Return the error body for a refused request. Without a code, `error` is the message."""
    if not refusal.code:
        return {"error": refusal.message, **refusal.details}
    if refusal.code in _TOP_LEVEL_DETAILS:
        return error_body(refusal.code, refusal.message, **refusal.details)
    more = {"details": refusal.details} if refusal.details else {}
    return error_body(refusal.code, refusal.message, **more)


def not_found(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the envelope for a path or method without a route."""
    path, method = str(event.get("path", ""))[:_MAX_ECHO], str(event.get("httpMethod", ""))[:_MAX_ECHO]
    body = error_body("NOT_FOUND", f"No route {method} {path}", details={"path": path, "method": method})
    return envelope(404, body)
