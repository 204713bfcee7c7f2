"""The examination behind `drs-sync doctor`: every check there is, side by side, each bounded in time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final

import anyio

from service.accounts.access import AccountAccess
from service.accounts.records import Directory
from service.app import utc_now
from service.aws.client import AwsClient, Identity
from service.aws.drs import DrsReader
from service.aws.dynamodb import TableReader
from service.aws.operations import DOCTOR_OPERATIONS
from service.cli.diagnosis import (
    Finding,
    Level,
    judge_accounts_error,
    judge_directory,
    judge_hub,
    judge_region,
    judge_role,
    judge_status,
    judge_table,
    judge_table_error,
    lacks_credentials,
    scopes_to_try,
)
from service.cli.schemas import TABLES, TableSpec
from service.context import ContextLoader
from service.errors import AwsError, ConfigurationError
from service.fanout import fan_out
from service.models import Call, Scope
from service.regions.selection import StatusUnavailable
from service.regions.status_reader import RegionStatusReader
from service.regions.status_rows import RegionRow
from service.settings import Settings

__all__ = ["Doctor", "in_time"]

Check = Callable[[], Awaitable[list[Finding]]]
Records = tuple[Directory, Sequence[RegionRow]]
_REGIONS_AT_ONCE: Final = 8  # per account
_LATE_CURE: Final = "look for a slow or silent endpoint, name fewer accounts, or raise SCOPE_DEADLINE_SECONDS"


@dataclass(frozen=True, slots=True)
class _Ground:
    """What the checks of accounts start from."""

    hub: Identity
    directory: Directory
    access: AccountAccess
    rows: Sequence[RegionRow]


class Doctor:
    """One examination. What has no answer by the deadline is a finding, too."""

    def __init__(self, settings: Settings, accounts: tuple[str, ...], regions: tuple[str, ...]) -> None:
        self._settings = settings
        self._accounts = accounts
        self._regions = regions

    async def examine(self) -> list[Finding]:
        """Run every check; those that lean on another only when that one went well.

        Raises:
            ConfigurationError: a region or an account that was asked for is not known.
        """
        self._deadline = anyio.current_time() + self._settings.scope_deadline_seconds
        async with AwsClient(self._settings, utc_now, allowed=DOCTOR_OPERATIONS) as aws_client:
            findings = self._unset()
            try:
                self._hub_region = aws_client.hub_region
            except ConfigurationError as error:
                return [*findings, Finding("settings", Level.FAILED, "no AWS region is set", str(error))]
            status = RegionStatusReader(
                self._reader(aws_client, "drs_region_status_table"),
                cache_s=self._settings.scope_deadline_seconds,
                timeout_s=self._settings.region_status_timeout_seconds,
            )
            context_loader = ContextLoader(aws_client, self._settings, status, utc_now)
            context_loader.check_regions(self._regions)
            hub = await self._hub(aws_client)
            findings.append(judge_hub(hub, self._hub_region))
            if isinstance(hub, AwsError) and lacks_credentials(hub):
                return findings  # every other check would say the same
            held: list[Records] = []
            tables = [spec for spec in TABLES if getattr(self._settings, spec.setting)]
            checks: list[Check] = [partial(self._of_table, aws_client, spec) for spec in tables]
            findings += await self._all([*checks, partial(self._of_records, context_loader, status, held)])
            if held and isinstance(hub, Identity):
                ground = _Ground(hub, held[0][0], AccountAccess(aws_client, held[0][0]), held[0][1])
                findings += await self._all([partial(self._of_account, ground, each) for each in self._chosen(ground)])
            return findings

    def _reader(self, aws_client: AwsClient, setting: str) -> TableReader | None:
        name = getattr(self._settings, setting)
        return TableReader(aws_client.hub(), name, self._hub_region) if name else None

    def _unset(self) -> list[Finding]:
        missing = [spec for spec in TABLES if not getattr(self._settings, spec.setting)]
        return [
            Finding(
                "settings",
                Level.WARNING if spec.without else Level.FAILED,
                f"{spec.variable} is not set" + (f": {spec.without}" if spec.without else ""),
                f"set the environment variable {spec.variable} to the name of the DynamoDB table",
            )
            for spec in missing
        ]

    async def _all(self, checks: Sequence[Check]) -> list[Finding]:
        async with fan_out(checks, lambda check: check(), concurrency=self._settings.scopes_at_once) as results:
            return [finding async for found in results for finding in found]

    async def _hub(self, aws_client: AwsClient) -> Identity | AwsError:
        with anyio.CancelScope(deadline=self._deadline):
            try:
                return await aws_client.identity()
            except AwsError as error:
                return error
        call = Call("sts", "GetCallerIdentity", "hub", self._hub_region)
        return AwsError("DeadlineExceeded", "STS did not answer in time", call)

    async def _of_table(self, aws_client: AwsClient, spec: TableSpec) -> list[Finding]:
        name = getattr(self._settings, spec.setting)
        table_reader = TableReader(aws_client.hub(), name, self._hub_region)

        async def look() -> list[Finding]:
            try:
                return [judge_table(spec, name, (await table_reader.call("DescribeTable", {}))["Table"])]
            except AwsError as error:
                if not error.error_class.status.is_denied:
                    return [judge_table_error(spec, name, error)]
            try:  # no sync needs DescribeTable, so its role may well lack it
                await table_reader.call("Scan", {"Limit": 1})
            except AwsError as error:
                return [judge_table_error(spec, name, error)]
            cause = f"{name} can be read; its keys were not checked, for dynamodb:DescribeTable is denied"
            return [Finding(spec.check, Level.WARNING, cause, "allow it to whoever runs this check; no sync needs it")]

        return await in_time(self._deadline, look(), _late(spec.check, name))

    async def _of_records(
        self, context_loader: ContextLoader, status: RegionStatusReader, held: list[Records]
    ) -> list[Finding]:
        """Read accounts and region status; hand them on in `held` when the accounts can be read."""

        async def look() -> list[Finding]:
            rows = await status.rows()
            found = [judge_status(rows)] if self._settings.drs_region_status_table else []
            if not self._settings.target_accounts_table:
                return found
            try:
                directory, problems = await context_loader.directory()
            except AwsError as error:
                return [*found, judge_accounts_error(self._settings.target_accounts_table, error)]
            held.append((directory, () if isinstance(rows, StatusUnavailable) else rows))
            found.extend(Finding("accounts", Level.FAILED, each.message, each.advice) for each in problems)
            return [*found, judge_directory(directory)]

        return await in_time(self._deadline, look(), _late("accounts", "the target accounts or region status table"))

    def _chosen(self, ground: _Ground) -> list[str]:
        """Name the accounts to try. Raises ConfigurationError when one asked for is not on record."""
        targets = ground.directory.targets
        known = {*targets, *(staging for account in targets.values() for staging in account.staging)}
        unknown = sorted(set(self._accounts) - known)
        if unknown:
            raise ConfigurationError(
                f"account {', '.join(unknown)} is neither a target nor a staging account in "
                f"{self._settings.target_accounts_table}; it holds {', '.join(sorted(known)) or 'none'}"
            )
        return sorted(set(self._accounts) or known)

    async def _of_account(self, ground: _Ground, account_id: str) -> list[Finding]:
        is_hub = account_id == ground.hub.account_id
        role = ground.directory.role_of(account_id)

        async def enter() -> list[Finding]:
            try:
                await ground.access.session(account_id)
            except AwsError as error:
                where = Scope(account_id, self._hub_region)
                return [judge_role(error, where, role=role, hub=ground.hub.account_id)]
            cause = "the hub itself: no role is needed" if is_hub else "its role was assumed"
            return [Finding("role", Level.OK, cause, "", account_id)]

        async def look(scope: tuple[str, bool]) -> list[Finding]:
            region, expected = scope
            ask = self._of_region(ground, Scope(account_id, region), expected=expected, is_hub=is_hub)
            return await in_time(self._deadline, ask, _late("drs", "DRS", account_id, region))

        found = await in_time(self._deadline, enter(), _late("role", "STS", account_id))
        if found[0].status is not Level.OK:
            return found
        scopes = self._scopes(ground, account_id)
        async with fan_out(scopes, look, concurrency=_REGIONS_AT_ONCE) as looks:
            return [*found, *[finding async for seen in looks for finding in seen]]

    def _scopes(self, ground: _Ground, account_id: str) -> list[tuple[str, bool]]:
        catalog = self._settings.catalog or self._settings.drs_regions
        otherwise = self._hub_region if self._hub_region in catalog else catalog[0]
        return scopes_to_try(
            account_id,
            ground.rows,
            asked=self._regions,
            excluded=self._settings.drs_excluded_regions,
            otherwise=otherwise,
        )

    async def _of_region(self, ground: _Ground, scope: Scope, *, expected: bool, is_hub: bool) -> list[Finding]:
        try:
            session = await ground.access.session(scope.account_id)
            async with aclosing(DrsReader(session, page_size=1).source_servers(scope.region)) as pages:
                await anext(pages)
        except AwsError as error:
            return [judge_region(scope, error, expected=expected, is_hub=is_hub)]
        return [Finding("drs", Level.OK, "DRS answers", "", *scope)]


async def in_time(deadline: float, work: Awaitable[list[Finding]], late: Finding) -> list[Finding]:
    """Give what `work` finds, or `late` when it has not ended by a deadline on the event loop's clock."""
    with anyio.CancelScope(deadline=deadline):
        return await work
    return [late]


def _late(check: str, who: str, account_id: str = "", region: str = "") -> Finding:
    return Finding(check, Level.FAILED, f"{who} did not answer in time", _LATE_CURE, account_id, region)
