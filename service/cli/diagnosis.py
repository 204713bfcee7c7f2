"""What a set-up that does not work looks like from outside, and how it is mended. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from service.accounts.records import Directory, RoleRef
from service.aws.client import Identity
from service.cli.schemas import TableSpec, problems_of
from service.errors import AwsError
from service.models import RegionStatus, Scope
from service.regions.selection import StatusUnavailable
from service.regions.status_rows import RegionRow

__all__ = [
    "Finding",
    "Level",
    "judge_accounts_error",
    "judge_directory",
    "judge_hub",
    "judge_region",
    "judge_role",
    "judge_status",
    "judge_table",
    "judge_table_error",
    "lacks_credentials",
    "scopes_to_try",
]


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: the cause, and the cure where one is needed."""

    check: str
    status: Level
    cause: str
    cure: str = ""
    account_id: str = ""
    region: str = ""

    def as_json(self) -> dict[str, str]:
        """Give the members; account and region only where the finding is about one."""
        scope = {"accountId": self.account_id, "region": self.region}
        named = {name: value for name, value in scope.items() if value}
        return {"check": self.check, "status": str(self.status), **named, "cause": self.cause, "cure": self.cure}


def judge_table(spec: TableSpec, name: str, described: Mapping[str, Any]) -> Finding:
    """Hold a table, as DescribeTable gives it, against what it must be."""
    problems = list(problems_of(spec, described))
    if not problems:
        return Finding(spec.check, Level.OK, f"{name} has its keys and indexes")
    cure = f"point {spec.variable} at the platform's table, or make one anew with {spec.wanted}; keys cannot be changed"
    return Finding(spec.check, Level.FAILED, f"{name}: {'; '.join(problems)}", cure)


def judge_table_error(spec: TableSpec, name: str, error: AwsError) -> Finding:
    """Say why a table could not be looked at."""
    where = error.call.region
    if error.code == "ResourceNotFoundException":
        cure = f"make it, set {spec.variable} to the right name, or AWS_REGION to the region that holds the tables"
        return Finding(spec.check, Level.FAILED, error.message, cure, region=where)
    if error.error_class.status.is_denied:
        cure = f"allow the hub's own role dynamodb:{error.call.operation} on {name}"
        return Finding(spec.check, Level.FAILED, f"{name}: {error.code}: {error.message}", cure, region=where)
    return _other(spec.check, error, Scope("", where))


def judge_status(rows: Sequence[RegionRow] | StatusUnavailable) -> Finding:
    """Judge what the region status table tells."""
    check, effect = "region status", "so every sync looks at every region"
    if isinstance(rows, StatusUnavailable):
        cure = "mend the table; until then syncs work, but slowly"
        return Finding(check, Level.FAILED, f"{rows.reason}, {effect}", cure)
    if not rows:
        cure = "run drs-sync sync inventory once, and see that it is scheduled"
        return Finding(check, Level.WARNING, f"the region status table is empty, {effect}", cure)
    active = sum(row.server_count > 0 for row in rows)
    return Finding(check, Level.OK, f"{len(rows)} regions are known, {active} of them active")


def judge_directory(directory: Directory) -> Finding:
    """Judge the records of the target accounts table that can be used."""
    if not directory.targets:
        return Finding("accounts", Level.WARNING, "there is no target account", "add the accounts to look at")
    staging = {staging for account in directory.targets.values() for staging in account.staging}
    return Finding("accounts", Level.OK, f"{len(directory.targets)} target and {len(staging)} staging accounts")


def judge_accounts_error(name: str, error: AwsError) -> Finding:
    """Say why the target accounts could not be read."""
    cure = f"mend the table {name} and the hub's right to scan it; no account can be looked at before"
    return Finding("accounts", Level.FAILED, f"{error.code}: {error.message}", cure)


_REFUSED: Final = frozenset(
    {"InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException", "IncompleteSignature"}
)


def lacks_credentials(error: AwsError) -> bool:
    """Tell whether the hub's credentials are at fault, so that no other call can succeed."""
    return error.code == "NoCredentials" or error.code in _REFUSED or error.error_class.expired


def judge_hub(hub: Identity | AwsError, hub_region: str) -> Finding:
    """Say who the hub is, or why its own credentials do not serve."""
    if isinstance(hub, Identity):
        return Finding("hub", Level.OK, f"this is account {hub.account_id}; its tables are in {hub_region}")
    text = f"{hub.code}: {hub.message}"
    if hub.code == "NoCredentials":
        cure = (
            "give this process credentials of the hub account: AWS_PROFILE, a role, or AWS_ACCESS_KEY_ID and its secret"
        )
        return Finding("hub", Level.FAILED, f"this process has no AWS credentials: {hub.message}", cure)
    if hub.code in _REFUSED:
        cure = "renew them: the key is deleted, inactive, mistyped, of another partition, or lacks its session token"
        return Finding("hub", Level.FAILED, f"AWS refuses the hub's credentials: {text}", cure)
    if hub.error_class.expired:
        cure = "log in again to renew them, or set the clock of this host"
        return Finding("hub", Level.FAILED, f"the hub's credentials are expired: {text}", cure)
    return _other("hub", hub, Scope("", hub_region))


