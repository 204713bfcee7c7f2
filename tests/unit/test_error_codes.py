"""The class that an error code and AWS's text stand for: its cause, its fix, and what a call does about it."""

from __future__ import annotations

import re
from string import Formatter

import pytest
from botocore.retries.standard import ThrottledRetryableChecker

from service.aws.retry import max_attempts
from service.error_classes import BY_STATUS, DEFAULT_FACTS, ERROR_CLASSES
from service.error_codes import classify, classify_record
from service.errors import AwsError
from service.models import Call, RegionStatus
from service.sync.engine.outcome import account_problem

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/DRSOrchestrationRole"
USER = "User: arn:aws:sts::111122223333:assumed-role/R/s is not authorized to perform: "
DRS = USER + "drs:DescribeSourceServers on resource: * "
TABLE = USER + "dynamodb:Scan on resource: arn:aws:dynamodb:us-east-1:111122223333:table/t "
ASSUME = f"User: arn:aws:iam::999900001111:user/hub is not authorized to perform: sts:AssumeRole on resource: {ROLE}"
KMS = (
    "KMS key access denied error: User: arn:aws:sts::111122223333:assumed-role/R/s is not authorized to perform: "
    "kms:Decrypt on resource: arn:aws:kms:us-east-1:111122223333:key/0aa1-bb2 because no resource-based policy allows "
    "the kms:Decrypt action"
)
TLS = "SSL validation failed for https://drs.us-west-2.amazonaws.com/ [SSL: CERTIFICATE_VERIFY_FAILED] certificate "
EXPIRED = "Signature expired: 20261123T060000Z is now earlier than 20261123T061000Z (20261123T061500Z - 5 min.)"
EARLY = "Signature not yet current: 20261123T063000Z is still later than 20261123T062000Z"
SUSPENDED = "This account is currently suspended"

