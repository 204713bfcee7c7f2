"""Selection of the (account, region) scopes that a run scans, with the reason for each. Pure.

A filter alone never notices a region that becomes active, so every inventory sync also scans inactive scopes, those
scanned longest ago first. Two limits apply, the first one being the stronger: every scope is scanned at least once per
window, and the scopes scanned in one run stay below a share of all scopes (a fifth, so that a run makes 80 % fewer
calls than a full scan).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from service.models import Scope
from service.regions.status_entry import AccountEntry
from service.regions.status_rows import RegionRow

__all__ = [
    "ADVICE_OF_FALLBACK",
    "DiscoveryPolicy",
    "RegionSource",
    "ScanReason",
    "Selection",
    "SelectionRequest",
    "StatusUnavailable",
    "select",
]

ADVICE_OF_FALLBACK: Final = (
    "region status is missing, so every region counts: an inventory sync fills an empty table; if the table cannot be "
    "read, drs-sync doctor says why"
)


class RegionSource(StrEnum):
    """What the selection was based on; `regionSource` of the report."""

    STATUS_TABLE = "status_table"
    STATUS_TABLE_NONE_ACTIVE = "status_table_none_active"
    FALLBACK_EMPTY = "fallback_table_empty"
    FALLBACK_UNAVAILABLE = "fallback_table_unavailable"
    FULL_SCAN = "full_scan"
    FULL_SCAN_NONE_ACTIVE = "full_scan_none_active"
    REQUESTED = "requested"
    INVENTORY = "inventory"
    """The accounts and regions of the instances from which the servers of the inventory come."""

    @property
    def is_fallback(self) -> bool:
        """Whether every region is scanned because region status is missing, which deserves a warning."""
        return self.startswith("fallback")

    @property
    def is_filtered(self) -> bool:
        """Whether region status was used to leave out regions."""
        return self in {RegionSource.STATUS_TABLE, RegionSource.STATUS_TABLE_NONE_ACTIVE}


class ScanReason(StrEnum):
    """Why a scope is scanned."""

    FULL_SCAN = "every region is scanned"
    REQUESTED = "requested"
    ACTIVE = "has servers"
    NEW_ACCOUNT = "the account is not in the table yet"
    RETRY = "the last scan failed and may succeed now"
    SCAN_REQUESTED = "servers may have come or gone since the last scan"
    DISCOVERY = "scanned longest ago"
    RESUMED = "an earlier full scan was cut short"
    ORIGIN = "servers come from there"


@dataclass(frozen=True, slots=True)
class StatusUnavailable:
    """The region status table could not be read; `reason` says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class DiscoveryPolicy:
    """How many inactive scopes to scan.

    Args:
        window_s: every inactive scope is scanned at least once in this time.
        interval_s: time between two syncs.
        call_share: maximum share of all scopes to scan in one run.
    """

    window_s: float = 7200.0
    interval_s: float = 900.0
    call_share: float = 0.2


@dataclass(frozen=True, slots=True)
class SelectionRequest:
    """What a run may scan, and what it must.

    Args:
        accounts: accounts of the run.
        catalog: regions of a full scan. A region outside it is added when the table has servers in it, or a request to
            scan it.
        now: time of the run.
        policy: limits of discovery.
        full_scan: scan every region.
        regions: scan only these regions, empty for no such limit.
        scopes: scan only these scopes, empty for no such limit; takes precedence over `accounts` and `regions`.
        excluded: regions that are never scanned, not even on request.
        excluded_scopes: scopes that are never scanned, not even on request.
        discover: scan some inactive scopes too. Only the inventory sync does.
        shared: a region with servers of one account is scanned for every account.
        full_scan_if_none_active: a table without any servers leads to a full scan, which is no fallback.
        stored: scopes of which the inventory has servers, where the table does not tell (see `uncounted_regions`).
    """

    accounts: Collection[str]
    catalog: Sequence[str]
    now: datetime
    policy: DiscoveryPolicy
    full_scan: bool = False
    regions: Sequence[str] = ()
    scopes: Sequence[Scope] = ()
    excluded: frozenset[str] = frozenset()
    excluded_scopes: frozenset[Scope] = frozenset()
    discover: bool = True
    shared: bool = False
    full_scan_if_none_active: bool = False
    stored: frozenset[Scope] = frozenset()

    @property
    def account_ids(self) -> list[str]:
        """The accounts in order, each once."""
        return sorted(set(self.accounts))

    def excludes(self, scope: Scope) -> bool:
        """Whether a scope is never scanned."""
        return scope.region in self.excluded or scope in self.excluded_scopes


