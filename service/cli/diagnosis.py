"""Diagnosis of a set-up: turns what AWS answered to a check into a cause and a fix. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from service.accounts.records import AccountDirectory, RoleRef
from service.aws.client import Identity
from service.cli.schemas import TableSpec, schema_problems
from service.errors import AwsError
from service.models import RegionStatus, Scope
from service.regions.selection import StatusUnavailable
from service.regions.status_rows import RegionRow

__all__ = [
    "Finding",
    "Level",
    "diagnose_accounts_error",
    "diagnose_directory",
    "diagnose_hub",
    "diagnose_region",
    "diagnose_role",
    "diagnose_status",
    "diagnose_table",
    "diagnose_table_error",
    "has_bad_credentials",
    "regions_to_check",
]


class Level(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check: the cause, and how to fix it unless all is well."""

    check: str
    status: Level
    cause: str
    fix: str = ""
    account_id: str = ""
    region: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the JSON members; account and region only if the finding is about one."""
        scope = {"accountId": self.account_id, "region": self.region}
        present = {name: value for name, value in scope.items() if value}
        return {"check": self.check, "status": str(self.status), **present, "cause": self.cause, "cure": self.fix}


def diagnose_table(spec: TableSpec, name: str, description: Mapping[str, Any]) -> Finding:
    """Compare a table, as DescribeTable describes it, with its expected schema."""
    problems = list(schema_problems(spec, description))
    if not problems:
        return Finding(spec.check, Level.OK, f"{name} has its keys and indexes")
    fix = (
        f"set {spec.variable} to the platform's table, or create a new one with {spec.description}; "
        "the keys of an existing table cannot be changed"
    )
    return Finding(spec.check, Level.FAILED, f"{name}: {'; '.join(problems)}", fix)


def diagnose_table_error(spec: TableSpec, name: str, error: AwsError) -> Finding:
    """Explain why a table could not be read."""
    region = error.call.region
    if error.code == "ResourceNotFoundException":
        fix = f"create it, set {spec.variable} to the right name, or set AWS_REGION to the region that holds the tables"
        return Finding(spec.check, Level.FAILED, error.message, fix, region=region)
    if error.error_class.status in {RegionStatus.IAM_PERMISSION_DENIED, RegionStatus.SCP_DENIED}:
        fix = f"allow the hub's own role dynamodb:{error.call.operation} on {name}"
        return Finding(spec.check, Level.FAILED, f"{name}: {error.code}: {error.message}", fix, region=region)
    return _diagnose_other(spec.check, error, Scope("", region))


def diagnose_status(rows: Sequence[RegionRow] | StatusUnavailable) -> Finding:
    """Check the content of the region status table."""
    check, effect = "region status", "so every sync scans every region"
    if isinstance(rows, StatusUnavailable):
        fix = "repair the table or the hub's access to it; until then syncs work, but slowly"
        return Finding(check, Level.FAILED, f"{rows.reason}, {effect}", fix)
    if not rows:
        fix = "run drs-sync sync inventory once, and check that it is scheduled"
        return Finding(check, Level.WARNING, f"the region status table is empty, {effect}", fix)
    active = sum(row.server_count > 0 for row in rows)
    return Finding(check, Level.OK, f"the table has {len(rows)} regions, {active} of them active")


def diagnose_directory(directory: AccountDirectory) -> Finding:
    """Check that there are valid records in the target accounts table."""
    if not directory.targets:
        fix = "add the accounts to sync to the target accounts table"
        return Finding("accounts", Level.WARNING, "there are no target accounts", fix)
    staging = {staging for account in directory.targets.values() for staging in account.staging}
    return Finding("accounts", Level.OK, f"{len(directory.targets)} target and {len(staging)} staging accounts")


def diagnose_accounts_error(table_name: str, error: AwsError) -> Finding:
    """Explain why the target accounts could not be read."""
    fix = f"repair the table {table_name} or the hub's access to it (dynamodb:Scan); until then no account is checked"
    return Finding("accounts", Level.FAILED, f"{error.code}: {error.message}", fix)


_REJECTED_CREDENTIALS: Final = frozenset(
    {"InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException", "IncompleteSignature"}
)


def has_bad_credentials(error: AwsError) -> bool:
    """Whether an error of the hub means that its credentials are missing, invalid or expired: no call can succeed."""
    return error.code == "NoCredentials" or error.code in _REJECTED_CREDENTIALS or error.error_class.expired


def diagnose_hub(hub: Identity | AwsError, hub_region: str) -> Finding:
    """Report which account the hub is, or explain why its credentials do not work."""
    if isinstance(hub, Identity):
        return Finding("hub", Level.OK, f"this is account {hub.account_id}; its tables are in {hub_region}")
    text = f"{hub.code}: {hub.message}"
    if hub.code == "NoCredentials":
        fix = (
            "give this process credentials of the hub account: AWS_PROFILE, a role, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY"
        )
        return Finding("hub", Level.FAILED, f"this process has no AWS credentials: {hub.message}", fix)
    if hub.code in _REJECTED_CREDENTIALS:
        fix = (
            "renew them: the key is deleted, inactive, mistyped, of another partition, or its session token is missing"
        )
        return Finding("hub", Level.FAILED, f"AWS refuses the hub's credentials: {text}", fix)
    if hub.error_class.expired:
        fix = "log in again to renew them, or set the clock of this host"
        return Finding("hub", Level.FAILED, f"the hub's credentials are expired: {text}", fix)
    return _diagnose_other("hub", hub, Scope("", hub_region))


def diagnose_role(error: AwsError, scope: Scope, *, role: RoleRef, hub: str) -> Finding:
    """Explain why the role of an account could not be assumed; `scope` is that account and the region of STS."""
    account_id, text, status = scope.account_id, f"{error.code}: {error.message}", error.error_class.status
    arn = role.arn or f"the role {role.name}"
    if error.code == "InvalidAccountRecord":
        fix = (
            f"correct roleArn or externalId in the record of {account_id}: the role must belong to that account, "
            "and the external id must be the one that its trust policy requires"
        )
        return Finding("role", Level.FAILED, error.message, fix, account_id)
    if status is RegionStatus.SCP_DENIED:
        fix = f"allow sts:AssumeRole on {arn} in the organisation's service control policies"
        return Finding("role", Level.FAILED, f"a service control policy forbids it: {text}", fix, account_id)
    if status is RegionStatus.IAM_PERMISSION_DENIED and "identity-based policy" in error.message:
        fix = f"allow the hub's own role sts:AssumeRole on {arn}"
        return Finding("role", Level.FAILED, f"the hub ({hub}) may not assume it: {text}", fix, account_id)
    if status is RegionStatus.IAM_PERMISSION_DENIED:
        cause = (
            "the role does not exist, requires another external id, or does not trust the hub; "
            f"STS gives the same error for all three: {text}"
        )
        fix = (
            f"in account {account_id}: (1) create {arn} if it does not exist, or correct roleArn in the record; "
            f"(2) require the external id of the record, {role.external_id!r}, in its trust policy, or correct the "
            f"record; (3) allow sts:AssumeRole to {hub} in its trust policy; and allow the hub's own role to assume it"
        )
        return Finding("role", Level.FAILED, cause, fix, account_id)
    if error.code == "RegionDisabledException":
        return _sts_inactive("role", scope, text)
    return _diagnose_other("role", error, scope)


def diagnose_region(scope: Scope, error: AwsError, *, expected: bool, is_hub: bool) -> Finding:
    """Explain why DRS returned an error in a scope.

    Args:
        scope: the scope.
        error: the error of DescribeSourceServers.
        expected: DRS should be in use: the region was named by the user or is known to have servers.
        is_hub: the account is the hub, which uses its own credentials.
    """
    account_id, region = scope
    text = f"{error.code}: {error.message}"
    if error.error_class.status is RegionStatus.NOT_INITIALIZED:
        if not expected:
            return Finding("drs", Level.OK, "DRS answers; it is not initialised here", "", account_id, region)
        fix = f"if servers are to replicate to {region} of account {account_id}, initialise DRS (drs:InitializeService)"
        return Finding("drs", Level.WARNING, "DRS is not initialised here", fix, account_id, region)
    if error.code == "RegionDisabledException":
        return _sts_inactive("drs", scope, text)
    exclude, role = "add the region to DRS_EXCLUDED_REGIONS", "the hub's own role" if is_hub else "the account's role"
    known = {
        RegionStatus.SCP_DENIED: (
            "a service control policy forbids it",
            f"allow it in the organisation's service control policies, or {exclude}",
        ),
        RegionStatus.IAM_PERMISSION_DENIED: (
            "IAM does not allow it",
            f"allow drs:DescribeSourceServers in a policy of {role}, and in its permissions boundary if it has one",
        ),
        RegionStatus.REGION_NOT_ENABLED: (
            "the region is not enabled for the account, or rejects session tokens of this STS endpoint",
            f"enable {region} for account {account_id} (account:EnableRegion), or {exclude}; if it is enabled, set "
            "AWS_STS_REGIONAL_ENDPOINTS=regional, or make tokens of the global STS endpoint valid in all regions",
        ),
        RegionStatus.REGION_NOT_OPTED_IN: (
            "the account has not opted in to the region, or its sign-up is not finished",
            f"opt in to {region} for account {account_id}, or {exclude}",
        ),
    }
    if error.error_class.status not in known:
        return _diagnose_other("drs", error, scope)
    cause, fix = known[error.error_class.status]
    return Finding("drs", Level.FAILED, f"{cause}: {text}", fix, account_id, region)


def _sts_inactive(check: str, scope: Scope, text: str) -> Finding:
    fix = f"in account {scope.account_id}, activate STS for {scope.region} (IAM, account settings)"
    cause = f"STS is not active in {scope.region} for the account: {text}"
    return Finding(check, Level.FAILED, cause, fix, *scope)


def _diagnose_other(check: str, error: AwsError, scope: Scope) -> Finding:
    call, text, status = error.call, f"{error.code}: {error.message}", error.error_class.status
    if status is RegionStatus.ENDPOINT_UNREACHABLE:
        cause = f"the endpoint of {call.service} in {call.region} cannot be reached: {text}"
        fix = error.error_class.advice or "check DNS, egress and VPC endpoints of this host for that region"
        return Finding(check, Level.FAILED, cause, fix, *scope)
    if status is RegionStatus.THROTTLED:
        return Finding(check, Level.WARNING, f"throttled while checking: {text}", "try again later", *scope)
    fix = error.error_class.advice or "try again; if the error persists, look up its code in the API reference"
    return Finding(check, Level.FAILED, f"{call.service}:{call.operation}: {text}", fix, *scope)


def regions_to_check(
    account_id: str, rows: Sequence[RegionRow], *, requested: Sequence[str], excluded: Sequence[str], fallback: str
) -> list[tuple[str, bool]]:
    """Choose the regions in which DRS is checked for an account, each with whether DRS should be in use there.

    The requested regions; else those where the account has servers; else those where any account has servers, although
    this account may not use them; else `fallback`, so that the account's permissions are checked at least once.
    """
    if requested:
        return [(region, True) for region in dict.fromkeys(requested)]
    active = [row for row in rows if row.server_count > 0 and row.region not in excluded]
    entries = {row.region: row.accounts.get(account_id) for row in active}
    own = [region for region, entry in entries.items() if entry and entry.server_count]
    if own:
        return [(region, True) for region in sorted(own)]
    return [(region, False) for region in sorted(entries)] or [(fallback, False)]