# service, operation, code, text -> class, words of the fix
CASES: list[tuple[str, str, str, str, str, str]] = [
    # Time and credentials
    ("drs", "DescribeSourceServers", "InvalidSignatureException", EXPIRED, "ClockSkew", "clock of this host"),
    ("dynamodb", "Scan", "InvalidSignatureException", EARLY, "ClockSkew", "clock of this host"),
    ("sts", "AssumeRole", "SignatureDoesNotMatch", EXPIRED, "ClockSkew", "clock of this host"),
    ("drs", "DescribeSourceServers", "RequestTimeTooSkewed", "", "ClockSkew", "clock of this host"),
    ("sts", "AssumeRole", "SignatureDoesNotMatch", "The request signature we ...", "CredentialsRejected", "renew them"),
    ("sts", "GetCallerIdentity", "InvalidClientTokenId", "", "CredentialsRejected", "renew them"),
    ("sts", "AssumeRole", "InvalidClientTokenId", "", "CredentialsRejected", "renew them"),
    ("dynamodb", "Scan", "UnrecognizedClientException", "", "CredentialsRejected", "renew them"),
    ("sts", "AssumeRole", "ExpiredToken", "The security token is expired", "SessionExpired", "log in again"),
    ("drs", "DescribeSourceServers", "ExpiredTokenException", "", "SessionExpired", "log in again"),
    # Roles
    ("sts", "AssumeRole", "AccessDenied", ASSUME, "RoleNotAssumable", ROLE),
    (
        "sts",
        "AssumeRole",
        "AccessDenied",
        f"{ASSUME} because no identity-based policy allows the sts:AssumeRole action",
        "IdentityPolicy",
        "allow sts:AssumeRole in a policy of the hub's own role",
    ),
    (
        "sts",
        "AssumeRole",
        "AccessDenied",
        f"{ASSUME} because no role trust policy allows the sts:AssumeRole action",
        "RoleTrust",
        f"trust policy of {ROLE}",
    ),
    (
        "sts",
        "AssumeRole",
        "AccessDenied",
        f"{ASSUME} with an explicit deny in a service control policy",
        "ServiceControlPolicy",
        "allow sts:AssumeRole in the organisation's service control policies",
    ),
    ("sts", "AssumeRole", "RegionDisabledException", "STS is not activated", "StsInactive", "activate STS"),
    (
        "sts",
        "AssumeRole",
        "PackedPolicyTooLarge",
        "Packed size of session tags consumes 105% of allotted space.",
        "SessionPolicyTooLarge",
        "session tags",
    ),
    (
        "sts",
        "AssumeRole",
        "AccountNotNamed",
        f"not assumed: {ROLE}, since no record names the account and DRS does not either",
        "AccountNotNamed",
        "drs-sync accounts add",
    ),
    (
        "sts",
        "AssumeRole",
        "AccountNotRecorded",
        f"not assumed: {ROLE}, since no record names the account (ENTER_RECORDED_ACCOUNTS_ONLY)",
        "AccountNotRecorded",
        "ENTER_RECORDED_ACCOUNTS_ONLY=false",
    ),
    ("sts", "AssumeRole", "ServiceUnavailable", "", "ServerFault", "try again"),
    ("sts", "AssumeRole", "ReadTimeout", "no complete response", "EndpointUnreachable", "DNS"),
    # Denials
    ("drs", "DescribeSourceServers", "AccessDeniedException", DRS, "Denied", "permissions boundary if it has one"),
    (
        "drs",
        "DescribeSourceServers",
        "AccessDeniedException",
        f"{DRS}because no identity-based policy allows the drs:DescribeSourceServers action",
        "IdentityPolicy",
        f"in a policy of the role that drs-sync uses in account {ACCOUNT}",
    ),
    (
        "drs",
        "DescribeSourceServers",
        "AccessDeniedException",
        f"{DRS}with an explicit deny in an identity-based policy",
        "ExplicitDeny",
        "remove the explicit deny of drs:DescribeSourceServers",
    ),
    (
        "drs",
        "DescribeSourceServers",
        "AccessDeniedException",
        f"{DRS}with an explicit deny in a service control policy",
        "ServiceControlPolicy",
        "DRS_EXCLUDED_REGIONS",
    ),
    (
        "dynamodb",
        "Scan",
        "AccessDeniedException",
        f"{TABLE}with an explicit deny in a resource control policy",
        "ResourceControlPolicy",
        "allow dynamodb:Scan in the organisation's resource control policies",
    ),
    (
        "drs",
        "DescribeSourceServers",
        "AccessDeniedException",
        f"{DRS}because no permissions boundary allows the drs:DescribeSourceServers action",
        "PermissionsBoundary",
        "in the permissions boundary of",
    ),
    (
        "drs",
        "DescribeSourceServers",
        "AccessDeniedException",
        f"{DRS}because no session policy allows the drs:DescribeSourceServers action",
        "SessionPolicy",
        "session policy",
    ),
    (
        "dynamodb",
        "Scan",
        "AccessDeniedException",
        f"{TABLE}because no VPC endpoint policy allows the dynamodb:Scan action",
        "VpcEndpointPolicy",
        "VPC endpoint of dynamodb",
    ),
    (
        "dynamodb",
        "Scan",
        "AccessDeniedException",
        f"{TABLE}because no resource-based policy allows the dynamodb:Scan action",
        "ResourcePolicy",
        "in the policy of the resource",
    ),
    ("dynamodb", "Scan", "AccessDeniedException", KMS, "KmsKey", "arn:aws:kms:us-east-1:111122223333:key/0aa1-bb2"),
    ("dynamodb", "Scan", "KMSAccessDeniedException", "", "KmsKey", "the key of the table"),
    ("dynamodb", "Scan", "KMSDisabledException", "", "KmsKeyUnusable", "enable"),
    ("drs", "DescribeSourceServers", "AccessDeniedException", SUSPENDED, "AccountSuspended", "reopened"),
    ("drs", "DescribeSourceServers", "OptInRequired", SUSPENDED, "AccountSuspended", "reopened"),
    ("ec2", "DescribeInstances", "Blocked", "This account is currently blocked", "AccountSuspended", "reopened"),
    # Connections
    (
        "drs",
        "DescribeSourceServers",
        "CertificateRefused",
        f"{TLS}verify failed: self-signed certificate in certificate chain",
        "CertificateUnknownIssuer",
        "AWS_CA_BUNDLE",
    ),
    (
        "drs",
        "DescribeSourceServers",
        "CertificateRefused",
        f"{TLS}verify failed: unable to get local issuer certificate",
        "CertificateUnknownIssuer",
        "AWS_CA_BUNDLE",
    ),
    (
        "drs",
        "DescribeSourceServers",
        "CertificateRefused",
        f"{TLS}verify failed: Hostname mismatch, certificate is not valid for 'drs.us-west-2.amazonaws.com'.",
        "CertificateOtherName",
        "AWS_ENDPOINT_URL",
    ),
    (
        "drs",
        "DescribeSourceServers",
        "CertificateRefused",
        f"{TLS}verify failed: certificate has expired",
        "CertificateExpired",
        "clock of this host",
    ),
    ("drs", "DescribeSourceServers", "CertificateRefused", "handshake failure", "CertificateRefused", "AWS_CA_BUNDLE"),
    ("drs", "DescribeSourceServers", "ProxyRefused", "HTTP status 407", "ProxyRefused", "HTTPS_PROXY"),
    ("drs", "DescribeSourceServers", "ProxyUnreachable", "", "ProxyUnreachable", "NO_PROXY"),
    # Limits
    ("drs", "CreateExtendedSourceServer", "ServiceQuotaExceededException", "", "QuotaReached", "Service Quotas"),
    ("dynamodb", "Scan", "ProvisionedThroughputExceededException", "", "TableThrottled", "on-demand"),
    ("drs", "DescribeSourceServers", "ThrottlingException", "Rate exceeded", "Throttled", "DRS_CALLS_PER_SECOND"),
    ("dynamodb", "Scan", "ResourceNotFoundException", "", "TableMissing", "drs-sync tables create"),
    ("drs", "DescribeSourceServers", "Novel", "", "Unknown", "API reference"),
]


