"""Classification of errors: which class of `service/error_classes.py` an error code, text and HTTP status stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from service.error_classes import BY_STATUS, ERROR_CLASSES, ErrorClass
from service.models import RegionStatus

__all__ = ["Recorded", "classify", "classify_record", "facts_of", "status_of_account"]

_CLASS_OF_CODE: Final[Mapping[str, str]] = MappingProxyType(
    {
        # AWS error code -> name of the error class
        "UninitializedAccountException": "NotInitialized",
        "AccessDeniedException": "Denied",
        "AccessDenied": "Denied",
        "UnauthorizedOperation": "Denied",
        "NotAuthorized": "Denied",
        "KMSAccessDeniedException": "KmsKey",
        "KMSDisabledException": "KmsKeyUnusable",
        "KMSInvalidStateException": "KmsKeyUnusable",
        "KMSNotFoundException": "KmsKeyUnusable",
        "InaccessibleEncryptionCredentialsException": "KmsKeyUnusable",
        "AccountProblem": "AccountSuspended",
        "AccountSuspendedException": "AccountSuspended",
        "Blocked": "AccountSuspended",
        "InactiveAccount": "AccountSuspended",
        "BandwidthLimitExceeded": "Throttled",
        "EC2ThrottledException": "Throttled",
        "LimitExceededException": "Throttled",  # of DynamoDB: too many changes of tables at once
        "PriorRequestNotComplete": "Throttled",
        "ProvisionedThroughputExceededException": "Throttled",
        "RequestLimitExceeded": "Throttled",
        "RequestThrottled": "Throttled",
        "RequestThrottledException": "Throttled",
        "SlowDown": "Throttled",
        "ThrottledException": "Throttled",
        "Throttling": "Throttled",
        "ThrottlingException": "Throttled",
        "TooManyRequestsException": "Throttled",
        "ServiceQuotaExceededException": "QuotaReached",
        "OptInRequired": "NotOptedIn",
        "SubscriptionRequiredException": "NotOptedIn",
        "RegionDisabledException": "StsInactive",
        "PackedPolicyTooLarge": "SessionPolicyTooLarge",
        "PackedPolicyTooLargeException": "SessionPolicyTooLarge",
        "UnrecognizedClientException": "RegionNotEnabled",
        "InvalidClientTokenId": "RegionNotEnabled",
        "AuthFailure": "RegionNotEnabled",
        "InvalidAccessKeyId": "CredentialsRejected",
        "IncompleteSignature": "CredentialsRejected",
        "IncompleteSignatureException": "CredentialsRejected",
        "InvalidSignatureException": "CredentialsRejected",
        "MissingAuthenticationToken": "CredentialsRejected",
        "MissingAuthenticationTokenException": "CredentialsRejected",
        "SignatureDoesNotMatch": "CredentialsRejected",
        "ExpiredToken": "SessionExpired",
        "ExpiredTokenException": "SessionExpired",
        "TokenRefreshRequired": "SessionExpired",
        "RequestExpired": "SessionExpired",  # EC2 has this code both for a session and for a signature that is too old
        "RequestInTheFuture": "ClockSkew",
        "RequestTimeTooSkewed": "ClockSkew",
        "InternalServerException": "ServerFault",
        "InternalServerError": "ServerFault",
        "InternalError": "ServerFault",
        "InternalFailure": "ServerFault",
        "ReplicatedWriteConflictException": "ServerFault",
        "ServiceUnavailable": "ServerFault",
        "ServiceUnavailableException": "ServerFault",
        "TransactionConflictException": "ServerFault",
        "TransactionInProgressException": "ServerFault",
        "Unavailable": "ServerFault",
        "ResourceNotFoundException": "NotFound",
        # Codes of our own: the call did not reach AWS, or its response could not be used.
        "CertificateRefused": "CertificateRefused",
        "ConnectionLost": "ConnectionLost",
        "DeadlineExceeded": "ScopeDeadline",
        "EndpointUnreachable": "EndpointUnreachable",
        "InvalidAccountRecord": "InvalidAccountRecord",
        "MalformedResponse": "MalformedResponse",
        "NoCredentials": "NoCredentials",
        "ProxyFailed": "ProxyFailed",
        "ProxyRefused": "ProxyRefused",
        "ProxyUnreachable": "ProxyUnreachable",
        "ReadTimeout": "EndpointUnreachable",
        "RoleNotAllowed": "RoleNotAllowed",
        "AccountNotNamed": "AccountNotNamed",
        "AccountNotRecorded": "AccountNotRecorded",
    }
)

# Operation -> IAM actions that it needs, where they are not named like it.
_ACTIONS: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        ("dynamodb", "TransactWriteItems"): "dynamodb:PutItem and dynamodb:UpdateItem",
        ("lambda", "Invoke"): "lambda:InvokeFunction",
    }
)

# Class of a code -> text of AWS, any case -> the class that this text stands for. The first match counts.
_CLASS_OF_TEXT: Final[Mapping[str, tuple[tuple[re.Pattern[str], str], ...]]] = MappingProxyType(
    {
        name: tuple((re.compile(text, re.IGNORECASE), refined) for text, refined in rows)
        for name, rows in {
            "CredentialsRejected": (
                (r"signature expired|signature not yet current|must be within \d+ minutes", "ClockSkew"),
            ),
            "Denied": (
                (r"\bkms:|kms key", "KmsKey"),
                (r"account (is|was|has been) (currently )?(suspended|closed|blocked)", "AccountSuspended"),
                (r"service control policy", "ServiceControlPolicy"),
                (r"resource control policy", "ResourceControlPolicy"),
                (r"permissions boundary", "PermissionsBoundary"),
                (r"session policy", "SessionPolicy"),
                (r"vpc endpoint policy", "VpcEndpointPolicy"),
                (r"role trust policy", "RoleTrust"),
                (r"resource-based policy", "ResourcePolicy"),
                (r"explicit deny", "ExplicitDeny"),
                (r"identity-based policy", "IdentityPolicy"),
            ),
            "NotOptedIn": ((r"account (is|was|has been) (currently )?(suspended|closed|blocked)", "AccountSuspended"),),
            "CertificateRefused": (
                (
                    r"self[- ]signed certificate|unable to get (local )?issuer certificate|unknown ca",
                    "CertificateUnknownIssuer",
                ),
                (r"hostname mismatch|ip address mismatch|doesn't match|not valid for", "CertificateOtherName"),
                (r"certificate has expired|certificate is not yet valid|certificate expired", "CertificateExpired"),
            ),
        }.items()
    }
)

# (service, class of the code) -> the class that the code stands for in this service
_CLASS_IN_SERVICE: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        ("sts", "RegionNotEnabled"): "CredentialsRejected",  # the hub's own: no role was assumed yet
        ("dynamodb", "RegionNotEnabled"): "CredentialsRejected",
        ("dynamodb", "NotFound"): "TableMissing",
        ("dynamodb", "Throttled"): "TableThrottled",
    }
)
_SERVER_FAULT: Final = 500  # HTTP statuses from here on are faults of the server
_CLASS_OF_HTTP_STATUS: Final[Mapping[int, str]] = MappingProxyType(
    {407: "ProxyRefused", 429: "Throttled"}  # only a proxy answers 407
)
# The calls whose failures a scan records, the likeliest first.
_CALLS_OF_RECORDS: Final[tuple[tuple[str, str], ...]] = (
    ("drs", "DescribeSourceServers"),
    ("sts", "AssumeRole"),
    ("dynamodb", "Query"),
)
# Codes of one region that a sync did not take for the state of that region.
_CLASS_IF_ERROR: Final[Mapping[str, str]] = MappingProxyType(
    {
        "AuthFailure": "SessionRejected",
        "UninitializedAccountException": "UnconfirmedEmpty",
        "UnrecognizedClientException": "SessionRejected",
    }
)
_CODE_AND_TEXT: Final = re.compile(r"(?P<code>[A-Za-z][A-Za-z0-9_.]*): (?P<text>.*)", re.DOTALL)
_ACTION: Final = re.compile(r"perform:? ([a-z0-9-]+:\w+)|allows the ([a-z0-9-]+:\w+) action")
_ROLE: Final = re.compile(r"(?:on resource|not assumed): (arn:[\w-]+:iam::[0-9]{12}:role/[\w+=,.@/-]*[\w+=,@/-])")
_KEY: Final = re.compile(r"arn:[\w-]+:kms:[\w-]*:[0-9]{12}:key/[\w-]+")


def classify(
    code: str, *, message: str = "", http_status: int = 0, service: str = "", operation: str = ""
) -> ErrorClass:
    """Return the class of an error.

    Args:
        code: error code of AWS, or one of our own.
        message: text of AWS, or of the SDK. It refines a denial (nothing else tells which kind of policy denies), a
            rejected signature (which may only be too old) and a refused certificate. It decides nothing else: no text
            makes an answer complete.
        http_status: used for unknown codes: 5xx is retried, 429 counts as throttling. A 5xx settles no count, whatever
            its code.
        service: the service that was called.
        operation: the operation that was called.
    """
    name = _CLASS_OF_CODE.get(code, "")
    if not name or (ERROR_CLASSES[name].status.settles_count and http_status >= _SERVER_FAULT):
        name = _of_http_status(http_status)
    refined = next((each for text, each in _CLASS_OF_TEXT.get(name, ()) if text.search(message)), name)
    if operation == "AssumeRole" and refined in {"Denied", "ResourcePolicy", "ExplicitDeny"}:
        refined = "RoleNotAssumable"
    return ERROR_CLASSES[_CLASS_IN_SERVICE.get((service, refined), refined)]


def _of_http_status(http_status: int) -> str:
    if http_status in _CLASS_OF_HTTP_STATUS:
        return _CLASS_OF_HTTP_STATUS[http_status]
    return "ServerFault" if http_status >= _SERVER_FAULT else "Unknown"


class Recorded(NamedTuple):
    """The class of a failure that the region status table has, and the facts of its call."""

    error_class: ErrorClass
    facts: Mapping[str, str]


def classify_record(status: RegionStatus, text: str, account_id: str) -> Recorded:
    """Return the class and the facts of a failure that the region status table has of an account.

    The table has no service, and its status is what the sync made of the error. A text that says something else than
    the status is not taken for its cause.

    Args:
        status: status of the account in the region.
        text: its error message, `CODE: text of AWS`.
        account_id: the account.
    """
    error_class, (service, operation) = _class_of_record(status, text)
    return Recorded(error_class, facts_of(service, operation, account_id, text))


def _class_of_record(status: RegionStatus, text: str) -> tuple[ErrorClass, tuple[str, str]]:
    calls = _CALLS_OF_RECORDS
    if parts := _CODE_AND_TEXT.fullmatch(text):
        if status is RegionStatus.ERROR and parts["code"] in _CLASS_IF_ERROR:
            return ERROR_CLASSES[_CLASS_IF_ERROR[parts["code"]]], calls[0]
        if "sts:assumerole" in parts["text"].lower():
            calls = tuple(call for call in calls if call[0] == "sts")
        for service, operation in calls:
            found = classify(parts["code"], message=parts["text"], service=service, operation=operation)
            stored = found.status if service == "drs" else status_of_account(found.status)
            if stored is status and found.name != "Unknown":
                return found, (service, operation)
    return BY_STATUS.get(status, ERROR_CLASSES["Unknown"]), calls[0]


def status_of_account(status: RegionStatus) -> RegionStatus:
    """Return the region status of a scope whose account could not be entered: nothing is known of the region."""
    return RegionStatus.IAM_PERMISSION_DENIED if status.is_denied else RegionStatus.ERROR


def _facts_of_text(text: str) -> dict[str, str]:
    """Return the facts that AWS's text itself names: the action, the role to assume, the KMS key."""
    facts = {}
    if action := _ACTION.search(text):
        facts["action"] = action[1] or action[2]
    if role := _ROLE.search(text):
        facts["role"] = role[1]
    if key := _KEY.search(text):
        facts["key"] = key[0]
    return facts


def facts_of(service: str, operation: str, account_id: str, text: str = "") -> dict[str, str]:
    """Return the facts of a failed call.

    Args:
        service: the service that was called.
        operation: the operation that was called.
        account_id: the account that the call is about: that of the role for AssumeRole, else the one that signed it.
        text: text of AWS.
    """
    facts = {"service": service} if service else {}
    if service and operation:
        facts["action"] = _ACTIONS.get((service, operation), f"{service}:{operation}")
    if len(account_id) == 12:  # noqa: PLR2004 - else it is "hub": the account is not known yet
        facts |= {
            "account": f"account {account_id}",
            "caller": f"the role that drs-sync uses in account {account_id}",
        }
    if service in {"sts", "dynamodb", "lambda", "events"}:
        facts |= {"caller": "the hub's own role", "or_exclude": ""}
    return facts | _facts_of_text(text)
