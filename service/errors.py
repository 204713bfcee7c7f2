"""Exceptions of this package, and the table that classifies AWS error codes (retry, throttle, status, fix)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from service.models import Call, Problem, Scope
from service.models import RegionStatus as S

__all__ = [
    "AwsError",
    "ConfigurationError",
    "DeadlineExceededError",
    "DrsSyncError",
    "ErrorClass",
    "RefusalError",
    "UnknownScopeError",
    "classify",
    "fix_of",
    "unconfirmed_empty",
]


class DrsSyncError(Exception):
    """Base class of all errors that this package raises on purpose."""


class ConfigurationError(DrsSyncError):
    """A setting, argument or table schema is wrong; the message says how to fix it."""


class UnknownScopeError(ConfigurationError):
    """A requested account or region is not known; the message lists the known ones."""


class DeadlineExceededError(DrsSyncError):
    """The deadline passed before a run knew its accounts and regions. Nothing was scanned or written."""


class RefusalError(DrsSyncError):
    """A request that is rejected: invalid input, something that does not exist, or a conflict. Nothing was changed.

    Args:
        code: error code that the platform's callers know; empty where they only ever got the text.
        message: what is wrong and how to fix it.
        status: HTTP status of an API response; direct invocations do not show it.
        details: further members of the response.
    """

    def __init__(self, code: str, message: str, *, status: int = 400, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.details = dict(details or {})


@dataclass(frozen=True, slots=True)
class ErrorClass:
    """Class of an error: its region status, whether to retry, throttle or renew credentials, and the fix (`advice`)."""

    status: S
    retry: bool = False
    throttle: bool = False
    expired: bool = False
    advice: str = ""


_FIXES: Final[Mapping[S, str]] = MappingProxyType(
    {
        S.IAM_PERMISSION_DENIED: "grant the action to the role in that account, or to the function's own role for the"
        " hub",
        S.SCP_DENIED: "change the policy, or exclude the region (DRS_EXCLUDED_REGIONS) or this account's scope"
        " (DRS_EXCLUDED_SCOPES=account/region)",
        S.REGION_NOT_ENABLED: "enable the region for the account and use regional STS endpoints",
        S.REGION_NOT_OPTED_IN: "enable the region for the account, or exclude it",
        S.THROTTLED: "lower DRS_CALLS_PER_SECOND, or start the syncs at different times",
        S.ENDPOINT_UNREACHABLE: "check DNS, egress and VPC endpoints of this host for that region",
        S.ERROR: "run drs-sync sync inventory; if it fails again, its report names the cause",
    }
)


def fix_of(status: S) -> str:
    """Return the fix of what a region status stands for; empty for a status that needs none."""
    return _FIXES.get(status, "")


_DENIED: Final = ErrorClass(S.IAM_PERMISSION_DENIED, advice=fix_of(S.IAM_PERMISSION_DENIED))
_THROTTLED: Final = ErrorClass(S.THROTTLED, retry=True, throttle=True, advice=fix_of(S.THROTTLED))
_NOT_INITIALIZED: Final = ErrorClass(S.NOT_INITIALIZED)
_TRANSIENT: Final = ErrorClass(S.ERROR, retry=True)
_EXPIRED: Final = ErrorClass(S.ERROR, retry=True, expired=True, advice="check the clock of this host")
_BAD_TOKEN: Final = ErrorClass(S.REGION_NOT_ENABLED, advice=fix_of(S.REGION_NOT_ENABLED))
_NOT_OPTED_IN: Final = ErrorClass(S.REGION_NOT_OPTED_IN, advice=fix_of(S.REGION_NOT_OPTED_IN))
_UNREACHABLE: Final = ErrorClass(S.ENDPOINT_UNREACHABLE, retry=True, advice=fix_of(S.ENDPOINT_UNREACHABLE))

_ERROR_CLASSES: Final[Mapping[str, ErrorClass]] = MappingProxyType(
    {
        # AWS error code                 -> error class
        "UninitializedAccountException": _NOT_INITIALIZED,
        "AccessDeniedException": _DENIED,
        "AccessDenied": _DENIED,
        "UnauthorizedOperation": _DENIED,
        "ThrottlingException": _THROTTLED,
        "Throttling": _THROTTLED,
        "TooManyRequestsException": _THROTTLED,
        "RequestLimitExceeded": _THROTTLED,
        "ProvisionedThroughputExceededException": _THROTTLED,
        "OptInRequired": _NOT_OPTED_IN,
        "SubscriptionRequiredException": _NOT_OPTED_IN,
        "RegionDisabledException": _BAD_TOKEN,
        "UnrecognizedClientException": _BAD_TOKEN,
        "InvalidClientTokenId": _BAD_TOKEN,
        "AuthFailure": _BAD_TOKEN,
        "ExpiredToken": _EXPIRED,
        "ExpiredTokenException": _EXPIRED,
        "RequestExpired": _EXPIRED,
        "InternalServerException": _TRANSIENT,
        "InternalServerError": _TRANSIENT,
        "InternalError": _TRANSIENT,
        "InternalFailure": _TRANSIENT,
        "ServiceUnavailable": _TRANSIENT,
        "Unavailable": _TRANSIENT,
        "TransactionConflictException": _TRANSIENT,
        "ResourceNotFoundException": ErrorClass(S.ERROR, advice="check the name, the account and the region"),
        # Codes of our own: the call did not reach AWS, or its response could not be used.
        "EndpointUnreachable": _UNREACHABLE,
        "ConnectionLost": _TRANSIENT,
        "ReadTimeout": _UNREACHABLE,
        "MalformedResponse": _TRANSIENT,
        "DeadlineExceeded": ErrorClass(S.ERROR, advice="raise SCOPE_DEADLINE_SECONDS, or exclude slow regions"),
        "CertificateRefused": ErrorClass(
            S.ENDPOINT_UNREACHABLE,
            advice="check the endpoint's certificate: wrong host name, or a CA that is missing in AWS_CA_BUNDLE",
        ),
        "RoleNotAllowed": _DENIED,
        "NoCredentials": ErrorClass(
            S.ERROR, advice="give this process AWS credentials: a profile, a role or AWS_* variables"
        ),
    }
)
_UNKNOWN: Final = ErrorClass(S.ERROR)
_SCP_MARK: Final = "service control policy"
_BAD_SIGNATURE: Final = frozenset({"InvalidSignatureException", "SignatureDoesNotMatch"})
_STALE_MARKS: Final = ("signature expired", "signature not yet current")
_SERVER_FAULT: Final = 500  # HTTP statuses from here on are faults of the server


def classify(code: str, *, message: str = "", http_status: int = 0) -> ErrorClass:
    """Return the class of an error.

    Args:
        code: error code of AWS, or one of our own.
        message: text of AWS. It refines a denial, since nothing else distinguishes a service control policy from a
            missing permission, and a rejected signature, which may only be too old. It decides nothing else: no text
            makes an answer complete.
        http_status: used for unknown codes: 5xx is retried, 429 counts as throttling. A 5xx settles no count, whatever
            its code.
    """
    if code in _BAD_SIGNATURE and any(mark in message.lower() for mark in _STALE_MARKS):
        return _EXPIRED  # it waited too long on its way; the next attempt is signed again
    error_class = _ERROR_CLASSES.get(code)
    if error_class is None or (error_class.status.settles_count and http_status >= _SERVER_FAULT):
        return _classify_unknown(http_status)
    if error_class is _DENIED and _SCP_MARK in message.lower():
        return ErrorClass(S.SCP_DENIED, advice=fix_of(S.SCP_DENIED))
    return error_class


def _classify_unknown(http_status: int) -> ErrorClass:
    if http_status == 429:  # noqa: PLR2004 - Too Many Requests
        return _THROTTLED
    return _TRANSIENT if http_status >= _SERVER_FAULT else _UNKNOWN


class AwsError(DrsSyncError):
    """An AWS call that failed in every attempt. Its texts never contain credentials.

    `http_status` is 0 if there was no response; `advice` replaces the fix of the error class.
    """

    def __init__(
        self,
        code: str,
        message: str,
        call: Call,
        *,
        http_status: int = 0,
        retry_after_s: float | None = None,
        advice: str = "",
    ) -> None:
        super().__init__(f"{call.service}:{call.operation} in {call.region}: {code}: {message}")
        self.code = code
        self.message = message
        self.call = call
        self.http_status = http_status
        self.retry_after_s = retry_after_s
        error_class = classify(code, message=message, http_status=http_status)
        self.error_class = replace(error_class, advice=advice) if advice else error_class

    @property
    def is_drs_uninitialized(self) -> bool:
        """Whether DRS answered that it is not initialised in the region: it has no servers there.

        One such answer is not enough where servers are known (see `unconfirmed_empty` of the engine).
        """
        return self.call.service == "drs" and self.error_class.status is S.NOT_INITIALIZED

    @property
    def problem(self) -> Problem:
        """The error as reports and tables show it."""
        return Problem(
            code=self.code,
            message=self.message,
            status=self.error_class.status,
            service=self.call.service,
            operation=self.call.operation,
            account_id=self.call.account_id,
            region=self.call.region,
            advice=self.error_class.advice,
        )


def unconfirmed_empty(error: AwsError, scope: Scope, servers: int) -> Problem:
    """Make the problem of a scope whose DRS claims that it was never initialised, although servers are known there.

    Args:
        error: the answer of DRS.
        scope: the scope.
        servers: how many servers are known there.
    """
    return replace(
        error.problem,
        account_id=scope.account_id,
        region=scope.region,
        message=f"{error.message} But {servers} servers are known there: they are kept until a later inventory sync is "
        "told the same",
        status=S.ERROR,
        advice="check the account's DRS console in that region: if its servers are there, AWS answered wrongly and the "
        "next sync repairs it; if DRS was given up there, the next inventory sync removes them from the inventory",
    )
