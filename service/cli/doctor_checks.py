"""Checks of `drs-sync doctor`: all run concurrently, and each has a deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final

import anyio

from service.accounts.access import AccountAccess
from service.accounts.records import AccountDirectory
from service.accounts.registration import add_fix
from service.aws.client import AwsClient, Identity
from service.aws.drs import DrsReader
from service.aws.dynamodb import TableReader
from service.aws.operations import DOCTOR_OPERATIONS
from service.cli.diagnosis import (
    Finding,
    Level,
    diagnose_accounts_error,
    diagnose_catalog,
    diagnose_directory,
    diagnose_hub,
    diagnose_region,
    diagnose_role,
    diagnose_status,
    diagnose_table,
    diagnose_table_error,
    has_bad_credentials,
    regions_to_check,
)
from service.cli.schemas import PLATFORM_TABLES, TABLES, TableSpec
from service.context import ContextLoader
from service.error_classes import ERROR_CLASSES
from service.errors import AwsError, ConfigurationError
from service.fanout import fan_out
from service.models import Call, Scope, utc_now
from service.regions.selection import StatusUnavailable
from service.regions.status_reader import RegionStatusReader
from service.regions.status_rows import RegionRow, unreachable_regions
from service.settings import Settings
from service.text import shortened

__all__ = ["Doctor", "check_until"]

Check = Callable[[], Awaitable[list[Finding]]]
_REGION_CONCURRENCY: Final = 8  # per account


@dataclass(frozen=True, slots=True)
class _AccountContext:
    """What the checks of accounts need."""

    hub: Identity
    directory: AccountDirectory
    access: AccountAccess
    rows: Sequence[RegionRow]


class Doctor:
    """One run of all checks. A check that does not finish by the deadline is a finding, too."""

    def __init__(self, settings: Settings, accounts: tuple[str, ...], regions: tuple[str, ...]) -> None:
        self._settings = settings
        self._accounts = accounts
        self._regions = regions
        self._directory: AccountDirectory | None = None  # set by _check_records
        self._rows: Sequence[RegionRow] = ()

    async def run(self) -> list[Finding]:
        """Run every check; accounts are checked only if the hub's credentials and the target accounts table work.

        Raises:
            ConfigurationError: a region or account that the user named is unknown.
        """
        self._deadline = anyio.current_time() + self._settings.scope_deadline_seconds
        async with AwsClient(self._settings, utc_now, allowed=DOCTOR_OPERATIONS) as aws_client:
            findings = self._check_settings()
            try:
                self._hub_region = aws_client.hub_region
            except ConfigurationError as error:
                return [*findings, Finding("settings", Level.FAILED, "no AWS region is set", str(error))]
            self._settings = self._settings.at_hub(self._hub_region)
            status = RegionStatusReader(
                self._status_table(aws_client),
                utc_now,
                cache_s=self._settings.scope_deadline_seconds,
                timeout_s=self._settings.region_status_timeout_seconds,
            )
            context_loader = ContextLoader(aws_client, self._settings, status, utc_now)
            self._settings.check_regions(self._regions)
            hub = await self._identity(aws_client)
            findings.append(diagnose_hub(hub, self._hub_region))
            if isinstance(hub, AwsError) and has_bad_credentials(hub):
                return findings  # every other check would fail for the same reason
            tables = [spec for spec in (*TABLES, *PLATFORM_TABLES) if getattr(self._settings, spec.setting)]
            checks: list[Check] = [partial(self._check_table, aws_client, spec) for spec in tables]
            findings += await self._run_all([*checks, partial(self._check_records, context_loader, status)])
            directory = self._directory
            if directory is not None and isinstance(hub, Identity):
                aws_client.begin_run(unreachable_regions(self._rows))
                context = _AccountContext(hub, directory, AccountAccess(aws_client, directory), self._rows)
                accounts = self._accounts_to_check(directory)
                findings += await self._run_all([partial(self._check_account, context, each) for each in accounts])
            return findings

    def _status_table(self, aws_client: AwsClient) -> TableReader | None:
        name = self._settings.drs_region_status_table
        return TableReader(aws_client.hub(), name, self._hub_region) if name else None

    def _check_settings(self) -> list[Finding]:
        missing = [spec for spec in TABLES if not getattr(self._settings, spec.setting)]
        return [
            Finding(
                "settings",
                Level.WARNING if spec.if_unset else Level.FAILED,
                f"{spec.variable} is not set" + (f": {spec.if_unset}" if spec.if_unset else ""),
                f"set the environment variable {spec.variable} to the name of the DynamoDB table",
            )
            for spec in missing
        ]

    async def _run_all(self, checks: Sequence[Check]) -> list[Finding]:
        async with fan_out(checks, lambda check: check(), concurrency=self._settings.scopes_at_once) as results:
            return [finding async for findings in results for finding in findings]

    async def _identity(self, aws_client: AwsClient) -> Identity | AwsError:
        with anyio.CancelScope(deadline=self._deadline):
            try:
                return await aws_client.identity()
            except AwsError as error:
                return error
        call = Call("sts", "GetCallerIdentity", "hub", self._hub_region)
        late = ERROR_CLASSES["CheckDeadline"]
        return AwsError("DeadlineExceeded", "STS did not answer in time", call, error_class=late)

    async def _check_table(self, aws_client: AwsClient, spec: TableSpec) -> list[Finding]:
        name = getattr(self._settings, spec.setting)
        table_reader = TableReader(aws_client.hub(), name, self._hub_region)

        async def check() -> list[Finding]:
            try:
                return [diagnose_table(spec, name, (await table_reader.call("DescribeTable", {}))["Table"])]
            except AwsError as error:
                if not error.error_class.status.is_denied:
                    return [diagnose_table_error(spec, error)]
            try:  # no sync needs DescribeTable, so the role of a sync may lack it
                await table_reader.call("Scan", {"Limit": 1})
            except AwsError as error:
                return [diagnose_table_error(spec, error)]
            cause = f"{name} can be read; its keys were not checked, because dynamodb:DescribeTable is denied"
            fix = "allow dynamodb:DescribeTable to the role that runs this check; no sync needs it"
            return [Finding(spec.check, Level.WARNING, cause, fix)]

        return await check_until(self._deadline, check(), _timed_out(spec.check, name))

    async def _check_records(self, context_loader: ContextLoader, status: RegionStatusReader) -> list[Finding]:
        """Read region status and the target accounts, and keep both for the checks of accounts."""

        async def check() -> list[Finding]:
            rows = await status.rows()
            findings = [diagnose_status(rows)] if self._settings.drs_region_status_table else []
            findings += diagnose_catalog(rows, self._settings)
            if not self._settings.target_accounts_table:
                return findings
            try:
                directory, problems = await context_loader.directory()
            except AwsError as error:
                return [*findings, diagnose_accounts_error(error)]
            self._directory, self._rows = directory, () if isinstance(rows, StatusUnavailable) else rows
            findings.extend(Finding("accounts", Level.FAILED, each.message, each.advice) for each in problems)
            return [*findings, *diagnose_directory(directory)]

        late = _timed_out("accounts", "the target accounts table or the region status table")
        return await check_until(self._deadline, check(), late)

    def _accounts_to_check(self, directory: AccountDirectory) -> list[str]:
        """Choose the accounts to check. Raises ConfigurationError if the user named one that has no record."""
        targets = directory.targets
        known = {*targets, *(staging for account in targets.values() for staging in account.staging)}
        unknown = sorted(set(self._accounts) - known)
        if unknown:
            raise ConfigurationError(
                f"account {', '.join(unknown)} is neither a target nor a staging account in "
                f"{self._settings.target_accounts_table}, which has {shortened(sorted(known))}. "
                f"{add_fix(unknown[0], known)}"
            )
        return sorted(set(self._accounts) or known)

    async def _check_account(self, context: _AccountContext, account_id: str) -> list[Finding]:
        """Check the account's role, and then DRS in its regions."""
        is_hub = account_id == context.hub.account_id
        late = _timed_out("role", "STS", account_id)
        (role,) = await check_until(self._deadline, self._check_role(context, account_id, is_hub=is_hub), late)
        if role.status is not Level.OK:
            return [role]

        async def check(region: tuple[str, bool]) -> list[Finding]:
            name, expected = region
            work = self._check_region(context, Scope(account_id, name), expected=expected)
            return await check_until(self._deadline, work, _timed_out("drs", "DRS", account_id, name))

        regions = self._regions_to_check(context, account_id)
        async with fan_out(regions, check, concurrency=_REGION_CONCURRENCY) as results:
            return [role, *[finding async for findings in results for finding in findings]]

    async def _check_role(self, context: _AccountContext, account_id: str, *, is_hub: bool) -> list[Finding]:
        try:
            await context.access.session(account_id)
        except AwsError as error:
            role, scope = context.directory.role_of(account_id), Scope(account_id, self._hub_region)
            return [diagnose_role(error, scope, role=role, hub=context.hub.account_id)]
        cause = "this is the hub: no role is needed" if is_hub else "its role was assumed"
        return [Finding("role", Level.OK, cause, "", account_id)]

    def _regions_to_check(self, context: _AccountContext, account_id: str) -> list[tuple[str, bool]]:
        settings = self._settings
        catalog = settings.catalog or settings.regions
        preferred = (self._hub_region, *catalog) if self._hub_region in catalog else catalog
        usable = (region for region in preferred if not settings.excludes(Scope(account_id, region)))
        possible = {*settings.regions, *self._regions, *(row.region for row in context.rows)}
        return regions_to_check(
            account_id,
            context.rows,
            requested=self._regions,
            excluded=[region for region in sorted(possible) if settings.excludes(Scope(account_id, region))],
            fallback=next(usable, ""),
        )

    async def _check_region(self, context: _AccountContext, scope: Scope, *, expected: bool) -> list[Finding]:
        try:
            session = await context.access.session(scope.account_id)
            async with aclosing(DrsReader(session, page_size=1).source_servers(scope.region)) as pages:
                await anext(pages)
        except AwsError as error:
            return [diagnose_region(scope, error, expected=expected)]
        return [Finding("drs", Level.OK, "DRS answers", "", *scope)]


async def check_until(deadline: float, check: Awaitable[list[Finding]], late: Finding) -> list[Finding]:
    """Return the findings of a check, or `late` if it has not finished by a deadline on the event loop's clock."""
    with anyio.CancelScope(deadline=deadline):
        return await check
    return [late]


def _timed_out(check: str, what: str, account_id: str = "", region: str = "") -> Finding:
    late = ERROR_CLASSES["CheckDeadline"]
    return Finding(check, Level.FAILED, f"{what} did not answer in time", late.fix, account_id, region)
