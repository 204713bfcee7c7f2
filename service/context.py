"""Context of a run or a query: the identity of the hub, the target accounts, region status and the scopes to scan."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final

from service.accounts.access import AccountAccess, existing_accounts, read_directory
from service.accounts.records import AccountDirectory
from service.accounts.registration import add_fix
from service.aws.client import AwsClient, Identity
from service.aws.dynamodb import TableReader
from service.errors import UnknownScopeError
from service.fanout import prefetch
from service.models import Now, Problem, Scope, Shard
from service.regions.known_accounts import KnownAccounts
from service.regions.selection import (
    ADVICE_OF_FALLBACK,
    DiscoveryPolicy,
    ScanReason,
    Selection,
    SelectionRequest,
    StatusUnavailable,
    select,
)
from service.regions.status_reader import RegionStatusReader
from service.regions.status_rows import RegionRow, unreachable_regions
from service.regions.uncounted import uncounted_regions
from service.settings import Settings
from service.text import shortened

__all__ = ["ContextLoader", "RunContext", "SyncRequest"]

_log: Final = logging.getLogger(__name__)

StoredScopesReader = Callable[[Collection[str]], Awaitable[frozenset[Scope]]]
"""Returns the scopes of some regions of which the inventory has servers. Raises AwsError when it cannot be read."""


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """What the caller of a sync requests.

    Args:
        accounts: target accounts, empty for all.
        regions: regions, empty to select them by region status.
        excluded_regions: regions that are not scanned.
        full_scan: scan every region.
        scopes: scan only these scopes; takes precedence over `regions`.
        remaining_s: seconds until the run must have ended, None for no limit.
        dry_run: report what would be written and write nothing.
        shard: the run scans only this share of the accounts. What concerns all accounts is done by the run that planned
            the shards.
        started_at: when the sharded sync began, None for now.
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
        """Whether the run covers every target account, so that it may change what concerns all of them."""
        return not (self.accounts or self.scopes or self.shard)

    @property
    def is_unrestricted(self) -> bool:
        """Whether the run covers all accounts and leaves the choice of regions to region status."""
        return self.covers_all_accounts and not (self.regions or self.excluded_regions)


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a run knows before its first DRS call.

    Args:
        identity: account and partition of the hub.
        directory: target accounts and staging accounts with their roles.
        problems: records of the target accounts table that cannot be used.
        access: sessions for the accounts.
        accounts: accounts of this run.
        rows: region status, or why it could not be read.
        selection: scopes to scan.
        known_accounts: every target account; None when that is not known, or when the run covers only some accounts.
    """

    identity: Identity
    directory: AccountDirectory
    problems: tuple[Problem, ...]
    access: AccountAccess
    accounts: frozenset[str]
    rows: tuple[RegionRow, ...] | StatusUnavailable
    selection: Selection
    known_accounts: KnownAccounts | None

    @property
    def unreachable_regions(self) -> frozenset[str]:
        """Regions whose DRS the latest scans could not reach."""
        return frozenset() if isinstance(self.rows, StatusUnavailable) else unreachable_regions(self.rows)


class ContextLoader:
    """Loads run contexts; one instance serves many runs."""

    def __init__(self, aws_client: AwsClient, settings: Settings, status: RegionStatusReader, now: Now) -> None:
        self._aws_client = aws_client
        self._settings = settings
        self._status = status
        self._now = now

    async def directory(self) -> tuple[AccountDirectory, list[Problem]]:
        """Read the target accounts, and the problems of the records that cannot be used; a run begins with that.

        Raises:
            ConfigurationError: the table's name is not set.
            AwsError: the table could not be read.
        """
        self._aws_client.begin_run()
        return await read_directory(self._accounts_table())

    def known_accounts_of(self, directory: AccountDirectory, problems: Collection[Problem]) -> KnownAccounts | None:
        """Return every account of the directory; None when there are problems, as those records name accounts too."""
        if problems:
            return None
        return KnownAccounts(frozenset(directory.targets), partial(existing_accounts, self._accounts_table()))

    def _accounts_table(self) -> TableReader:
        self._settings.require("target_accounts_table")
        return TableReader(self._aws_client.hub(), self._settings.target_accounts_table, self._aws_client.hub_region)

    async def load(
        self,
        request: SyncRequest,
        *,
        operation: str,
        discover: bool,
        writes: bool = False,
        shared: bool = False,
        full_scan_if_none_active: bool = False,
        newer_regions: bool = False,
        stored_scopes: StoredScopesReader | None = None,
    ) -> RunContext:
        """Load the context of a run with at most three AWS reads, none of them of DRS, and those of `stored_scopes`.

        Args:
            request: what the caller requests.
            operation: operation name for the log.
            discover: scan some inactive scopes too.
            writes: the run changes source servers of the target accounts, unless it is a dry run.
            shared: a region with servers of one account is scanned for every account.
            full_scan_if_none_active: scan every region when the table has no servers at all.
            newer_regions: a requested region may be newer than this version. Not for a run that records the status of
                regions: a mistyped one would get a row.
            stored_scopes: reads which scopes of some regions the inventory has servers of. It is asked about regions
                of which region status does not tell, and what it returns is scanned.

        Raises:
            ConfigurationError: an account or region is not known, or a setting is missing.
            AwsError: the hub's credentials or the target accounts table cannot be used, or `stored_scopes` failed.
        """
        self._settings.check_regions(request.regions, newer=newer_regions)
        self._settings.check_regions((*request.excluded_regions, *(scope.region for scope in request.scopes)))
        identity = await self._aws_client.identity()
        async with prefetch(self._status.rows) as rows_read:
            directory, problems = await self.directory()
            accounts = self.check_accounts(request, directory)
            rows = await rows_read()
        selection_request = self._selection_request(
            request, accounts, discover=discover, shared=shared, full_scan_if_none_active=full_scan_if_none_active
        )
        if stored_scopes is not None and (regions := uncounted_regions(rows, selection_request)):
            selection_request = replace(selection_request, stored=await stored_scopes(regions))
        selection = select(rows, selection_request)
        _log_selection(selection, operation)
        context = RunContext(
            identity,
            directory,
            tuple(problems),
            AccountAccess(self._aws_client, directory, writes=writes and not request.dry_run),
            frozenset(accounts),
            rows,
            selection,
            self.known_accounts_of(directory, problems) if request.covers_all_accounts else None,
        )
        self._aws_client.begin_run(context.unreachable_regions)
        return context

    def check_accounts(self, request: SyncRequest, directory: AccountDirectory) -> Collection[str]:
        """Return the accounts of a run. Raises UnknownScopeError when a requested account is not a target account."""
        requested = {*request.accounts, *(scope.account_id for scope in request.scopes)}
        unknown = sorted(requested - set(directory.targets))
        if unknown:
            known = sorted(directory.targets)
            raise UnknownScopeError(
                f"account {', '.join(unknown)} is not in the target accounts table "
                f"{self._settings.target_accounts_table}; accounts in it: {shortened(known)}. "
                f"{add_fix(unknown[0], known)}"
            )
        accounts = requested or directory.targets.keys()
        shard = request.shard
        return accounts if shard is None else [account_id for account_id in accounts if shard.holds(account_id)]

    def _selection_request(
        self,
        request: SyncRequest,
        accounts: Collection[str],
        *,
        discover: bool,
        shared: bool = False,
        full_scan_if_none_active: bool = False,
    ) -> SelectionRequest:
        settings = self._settings
        return SelectionRequest(
            accounts,
            settings.regions,
            self._now(),
            DiscoveryPolicy(
                window_s=settings.discovery_window_seconds,
                interval_s=settings.sync_interval_seconds,
                call_share=settings.discovery_call_share,
            ),
            full_scan=request.full_scan,
            regions=request.regions,
            scopes=request.scopes,
            excluded=frozenset((*request.excluded_regions, *settings.drs_excluded_regions)),
            excluded_scopes=settings.excluded_scopes,
            discover=discover,
            shared=shared,
            full_scan_if_none_active=full_scan_if_none_active,
        )


def _log_selection(selection: Selection, operation: str) -> None:
    regions = {scope.region for scope in selection.scopes}
    left_out = {scope.region for scope in selection.skipped} - regions
    active = selection.active_regions
    _log.log(
        logging.WARNING if selection.source.is_fallback else logging.INFO,
        "regions chosen",
        extra={
            "operation": operation,
            "regionSource": str(selection.source),
            "reason": selection.reason,
            "activeRegions": None if active is None else len(active),
            "regions": len(regions),
            "regionsSkipped": len(left_out),
            "activeScopes": selection.count(ScanReason.ACTIVE),
            "discoveryScopes": selection.count(ScanReason.DISCOVERY),
            "scopes": len(selection.scopes),
            "scopesSkipped": len(selection.skipped),
            **({"advice": ADVICE_OF_FALLBACK} if selection.source.is_fallback else {}),
        },
    )