@dataclass(frozen=True, slots=True)
class Selection:
    """The scopes to scan, with the reason for each, and the scopes left out.

    Args:
        source: what the selection was based on.
        reason: the same as a sentence; `regionReason` of the report.
        scopes: the scopes to scan.
        skipped: scopes that a full scan of the same accounts would scan as well.
        known_active: scopes that have servers according to the table, whether selected or not.
        unfinished_full_scans: regions whose rows carry the mark of a full scan that was cut short; this run resumes it.
        active_regions: regions that have servers according to the table; None where it is empty or unavailable.
        left_out: scopes in which this sync has nothing to do; a full scan would not scan them either.
    """

    source: RegionSource
    reason: str
    scopes: Mapping[Scope, ScanReason]
    skipped: tuple[Scope, ...]
    known_active: frozenset[Scope] = frozenset()
    unfinished_full_scans: tuple[str, ...] = ()
    active_regions: frozenset[str] | None = None
    left_out: tuple[Scope, ...] = ()

    @property
    def total(self) -> int:
        """Number of scopes that a full scan of the same accounts would scan."""
        return len(self.scopes) + len(self.skipped)

    def count(self, reason: ScanReason) -> int:
        """Count the scopes scanned for one reason."""
        return sum(1 for each in self.scopes.values() if each is reason)


def select(table: Sequence[RegionRow] | StatusUnavailable, request: SelectionRequest) -> Selection:
    """Select the scopes to scan.

    Args:
        table: rows of the region status table, or why it could not be read.
        request: what the run may scan.
    """
    rows = [] if isinstance(table, StatusUnavailable) else [row for row in table if row.region not in request.excluded]
    is_known = not isinstance(table, StatusUnavailable) and bool(table)
    active_regions = frozenset(row.region for row in rows if row.server_count > 0) if is_known else None
    return replace(_select(table, rows, request), active_regions=active_regions)


def _select(
    table: Sequence[RegionRow] | StatusUnavailable, rows: Sequence[RegionRow], request: SelectionRequest
) -> Selection:
    active = _active_scopes(rows, request)
    if request.scopes or request.regions:
        return _select_requested(request, active)
    every_scope = _every_scope(rows, request)
    unfinished = tuple(row.region for row in rows if row.full_scan_began)
    if request.full_scan:
        scopes = dict.fromkeys(every_scope, ScanReason.FULL_SCAN)
        return Selection(RegionSource.FULL_SCAN, "a full scan was requested", scopes, (), active, unfinished)
    unfiltered = _unfiltered(table, rows, full_scan_if_none_active=request.full_scan_if_none_active)
    if unfiltered is not None:
        return Selection(*unfiltered, dict.fromkeys(every_scope, ScanReason.FULL_SCAN), ())
    source, reason = _table_reason(rows)
    scopes, skipped = _select_by_status(rows, every_scope, request)
    return Selection(source, reason, scopes, skipped, active, unfinished)


def _active_scopes(rows: Iterable[RegionRow], request: SelectionRequest) -> frozenset[Scope]:
    account_ids = request.account_ids
    counted = (
        Scope(account_id, row.region) for row in rows for account_id in account_ids if _has_servers(row, account_id)
    )
    of_run = frozenset(account_ids)
    stored = (scope for scope in request.stored if scope.account_id in of_run)
    return frozenset(scope for scope in (*counted, *stored) if not request.excludes(scope))


