"""Table of error classes: the cause and the fix of what can go wrong, and what a call does about it.

Syncs, queries and the doctor take cause and fix from here, so they never tell one error in two ways. docs/errors.md is
generated from the table. `service/error_codes.py` decides which class an error has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from service.models import RegionStatus as S

__all__ = ["BY_STATUS", "DEFAULT_FACTS", "ERROR_CLASSES", "ErrorClass"]

DEFAULT_FACTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "account": "the account",
        "action": "the action",
        "caller": "the role that drs-sync uses in that account",
        "credentials": "this process has no AWS credentials",
        "key": "the key of the table",
        "or_exclude": ", or exclude the region (DRS_EXCLUDED_REGIONS) or this account's scope"
        " (DRS_EXCLUDED_SCOPES=account/region)",
        "role": "the role",
        "service": "the service",
        "staging": "the staging account",
        "table": "the table",
        "target": "the target account",
    }
)
"""Facts that causes and fixes can name, and what stands there when a fact is not known.

No region: an error that many regions have is one entry of a report, which lists the regions.
"""


class _Facts(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return DEFAULT_FACTS[name]


@dataclass(frozen=True, slots=True)
class ErrorClass:
    """Class of an error.

    Args:
        name: its name, as reports and answers show it (`errorClass`).
        cause: what is wrong; facts are in braces.
        fix: how to fix it; facts are in braces.
        status: region status of a scope whose scan ended with it.
        retry: another attempt may succeed.
        throttle: the service asks for fewer calls.
        expired: the session is too old: an assumed role is assumed again before the next attempt.
        retry_once: there is one more attempt only, since it succeeds at once or never, or costs a time-out.
    """

    name: str
    cause: str
    fix: str
    status: S = S.ERROR
    retry: bool = False
    throttle: bool = False
    expired: bool = False
    retry_once: bool = False

    def cause_with(self, facts: Mapping[str, str]) -> str:
        """Return the cause with these facts."""
        return self.cause.format_map(_Facts(facts))

    def fix_with(self, facts: Mapping[str, str]) -> str:
        """Return the fix with these facts."""
        return self.fix.format_map(_Facts(facts))


_DENIED: Final = S.IAM_PERMISSION_DENIED
_UNREACHABLE: Final = S.ENDPOINT_UNREACHABLE
_AGAIN: Final = "try again (drs-sync sync inventory); if the error persists, "

_CLASSES: Final = (
    # Credentials and time
    ErrorClass(
        "ClockSkew",
        "AWS does not accept the time of the signature, also of a fresh one",
        "set the clock of this host (NTP): AWS accepts a deviation of five minutes",
        retry=True,
        retry_once=True,
    ),
    ErrorClass(
        "SessionExpired",
        "the session of the credentials is expired",
        "log in again, or renew the credentials of this process; if they are new, set the clock of this host",
        retry=True,
        expired=True,
        retry_once=True,
    ),
    ErrorClass(
        "CredentialsRejected",
        "AWS refuses the credentials",
        "renew them: the key is deleted, inactive, mistyped, of another partition, or its session token is missing",
    ),
    ErrorClass(
        "NoCredentials",
        "{credentials}",
        "give this process credentials of the hub account: a profile (AWS_PROFILE), a role, or AWS_ACCESS_KEY_ID and"
        " AWS_SECRET_ACCESS_KEY",
    ),
    ErrorClass(
        "SessionRejected",
        "every region rejects this session",
        "use regional STS endpoints (AWS_STS_REGIONAL_ENDPOINTS=regional), and check the role",
    ),
    ErrorClass(
        "AccountSuspended",
        "AWS has suspended or closed {account}",
        "have {account} reopened (AWS Support), or remove its record from the target accounts table",
        _DENIED,
    ),
    # Roles
    ErrorClass(
        "RoleNotAssumable",
        "{role} does not exist, requires another external id, or does not trust the hub; STS gives the same error for"
        " all three",
        "in {account}: (1) create {role} if it does not exist, or correct roleArn in the record; (2) require the"
        " external id of the record in its trust policy, or correct the record; (3) allow sts:AssumeRole to the hub in"
        " its trust policy; and allow the hub's own role to assume it",
        _DENIED,
    ),
    ErrorClass(
        "RoleTrust",
        "the trust policy of {role} does not allow it to the hub",
        "in {account}: allow sts:AssumeRole to the hub in the trust policy of {role}, with the external id of the"
        " record",
        _DENIED,
    ),
    ErrorClass(
        "RoleNotAllowed",
        "the role has another name than the one that may be assumed",
        "correct roleArn in the record of {account}, or CROSS_ACCOUNT_ROLE_NAME",
        _DENIED,
    ),
    ErrorClass(
        "AccountNotNamed",
        "no record of the target accounts table names {account}, and DRS does not name it as the origin of a server",
        "record {account} if it is to be entered: drs-sync accounts add, or accounts add-staging",
        _DENIED,
    ),
    ErrorClass(
        "AccountNotRecorded",
        "no record of the target accounts table names {account}, and ENTER_RECORDED_ACCOUNTS_ONLY is set",
        "set ENTER_RECORDED_ACCOUNTS_ONLY=false, or record {account} if it is a target or staging account: drs-sync"
        " accounts add, or accounts add-staging",
        _DENIED,
    ),
    ErrorClass(
        "SessionPolicyTooLarge",
        "the session policy of drs-sync and the session tags of this process are too large together for one session",
        "remove transitive session tags from the session of this process, or shorten them: the policy itself is short",
        _DENIED,
    ),
    ErrorClass(
        "InvalidStagingRecord",
        "a staging account in the record of {account} cannot be used",
        "write its accountId as text of twelve digits: drs-sync accounts remove-staging, then add-staging",
    ),
    ErrorClass(
        "InvalidAccountRecord",
        "the record of {account} in the target accounts table cannot be used",
        "correct roleArn or externalId in the record of {account}: the role must belong to that account, and the"
        " external id must be the one that its trust policy requires",
    ),
    # Denials, told apart by AWS's text
    ErrorClass(
        "Denied",
        "AWS denies {action} without naming a policy",
        "allow {action} to {caller}, and in its permissions boundary if it has one",
        _DENIED,
    ),
    ErrorClass(
        "IdentityPolicy",
        "no policy of the caller allows {action}",
        "allow {action} in a policy of {caller}, and in its permissions boundary if it has one",
        _DENIED,
    ),
    ErrorClass(
        "ExplicitDeny",
        "a policy of the caller denies {action} explicitly",
        "remove the explicit deny of {action} from the policies of {caller}: no other policy can overrule it",
        _DENIED,
    ),
    ErrorClass(
        "ServiceControlPolicy",
        "a service control policy forbids {action}",
        "allow {action} in the organisation's service control policies{or_exclude}",
        S.SCP_DENIED,
    ),
    ErrorClass(
        "ResourceControlPolicy",
        "a resource control policy forbids {action}",
        "allow {action} in the organisation's resource control policies",
        _DENIED,
    ),
    ErrorClass(
        "PermissionsBoundary",
        "the permissions boundary of the caller does not allow {action}",
        "allow {action} in the permissions boundary of {caller}",
        _DENIED,
    ),
    ErrorClass(
        "SessionPolicy",
        "the policy of the session does not allow {action}",
        "allow {action} in the session policy with which the credentials of {caller} were requested; if drs-sync itself"
        " assumed that role, report it as a fault of drs-sync",
        _DENIED,
    ),
    ErrorClass(
        "VpcEndpointPolicy",
        "the policy of a VPC endpoint does not allow {action}",
        "allow {action} in the policy of the VPC endpoint of {service} through which this host calls AWS",
        _DENIED,
    ),
    ErrorClass(
        "ResourcePolicy",
        "a resource-based policy does not allow {action}",
        "allow {action} to {caller} in the policy of the resource",
        _DENIED,
    ),
    ErrorClass(
        "KmsKey",
        "the KMS key of {table} may not be used",
        "allow kms:Decrypt, kms:Encrypt, kms:ReEncrypt*, kms:GenerateDataKey*, kms:DescribeKey and kms:CreateGrant on"
        " {key} to {caller}, in its policies and in the key policy",
        _DENIED,
    ),
    ErrorClass(
        "KmsKeyUnusable",
        "the KMS key of {table} is disabled, pending deletion or gone",
        "enable {key}, or cancel its deletion",
    ),
    ErrorClass(
        "StagingTrust",
        "DRS of {staging} does not trust {target}, or the caller's role lacks {action}",
        "let {staging} trust {target} (AWS DRS console, trusted accounts), and allow {action} to {caller}",
        _DENIED,
    ),
    # Regions
    ErrorClass(
        "NotInitialized",
        "DRS is not initialised there",
        "if servers are to replicate to that region of {account}, initialise DRS (drs:InitializeService)",
        S.NOT_INITIALIZED,
    ),
    ErrorClass(
        "UnconfirmedEmpty",
        "DRS claims that it was never initialised, although servers are known there",
        "check the account's DRS console in that region: if its servers are there, AWS answered wrongly and the next"
        " sync repairs it; if DRS was given up there, the next inventory sync removes them from the inventory",
    ),
    ErrorClass(
        "RegionNotEnabled",
        "the region is not enabled for {account}, or rejects session tokens of this STS endpoint",
        "enable the region for {account} (account:EnableRegion){or_exclude}; if it is enabled, use regional STS"
        " endpoints (AWS_STS_REGIONAL_ENDPOINTS=regional), or make tokens of the global STS endpoint valid in all"
        " regions",
        S.REGION_NOT_ENABLED,
    ),
    ErrorClass(
        "StsInactive",
        "STS is not active in that region for {account}",
        "activate STS for that region in {account} (IAM, account settings)",
        S.REGION_NOT_ENABLED,
    ),
    ErrorClass(
        "NotOptedIn",
        "{account} has not opted in to the region, or its sign-up is not finished",
        "opt in to the region for {account}{or_exclude}",
        S.REGION_NOT_OPTED_IN,
    ),
    # Limits
    ErrorClass(
        "Throttled",
        "AWS throttles the calls",
        "lower DRS_CALLS_PER_SECOND, or start the syncs at different times",
        S.THROTTLED,
        retry=True,
        throttle=True,
    ),
    ErrorClass(
        "TableThrottled",
        "DynamoDB throttles the calls to {table}",
        "use on-demand capacity (PAY_PER_REQUEST) for {table}, or raise its capacity, or start the syncs at different"
        " times",
        S.THROTTLED,
        retry=True,
        throttle=True,
    ),
    ErrorClass(
        "QuotaReached",
        "a quota of {service} is reached",
        "raise the quota in the Service Quotas console",
    ),
    ErrorClass(
        "TargetFull",
        "{target} has as many servers in that region as its DRS quota allows",
        "raise the DRS quota of {target}, or extend into another target account",
    ),
    # Connections
    ErrorClass(
        "EndpointUnreachable",
        "the endpoint of {service} cannot be reached from this host",
        "check DNS, egress and VPC endpoints of this host for that region",
        _UNREACHABLE,
        retry=True,
        retry_once=True,
    ),
    ErrorClass(
        "ConnectionLost",
        "the connection was lost before the response was complete",
        _AGAIN + "check egress, proxy and firewall of this host",
        retry=True,
    ),
    ErrorClass(
        "ProxyRefused",
        "the proxy of this host refuses the connection",
        "check the proxy's address, user and password in HTTPS_PROXY, and let it pass the host of AWS; list hosts that"
        " need no proxy in NO_PROXY",
        _UNREACHABLE,
    ),
    ErrorClass(
        "ProxyFailed",
        "the proxy of this host cannot reach AWS",
        "check that the proxy resolves and reaches the host of AWS, or list that host in NO_PROXY if it needs no proxy",
        _UNREACHABLE,
        retry=True,
        retry_once=True,
    ),
    ErrorClass(
        "ProxyUnreachable",
        "the proxy of this host cannot be reached",
        "correct HTTPS_PROXY, or list the host of AWS in NO_PROXY if it needs no proxy",
        _UNREACHABLE,
        retry=True,
        retry_once=True,
    ),
    ErrorClass(
        "CertificateUnknownIssuer",
        "this host does not trust the issuer of the certificate, as where a proxy inspects TLS",
        "set AWS_CA_BUNDLE to a file with the certificate of that CA",
        _UNREACHABLE,
    ),
    ErrorClass(
        "CertificateOtherName",
        "the certificate is for another host name",
        "check the endpoint that is set (AWS_ENDPOINT_URL*) and what DNS of this host returns for its name",
        _UNREACHABLE,
    ),
    ErrorClass(
        "CertificateExpired",
        "the certificate is expired or not yet valid",
        "set the clock of this host if it is wrong; else the owner of the endpoint or proxy must renew the certificate",
        _UNREACHABLE,
    ),
    ErrorClass(
        "CertificateRefused",
        "no TLS connection could be made",
        "check the certificates to trust (AWS_CA_BUNDLE), and proxy and firewall of this host",
        _UNREACHABLE,
    ),
    ErrorClass(
        "MalformedResponse",
        "the response has an unexpected structure",
        _AGAIN + "check that the endpoint is one of AWS (AWS_ENDPOINT_URL*) and that no proxy changes its responses",
        retry=True,
    ),
    # Deadlines
    ErrorClass(
        "ScopeDeadline",
        "the scan of the scope did not end in time; the message says what was not done",
        "raise SCOPE_DEADLINE_SECONDS, or exclude slow regions (DRS_EXCLUDED_REGIONS)",
    ),
    ErrorClass(
        "RunDeadline",
        "the time of the run was up",
        "run it again, which does the rest; or raise --time-limit (a function: its timeout)",
    ),
    ErrorClass(
        "QueryDeadline",
        "the answer was not read in time",
        "ask for fewer accounts or regions, or raise QUERY_DEADLINE_SECONDS",
    ),
    ErrorClass(
        "CheckDeadline",
        "a check did not end in time",
        "look for a slow or unreachable endpoint, name fewer accounts, or raise SCOPE_DEADLINE_SECONDS",
    ),
    # Tables
    ErrorClass(
        "TableMissing",
        "{table} does not exist in this account and region",
        "create it (drs-sync tables create), or correct the setting with its name, or set AWS_REGION to the region that"
        " holds the tables",
    ),
    ErrorClass(
        "TableDeadline",
        "{table} was not ready in time",
        "run drs-sync tables create again, which does the rest",
    ),
    ErrorClass(
        "NotFound",
        "what the call names does not exist",
        "check the name, the account and the region",
    ),
    # All others
    ErrorClass(
        "ServerFault",
        "a fault of AWS itself",
        _AGAIN + "look at the AWS Health Dashboard",
        retry=True,
    ),
    ErrorClass(
        "Unknown",
        "an error that drs-sync does not know",
        _AGAIN + "look up its code in the API reference",
    ),
)

ERROR_CLASSES: Final[Mapping[str, ErrorClass]] = MappingProxyType({each.name: each for each in _CLASSES})
"""Every class, by name."""

BY_STATUS: Final[Mapping[S, ErrorClass]] = MappingProxyType(
    {
        S.NOT_INITIALIZED: ERROR_CLASSES["NotInitialized"],
        S.IAM_PERMISSION_DENIED: ERROR_CLASSES["Denied"],
        S.SCP_DENIED: ERROR_CLASSES["ServiceControlPolicy"],
        S.REGION_NOT_ENABLED: ERROR_CLASSES["RegionNotEnabled"],
        S.REGION_NOT_OPTED_IN: ERROR_CLASSES["NotOptedIn"],
        S.THROTTLED: ERROR_CLASSES["Throttled"],
        S.ENDPOINT_UNREACHABLE: ERROR_CLASSES["EndpointUnreachable"],
        S.ERROR: ERROR_CLASSES["Unknown"],
    }
)
"""The class of a stored region status whose error code says nothing more."""
