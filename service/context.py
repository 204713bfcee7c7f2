"""What a run or a query starts from: who the hub is, which accounts there are, which places deserve a call."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from service.accounts.access import AccountAccess, existing_accounts, read_directory
from service.accounts.records import AccountDirectory
from service.aws.client import AwsClient, Identity
from service.aws.dynamodb import TableReader
from service.errors import UnknownScopeError
from service.fanout import prefetch
from service.models import Now, Problem, Scope, Shard
from service.regions.known_accounts import KnownAccounts
from service.regions.selection import DiscoveryPolicy, ScanReason, Selection, StatusUnavailable, select
from service.regions.status_reader import RegionStatusReader
from service.regions.status_rows import RegionRow
from service.settings import Settings

__all__ = ["ContextLoader", "RunContext", "SyncRequest"]

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """What a caller asks of a run. No accounts means all of them; no regions means: let the table decide.

    `places` narrows it to these (account, region) pairs, whatever else is asked. `budget_s`: seconds until the run must
    have ended, None for no limit. `dry_run`: say what would be written, write nothing. `shard`: this run takes only its
    share of the accounts, and leaves what concerns all of them to whoever planned it. `started_at`: when the runs that
    share the accounts began, None for now.
    """

    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    excluded_regions: tuple[str, ...] = ()
    full_scan: bool = False
    scopes: tuple[Scope, ...] = ()
    remaining_s: float | None = None
    dry_run: bool = False
    shard: Shard | None = None
    started_at: datetime | None = None

    @property
    def covers_all_accounts(self) -> bool:
        """Whether it is about every account, so that its end is the end of the matter."""
        return not (self.accounts or self.scopes or self.shard)


@dataclass(frozen=True, slots=True)
class RunContext:
    """The lie of the land at the start of a run.

    `troubles` are records of the target accounts table that cannot be used. `census`: every account there is; None
    where that is not known, or none of this run's business.
    """

    identity: Identity
    directory: AccountDirectory
    problems: tuple[Problem, ...]
    access: AccountAccess
    accounts: frozenset[str]
    rows: tuple[RegionRow, ...] | StatusUnavailable
    selection: Selection
    known_accounts: KnownAccounts | None


class ContextLoader:
    """Makes surveys; one instance serves many runs."""

    def __init__(self, aws_client: AwsClient, settings: Settings, status: RegionStatusReader, now: Now) -> None:
        self._aws_client = aws_client
        self._settings = settings
        self._status = status
        self._now = now

    async def directory(self) -> tuple[AccountDirectory, list[Problem]]:
        """Read the target accounts.

        Raises:
            ConfigurationError: the table's name is not set.
            AwsError: the table could not be read.
        """
        return await read_directory(self._accounts_table())

    def known_accounts_of(self, directory: AccountDirectory, problems: Collection[Problem]) -> KnownAccounts | None:
        """Name every account of the directory; None where a record that cannot be used may hide one."""
        if problems:
            return None
        return KnownAccounts(frozenset(directory.targets), partial(existing_accounts, self._accounts_table()))

    def _accounts_table(self) -> TableReader:
        self._settings.require("target_accounts_table")
        return TableReader(self._aws_client.hub(), self._settings.target_accounts_table, self._aws_client.hub_region)

    async def load(self, request: SyncRequest, *, operation: str, discover: bool, shared: bool = False) -> RunContext:
        """Look around: three reads at most, none of DRS.

        Args:
            request: what the caller asks.
            operation: named in the log.
            discover: whether inactive places get a look in turn.
            shared: a region that has servers of one account is looked at for all of them.

        Raises:
            ConfigurationError: an account or region is not known, or a setting is missing; DRS was not asked.
            AwsError: the hub's credentials or the target accounts table cannot be used.
        """
        self.check_regions((*request.regions, *request.excluded_regions, *(scope.region for scope in request.scopes)))
        identity = await self._aws_client.identity()
        async with prefetch(self._status.rows) as rows_read:
            directory, problems = await self.directory()
            accounts = self.check_accounts(request, directory)
            rows = await rows_read()
        selection = self._select(request, rows, accounts, operation=operation, discover=discover, shared=shared)
        return RunContext(
            identity,
            directory,
            tuple(problems),
            AccountAccess(self._aws_client, directory),
            frozenset(accounts),
            rows,
            selection,
            self.known_accounts_of(directory, problems)
            if request.covers_all_accounts
            else None,  # who saw only some knows of no other
        )

    def check_regions(self, regions: Iterable[str]) -> None:
        """Make sure that regions are known. Raises UnknownPlaceError naming those that are not."""
        unknown = sorted(set(regions) - set(self._settings.drs_regions))
        if unknown:
            raise UnknownScopeError(
                f"unknown region {', '.join(unknown)}: known are {' '.join(self._settings.drs_regions)}; "
                "add new ones to DRS_REGIONS"
            )

    def check_accounts(self, request: SyncRequest, directory: AccountDirectory) -> Collection[str]:
        """Name the accounts of a run. Raises UnknownPlaceError when one asked for is no target."""
        asked = {*request.accounts, *(scope.account_id for scope in request.scopes)}
        unknown = sorted(asked - set(directory.targets))
        if unknown:
            raise UnknownScopeError(
                f"account {', '.join(unknown)} is not in the target accounts table "
                f"{self._settings.target_accounts_table}; it holds {', '.join(sorted(directory.targets)) or 'none'}"
            )
        wanted = asked or directory.targets.keys()
        shard = request.shard
        return wanted if shard is None else [account_id for account_id in wanted if shard.holds(account_id)]

    def _select(
        self,
        request: SyncRequest,
        rows: Sequence[RegionRow] | StatusUnavailable,
        accounts: Collection[str],
        *,
        operation: str,
        discover: bool,
        shared: bool,
    ) -> Selection:
        settings = self._settings
        selection = select(
            rows,
            accounts,
            settings.drs_regions,
            now=self._now(),
            policy=DiscoveryPolicy(
                window_s=settings.discovery_window_seconds,
                interval_s=settings.sync_interval_seconds,
                call_share=settings.discovery_call_share,
            ),
            full_scan=request.full_scan,
            requested=request.regions,
            scopes=request.scopes,
            excluded=frozenset((*request.excluded_regions, *settings.drs_excluded_regions)),
            discover=discover,
            shared=shared,
            # Whoever does not discover would otherwise never find the first server.
            full_scan_if_none_active=not discover,
        )
        _log.log(
            logging.WARNING if selection.source.is_fallback else logging.INFO,
            "regions chosen",
            extra={
                "operation": operation,
                "regionSource": str(selection.source),
                "reason": selection.reason,
                "activeScopes": selection.count(ScanReason.ACTIVE),
                "discoveryScopes": selection.count(ScanReason.DISCOVERY),
                "scopes": len(selection.scopes),
                "scopesSkipped": len(selection.skipped),
            },
        )
        return selection