def _has_servers(row: RegionRow, account_id: str) -> bool:
    entry = row.accounts.get(account_id)
    if entry is None or entry.server_count is None:
        return row.server_count > 0 and (row.is_legacy_format or bool(row.unattributed))
    return entry.server_count > 0


def _select_requested(request: SelectionRequest, active: frozenset[Scope]) -> Selection:
    if request.scopes:
        candidates, reason = list(request.scopes), f"{len(request.scopes)} scopes were requested"
    else:
        candidates = [Scope(account_id, region) for account_id in request.account_ids for region in request.regions]
        reason = f"requested: {', '.join(request.regions)}"
    scopes = {scope: ScanReason.REQUESTED for scope in candidates if not request.excludes(scope)}
    return Selection(RegionSource.REQUESTED, reason, scopes, (), active)


def _every_scope(rows: Iterable[RegionRow], request: SelectionRequest) -> list[Scope]:
    """List the scopes of a full scan: the catalog and the regions that the table adds to it, for every account."""
    added = (row.region for row in rows if row.server_count > 0 or _has_scan_request(row))
    regions = list(dict.fromkeys([*request.catalog, *added]))
    scopes = (Scope(account_id, region) for account_id in request.account_ids for region in regions)
    return [scope for scope in scopes if not request.excludes(scope)]


def _has_scan_request(row: RegionRow) -> bool:
    return any(entry.scan_requested_at is not None for entry in row.accounts.values())


def _unfiltered(
    table: Sequence[RegionRow] | StatusUnavailable, rows: Sequence[RegionRow], *, full_scan_if_none_active: bool
) -> tuple[RegionSource, str] | None:
    """Explain why the table cannot be used to select scopes; None when it can."""
    if isinstance(table, StatusUnavailable):
        return RegionSource.FALLBACK_UNAVAILABLE, table.reason
    if not table:
        return RegionSource.FALLBACK_EMPTY, "the region status table is empty"
    if full_scan_if_none_active and not any(row.server_count > 0 or _has_scan_request(row) for row in rows):
        return RegionSource.FULL_SCAN_NONE_ACTIVE, f"none of {len(rows)} regions in the table has servers"
    return None


def _table_reason(rows: Sequence[RegionRow]) -> tuple[RegionSource, str]:
    active_regions = sum(1 for row in rows if row.server_count > 0)
    source = RegionSource.STATUS_TABLE if active_regions else RegionSource.STATUS_TABLE_NONE_ACTIVE
    reason = f"{active_regions} of {len(rows)} regions in the table have servers"
    if _unfinished_since(rows) is not None:
        reason += "; an earlier run over every region was cut short"
    return source, reason


def _unfinished_since(rows: Iterable[RegionRow]) -> datetime | None:
    """Return when the full scan began that was cut short, the latest if there are several; None when there is none."""
    return max((row.full_scan_began for row in rows if row.full_scan_began), default=None)


def _select_by_status(
    rows: Sequence[RegionRow], every_scope: Iterable[Scope], request: SelectionRequest
) -> tuple[dict[Scope, ScanReason], tuple[Scope, ...]]:
    """Divide the scopes into those to scan and those to skip."""
    by_region = {row.region: row for row in rows}
    new_accounts = _new_accounts(rows, request.account_ids)
    unfinished_since = _unfinished_since(rows)
    selected: dict[Scope, ScanReason] = {}
    idle: list[_IdleScope] = []
    for scope in every_scope:
        row = by_region.get(scope.region)
        candidate = _idle_scope(row, scope)
        reason = ScanReason.NEW_ACCOUNT if scope.account_id in new_accounts else _reason(row, scope.account_id)
        is_shared = request.shared and row is not None and row.server_count > 0
        if reason is None and (is_shared or scope in request.stored):
            reason = ScanReason.ACTIVE
        if reason is None and unfinished_since is not None and not candidate.was_scanned_since(unfinished_since):
            reason = ScanReason.RESUMED
        if reason is None:
            idle.append(candidate)
        else:
            selected[scope] = reason
    if request.discover:
        selected |= dict.fromkeys(_discover(idle, len(selected), request.now, request.policy), ScanReason.DISCOVERY)
    return selected, tuple(sorted(each.scope for each in idle if each.scope not in selected))