def judge_role(error: AwsError, scope: Scope, *, role: RoleRef, hub: str) -> Finding:
    """Say why the role of an account could not be assumed; `place` is the account, and where STS was asked."""
    who, text, status = scope.account_id, f"{error.code}: {error.message}", error.error_class.status
    arn = role.arn or f"the role {role.name}"
    if error.code == "InvalidAccountRecord":
        cure = f"correct roleArn or externalId in the record of {who}: a role of that account, and what it asks for"
        return Finding("role", Level.FAILED, error.message, cure, who)
    if status is RegionStatus.SCP_DENIED:
        cure = f"have the organisation's service control policies allow sts:AssumeRole on {arn}"
        return Finding("role", Level.FAILED, f"a service control policy forbids it: {text}", cure, who)
    if status is RegionStatus.IAM_PERMISSION_DENIED and "identity-based policy" in error.message:
        cure = f"allow the hub's own role sts:AssumeRole on {arn}"
        return Finding("role", Level.FAILED, f"the hub ({hub}) may not assume it: {text}", cure, who)
    if status is RegionStatus.IAM_PERMISSION_DENIED:
        cause = f"no such role, another external id, or no trust in the hub; STS answers all of them alike: {text}"
        cure = (
            f"in account {who}: (1) make {arn} if it is not there, or correct roleArn in the record; "
            f"(2) let its trust policy ask for the external id of the record, {role.external_id!r}, or correct the "
            f"record; (3) let its trust policy allow sts:AssumeRole to {hub}; and let the hub's own role assume it"
        )
        return Finding("role", Level.FAILED, cause, cure, who)
    if error.code == "RegionDisabledException":
        return _sts_off("role", scope, text)
    return _other("role", error, scope)


def judge_region(scope: Scope, error: AwsError, *, expected: bool, is_hub: bool) -> Finding:
    """Say why DRS does not answer for a place. `expected`: it was asked for, or is known to have servers."""
    who, where, text = *scope, f"{error.code}: {error.message}"
    if error.error_class.status is RegionStatus.NOT_INITIALIZED:
        if not expected:
            return Finding("drs", Level.OK, "DRS answers; it was never initialised here", "", who, where)
        cure = f"initialise DRS in {where} of account {who} if servers are to be there (drs:InitializeService)"
        return Finding("drs", Level.WARNING, "DRS is not initialised here", cure, who, where)
    if error.code == "RegionDisabledException":
        return _sts_off("drs", scope, text)
    excluded, role = "add the region to DRS_EXCLUDED_REGIONS", "the hub's own role" if is_hub else "the account's role"
    known = {
        RegionStatus.SCP_DENIED: (
            "a service control policy forbids it",
            f"have the organisation's service control policy allow it, or {excluded}",
        ),
        RegionStatus.IAM_PERMISSION_DENIED: (
            "IAM does not allow it",
            f"allow drs:DescribeSourceServers in a policy of {role}, and in its permissions boundary if it has one",
        ),
        RegionStatus.REGION_NOT_ENABLED: (
            "the region is not enabled for the account, or takes no token of this STS endpoint",
            f"enable {where} for account {who} (account:EnableRegion), or {excluded}; where it is enabled, set "
            "AWS_STS_REGIONAL_ENDPOINTS=regional, or make tokens of the global endpoint valid in every region",
        ),
        RegionStatus.REGION_NOT_OPTED_IN: (
            "the account has not opted in to the region, or its sign-up is not finished",
            f"opt in to {where} for account {who}, or {excluded}",
        ),
    }
    if error.error_class.status not in known:
        return _other("drs", error, scope)
    cause, cure = known[error.error_class.status]
    return Finding("drs", Level.FAILED, f"{cause}: {text}", cure, who, where)


def _sts_off(check: str, scope: Scope, text: str) -> Finding:
    cure = f"in account {scope.account_id}, activate STS for {scope.region} (IAM, account settings)"
    return Finding(check, Level.FAILED, f"STS is off in {scope.region} for the account: {text}", cure, *scope)


def _other(check: str, error: AwsError, scope: Scope) -> Finding:
    call, text, status = error.call, f"{error.code}: {error.message}", error.error_class.status
    if status is RegionStatus.ENDPOINT_UNREACHABLE:
        cause = f"the endpoint of {call.service} in {call.region} cannot be reached: {text}"
        cure = error.error_class.advice or "check DNS, egress and VPC endpoints of this host for that region"
        return Finding(check, Level.FAILED, cause, cure, *scope)
    if status is RegionStatus.THROTTLED:
        return Finding(check, Level.WARNING, f"AWS was too busy to tell: {text}", "try again later", *scope)
    cure = error.error_class.advice or "try again; if it stays, look the code up in the API reference"
    return Finding(check, Level.FAILED, f"{call.service}:{call.operation}: {text}", cure, *scope)


def scopes_to_try(
    account_id: str, rows: Sequence[RegionRow], *, asked: Sequence[str], excluded: Sequence[str], otherwise: str
) -> list[tuple[str, bool]]:
    """Name the regions to try for an account, and whether DRS is expected to be in use there.

    Those asked for; else those where the account is known to have servers; else those where anyone has, which says
    nothing about this account; else one region, so that its permissions are tried at all.
    """
    if asked:
        return [(region, True) for region in dict.fromkeys(asked)]
    active = [row for row in rows if row.server_count > 0 and row.region not in excluded]
    entries = {row.region: row.accounts.get(account_id) for row in active}
    own = [region for region, entry in entries.items() if entry and entry.server_count]
    if own:
        return [(region, True) for region in sorted(own)]
    return [(region, False) for region in sorted(entries)] or [(otherwise, False)]
