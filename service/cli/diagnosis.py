"""Diagnosis of a set-up: turns what AWS answered to a check into a cause and a fix. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from service.accounts.records import AccountDirectory, RoleRef, unusable_staging
from service.aws.client import Identity
from service.cli.schemas import TableSpec, schema_problems
from service.errors import AwsError
from service.models import Problem, RegionStatus, Scope
from service.regions.outside_catalog import outside_problem
from service.regions.selection import StatusUnavailable
from service.regions.status_rows import RegionRow
from service.settings import Settings

__all__ = [
    "Finding",
    "Level",
    "diagnose_accounts_error",
    "diagnose_catalog",
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


def diagnose_table_error(spec: TableSpec, error: AwsError) -> Finding:
    """Explain why a table could not be read."""
    return _finding(spec.check, error, Scope("", error.call.region))


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


def diagnose_catalog(rows: Sequence[RegionRow] | StatusUnavailable, settings: Settings) -> list[Finding]:
    """Check that the region status table has no rows of regions outside the catalog."""
    outside = None if isinstance(rows, StatusUnavailable) else outside_problem(rows, settings)
    return [Finding("region status", Level.WARNING, outside.message, outside.advice)] if outside else []


def diagnose_directory(directory: AccountDirectory) -> list[Finding]:
    """Check that there are valid records in the target accounts table, and valid ones of staging accounts in these."""
    if not directory.targets:
        fix = "add the accounts to sync: drs-sync accounts add ACCOUNT_ID"
        return [Finding("accounts", Level.WARNING, "there are no target accounts", fix)]
    staging = {staging for account in directory.targets.values() for staging in account.staging}
    unusable = [
        _problem_finding("accounts", unusable_staging(account_id, why))
        for account_id, account in sorted(directory.targets.items())
        for why in account.unusable_staging
    ]
    found = Finding("accounts", Level.OK, f"{len(directory.targets)} target and {len(staging)} staging accounts")
    return [*unusable, found]


def diagnose_accounts_error(error: AwsError) -> Finding:
    """Explain why the target accounts could not be read."""
    return _finding("accounts", error, Scope("", ""))


_BAD_CREDENTIALS: Final = frozenset({"NoCredentials", "CredentialsRejected", "SessionExpired", "ClockSkew"})


def has_bad_credentials(error: AwsError) -> bool:
    """Whether an error of the hub means that its credentials are missing, invalid or expired: no call can succeed."""
    return error.error_class.name in _BAD_CREDENTIALS


def diagnose_hub(hub: Identity | AwsError, hub_region: str) -> Finding:
    """Report which account the hub is, or explain why its credentials do not work."""
    if isinstance(hub, Identity):
        return Finding("hub", Level.OK, f"this is account {hub.account_id}; its tables are in {hub_region}")
    return _finding("hub", hub, Scope("", hub_region if hub.error_class.name not in _BAD_CREDENTIALS else ""))


def diagnose_role(error: AwsError, scope: Scope, *, role: RoleRef, hub: str) -> Finding:
    """Explain why the role of an account could not be assumed; `scope` is that account and the region of STS."""
    found = _finding("role", error, scope)
    if error.error_class.name not in {"RoleNotAssumable", "RoleTrust"}:
        return found
    return replace(
        found, cause=f"{found.cause}. The hub is {hub}, the external id of the record is {role.external_id!r}"
    )


def diagnose_region(scope: Scope, error: AwsError, *, expected: bool) -> Finding:
    """Explain why DRS returned an error in a scope.

    Args:
        scope: the scope.
        error: the error of DescribeSourceServers.
        expected: DRS should be in use: the region was named by the user or is known to have servers.
    """
    if error.error_class.status is RegionStatus.NOT_INITIALIZED and not expected:
        return Finding("drs", Level.OK, "DRS answers; it is not initialised here", "", *scope)
    return _finding("drs", error, scope)


_NO_FAULT_OF_THE_SET_UP: Final = frozenset({RegionStatus.THROTTLED, RegionStatus.NOT_INITIALIZED})


def _finding(check: str, error: AwsError, scope: Scope) -> Finding:
    """Return the finding of an error, with the cause and the fix that syncs and queries tell."""
    level = Level.WARNING if error.error_class.status in _NO_FAULT_OF_THE_SET_UP else Level.FAILED
    call, cause = f"{error.call.service}:{error.call.operation}", error.cause
    text = cause if cause == error.message else f"{cause}: {call}: {error.code}: {error.message}"
    return Finding(check, level, text, error.fix, *scope)


def _problem_finding(check: str, problem: Problem) -> Finding:
    return Finding(check, Level.FAILED, f"{problem.cause}: {problem.message}", problem.advice, problem.account_id)


def regions_to_check(
    account_id: str, rows: Sequence[RegionRow], *, requested: Sequence[str], excluded: Sequence[str], fallback: str
) -> list[tuple[str, bool]]:
    """Choose the regions in which DRS is checked for an account, each with whether DRS should be in use there.

    The requested regions; else those where the account has servers; else those where any account has servers, although
    this account may not use them; else `fallback`, so that the account's permissions are checked at least once, unless
    it is empty: every region is excluded.
    """
    if requested:
        return [(region, True) for region in dict.fromkeys(requested)]
    active = [row for row in rows if row.server_count > 0 and row.region not in excluded]
    entries = {row.region: row.accounts.get(account_id) for row in active}
    own = [region for region, entry in entries.items() if entry and entry.server_count]
    if own:
        return [(region, True) for region in sorted(own)]
    return [(region, False) for region in sorted(entries) or [fallback] if region]