def _new_accounts(rows: Sequence[RegionRow], account_ids: Iterable[str]) -> frozenset[str]:
    """Find the accounts without any entry in a table that keeps one entry per account."""
    if not any(row.separates_accounts for row in rows):
        return frozenset()
    if any(row.is_legacy_format and row.server_count > 0 for row in rows):
        return frozenset()  # migration is not finished: rows in the legacy format still count for every account
    scanned = {account_id for row in rows for account_id, entry in row.accounts.items() if entry.last_checked}
    return frozenset(account_ids) - scanned


def _reason(row: RegionRow | None, account_id: str) -> ScanReason | None:
    """Return why the status of a scope makes a scan necessary; None when it does not."""
    if row is None:
        return None
    if row.is_legacy_format:
        return _reason_by_row(row)
    entry = row.accounts.get(account_id)
    if entry is None:  # no entry for this account: use the total of the region
        return ScanReason.ACTIVE if row.server_count > 0 else None
    return _reason_by_entry(row, entry)


def _reason_by_row(row: RegionRow) -> ScanReason | None:
    if row.server_count > 0:
        return ScanReason.ACTIVE
    # Legacy writers stored 0 after a failed scan too, so 0 means "no servers" only with a status that settles it.
    is_settled = row.status is None or row.status.settles_count
    return None if is_settled else ScanReason.RETRY


def _reason_by_entry(row: RegionRow, entry: AccountEntry) -> ScanReason | None:
    may_have_servers = bool(row.unattributed) if entry.server_count is None else entry.server_count > 0
    if may_have_servers:
        return ScanReason.ACTIVE
    if entry.scan_requested_at is not None:
        return ScanReason.SCAN_REQUESTED
    return ScanReason.RETRY if entry.status is not None and entry.status.is_transient else None


_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class _IdleScope(NamedTuple):
    """A scope without known servers.

    Sorts by its last scan, failed ones included: a scope that always fails does not block the queue.
    """

    last_scan: datetime
    region: str  # before the account, so that discovery scans whole regions and touches fewer of them per run
    scope: Scope
    has_entry: bool  # the account's own entry has the time of the last scan, so the window applies to it

    def was_scanned_since(self, moment: datetime) -> bool:
        return self.has_entry and self.last_scan >= moment


def _idle_scope(row: RegionRow | None, scope: Scope) -> _IdleScope:
    if row is None:
        return _IdleScope(_NEVER, scope.region, scope, has_entry=False)
    if row.is_legacy_format:
        return _IdleScope(row.last_scanned or _NEVER, scope.region, scope, has_entry=False)
    entry = row.accounts.get(scope.account_id)
    last_checked = entry.last_checked if entry else None
    return _IdleScope(last_checked or _NEVER, scope.region, scope, has_entry=last_checked is not None)


def _discover(idle: Sequence[_IdleScope], selected: int, now: datetime, policy: DiscoveryPolicy) -> list[Scope]:
    """Choose the scopes scanned longest ago: an even share per run of the window, less if that costs too many calls.

    Regardless of cost, the result includes scopes that would exceed the window before the next sync, and enough of the
    scopes without an entry to scan all of them within two windows.
    """
    runs = max(1, math.floor(policy.window_s / policy.interval_s))
    even_share = math.ceil(len(idle) / runs)
    affordable = math.floor(policy.call_share * (len(idle) + selected)) - selected
    without_entry = sum(1 for each in idle if not each.has_entry)
    first_scans = min(without_entry, math.ceil((len(idle) + selected) / (2 * runs)))
    queue = sorted(idle, key=lambda each: (each.has_entry, each))
    next_scopes = [each.scope for each in queue[: max(first_scans, min(even_share, affordable))]]
    latest = now - timedelta(seconds=policy.window_s - policy.interval_s)
    overdue = [each.scope for each in queue if each.has_entry and each.last_scan < latest]
    return list(dict.fromkeys([*next_scopes, *overdue]))
