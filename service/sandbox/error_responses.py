"""AWS error responses in the format of each service: access denied, expired session, disabled region, throttled."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from service.sandbox.aws_protocols import Call, Response, error_response, json_response

__all__ = [
    "access_denied",
    "actions_of",
    "assume_role_denied",
    "expired",
    "malformed_policy",
    "region_disabled",
    "session_duration_exceeded",
    "throttled",
    "unsigned",
]


class _ErrorFormat(NamedTuple):
    code: str
    status: int
    message: str = ""


_Table = Mapping[str, _ErrorFormat]
_INVALID_TOKEN_MESSAGE: Final = "The security token included in the request is invalid"  # noqa: S105  (a message, not a token)
_EXPIRED_TOKEN_MESSAGE: Final = "The security token included in the request is expired"  # noqa: S105  (a message, not a token)

# By service; "target", "query" and "json" apply to all other services of those protocols.
_DENIED: Final[_Table] = MappingProxyType(
    {
        "ec2": _ErrorFormat("UnauthorizedOperation", 403, "You are not authorized to perform this operation. "),
        "target": _ErrorFormat("AccessDeniedException", 400),
        "query": _ErrorFormat("AccessDenied", 403),
        "json": _ErrorFormat("AccessDeniedException", 403),
    }
)
_EXPIRED: Final[_Table] = MappingProxyType(
    {
        "ec2": _ErrorFormat("RequestExpired", 400, "Request has expired."),
        "target": _ErrorFormat("ExpiredTokenException", 400, _EXPIRED_TOKEN_MESSAGE),
        "query": _ErrorFormat("ExpiredToken", 403, _EXPIRED_TOKEN_MESSAGE),
        "json": _ErrorFormat("ExpiredTokenException", 403, _EXPIRED_TOKEN_MESSAGE),
    }
)
_REGION_DISABLED: Final[_Table] = MappingProxyType(
    {
        "ec2": _ErrorFormat("AuthFailure", 401, "AWS was not able to validate the provided access credentials"),
        "target": _ErrorFormat("UnrecognizedClientException", 400, _INVALID_TOKEN_MESSAGE),
        "query": _ErrorFormat("InvalidClientTokenId", 403, _INVALID_TOKEN_MESSAGE),
        "json": _ErrorFormat("UnrecognizedClientException", 403, _INVALID_TOKEN_MESSAGE),
    }
)


def _error_format(table: _Table, call: Call) -> _ErrorFormat:
    if call.is_target_json:
        return table["target"]
    return table.get(call.service) or table["query" if call.form else "json"]


def actions_of(call: Call) -> tuple[str, ...]:
    """Return the IAM actions of a call, as a policy names them."""
    return tuple(f"{call.service}:{action}" for action in call.iam_actions())


def access_denied(
    call: Call,
    caller_arn: str,
    *,
    scp: bool = False,
    session_policy: bool = False,
    message: str | None = None,
    action: str | None = None,
    resource: str = "*",
) -> Response:
    """Access denied, for lack of an IAM permission, by a service control policy or by the policy of the session."""
    error_format = _error_format(_DENIED, call)
    action = action or next(iter(actions_of(call)), f"{call.service}:{call.operation}")
    kind = "session" if session_policy else "identity-based"
    reason = (
        "with an explicit deny in a service control policy"
        if scp
        else f"because no {kind} policy allows the {action} action"
    )
    text = message or f"User: {caller_arn} is not authorized to perform: {action} on resource: {resource} {reason}"
    return error_response(call, error_format.code, error_format.message + text, status=error_format.status)


def assume_role_denied(call: Call, caller_arn: str) -> Response:
    """AssumeRole denied. AWS gives one error for a missing role, a wrong external id and missing trust."""
    text = (
        f"User: {caller_arn} is not authorized to perform: sts:AssumeRole on resource: {call.form.get('RoleArn', '')}"
    )
    return error_response(call, "AccessDenied", text, status=403)


def malformed_policy(call: Call, why: str) -> Response:
    """Session policy that STS does not accept, or that the sandbox would enforce wrongly."""
    return error_response(call, "MalformedPolicyDocument", why, status=400)


def session_duration_exceeded(call: Call) -> Response:
    """Session longer than the role allows; AWS rejects it and does not shorten it."""
    text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    return error_response(call, "ValidationError", text, status=400)


def expired(call: Call) -> Response:
    """Expired credentials of a session."""
    error_format = _error_format(_EXPIRED, call)
    return error_response(call, error_format.code, error_format.message, status=error_format.status)


def region_disabled(call: Call) -> Response:
    """Credentials of an account that has not enabled the region."""
    error_format = _error_format(_REGION_DISABLED, call)
    return error_response(call, error_format.code, error_format.message, status=error_format.status)


def throttled(call: Call, retry_after_s: int) -> Response:
    """Throttled DRS call. In DRS's service model `retryAfterSeconds` is a string and is also sent as a header."""
    return error_response(
        call,
        "ThrottlingException",
        "Rate exceeded",
        status=429,
        headers={"Retry-After": str(retry_after_s)},
        serviceCode="drs",
        quotaCode="L-C1D14A2B",
        retryAfterSeconds=str(retry_after_s),
    )


def unsigned() -> Response:
    """Request without a SigV4 signature."""
    code = "MissingAuthenticationTokenException"
    return json_response(403, {"message": "Missing Authentication Token", "code": code}, {"x-amzn-ErrorType": code})