@pytest.mark.parametrize(("service", "operation", "code", "text", "name", "fix"), CASES)
def test_code_and_text_name_cause_and_fix(
    *, service: str, operation: str, code: str, text: str, name: str, fix: str
) -> None:
    error = AwsError(code, text, Call(service, operation, ACCOUNT, "us-west-2"))
    assert error.error_class.name == name
    assert fix in error.fix
    problem = error.problem
    assert (problem.cause, problem.advice, problem.error_class) == (error.cause, error.fix, name)
    members = problem.as_json()
    assert (members["cause"], members["errorClass"], members["advice"]) == (error.cause, name, error.fix)
    assert "us-west-2" not in error.cause + error.fix.replace(text, "")  # one entry of a report for many regions


@pytest.mark.parametrize(
    ("service", "operation", "code", "text", "name"), [case[:5] for case in CASES if case[0] in {"drs", "sts"}]
)
def test_a_stored_failure_has_the_cause_that_the_sync_told(
    service: str, operation: str, code: str, text: str, name: str
) -> None:
    """The region status table keeps a status and `CODE: text`, from which queries tell cause and fix."""
    error = AwsError(code, text, Call(service, operation, ACCOUNT, "us-west-2"))
    problem = account_problem(error) if operation == "AssumeRole" else error.problem
    found, facts = classify_record(problem.status, f"{code}: {text}", ACCOUNT)
    assert found.name == name
    assert found.cause_with(facts) == error.cause
    assert found.fix_with(facts) == error.fix


@pytest.mark.parametrize("status", [each for each in RegionStatus if each is not RegionStatus.ACTIVE])
@pytest.mark.parametrize("text", ["", "no code in it", "UninitializedAccountException: no", "ValidationException: no"])
def test_a_stored_text_never_says_something_else_than_the_status(status: RegionStatus, text: str) -> None:
    assert classify_record(status, text, ACCOUNT).error_class.status is status


def test_a_session_that_every_region_rejects_is_told_from_a_region_that_is_off() -> None:
    text = "UnrecognizedClientException: The security token included in the request is invalid."
    assert classify_record(RegionStatus.ERROR, text, ACCOUNT).error_class.name == "SessionRejected"
    assert classify_record(RegionStatus.REGION_NOT_ENABLED, text, ACCOUNT).error_class.name == "RegionNotEnabled"


@pytest.mark.parametrize(
    "code", [*ThrottledRetryableChecker._THROTTLED_ERROR_CODES, "ReplicatedWriteConflictException"]
)
def test_what_the_sdk_retries_for_throttling_is_retried(code: str) -> None:
    error_class = classify(code, http_status=400)
    assert max_attempts(error_class) > 1
    assert error_class.throttle or error_class.name == "ServerFault"


@pytest.mark.parametrize(
    ("code", "text", "attempts"),
    [
        ("RequestTimeTooSkewed", "", 2),
        ("InvalidSignatureException", EXPIRED, 2),
        ("InvalidSignatureException", "The request signature we calculated does not match", 1),
        ("ExpiredTokenException", "", 2),
        ("EndpointUnreachable", "", 2),
        ("ProxyUnreachable", "", 2),
        ("ProxyRefused", "", 1),
        ("CertificateRefused", "", 1),
    ],
)
def test_how_often_an_error_is_tried(code: str, text: str, attempts: int) -> None:
    assert max_attempts(classify(code, message=text)) == attempts


@pytest.mark.parametrize("name", ERROR_CLASSES)
def test_every_class_has_a_cause_and_a_fix_with_known_facts(name: str) -> None:
    error_class = ERROR_CLASSES[name]
    assert error_class.name == name
    assert re.fullmatch("[A-Z][a-zA-Z]+", name)
    for text in (error_class.cause, error_class.fix):
        assert {field for _, field, _, _ in Formatter().parse(text) if field} <= set(DEFAULT_FACTS)
    assert min(len(error_class.cause_with({})), len(error_class.fix_with({}))) > 15
    assert "{" not in error_class.cause_with({}) + error_class.fix_with({"role": "{role}"}).replace("{role}", "")
    assert not error_class.throttle or error_class.retry
    assert not error_class.retry_once or error_class.retry


def test_every_status_but_active_has_a_class() -> None:
    assert {status: each.status for status, each in BY_STATUS.items()} == {
        status: status for status in RegionStatus if status is not RegionStatus.ACTIVE
    }
