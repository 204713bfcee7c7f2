"""Which (account, region) places deserve a call in this run, and why. Pure.

A filter alone never sees a region that becomes active, so every inventory sync also looks at inactive places, longest
unseen first. Two bounds hold, in this order of strength: no place stays unseen for longer than the window, and beside
that the places looked at stay below a share of all (a fifth, so that calls stay 80 % below a full scan).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from service.models import Scope
from service.regions.status_rows import AccountEntry, RegionRow

__all__ = ["DiscoveryPolicy", "RegionSource", "ScanReason", "Selection", "StatusUnavailable", "select"]


class RegionSource(StrEnum):
    """Where the choice of regions came from."""

    STATUS_TABLE = "status_table"
    STATUS_TABLE_NONE_ACTIVE = "status_table_none_active"
    FALLBACK_EMPTY = "fallback_table_empty"
    FALLBACK_UNAVAILABLE = "fallback_table_unavailable"
    FALLBACK_NONE_ACTIVE = "fallback_none_active"
    FULL_SCAN = "full_scan"
    REQUESTED = "requested"

    @property
    def is_fallback(self) -> bool:
        """Whether every region is scanned for want of knowledge, which deserves a warning."""
        return self.startswith("fallback")


class ScanReason(StrEnum):
    """Why a place is looked at."""

    FULL_SCAN = "every region is scanned"
    REQUESTED = "asked for"
    ACTIVE = "has servers"
    NEW_ACCOUNT = "the account is not in the table yet"
    RETRY = "the last look failed and may succeed now"
    SCAN_REQUESTED = "a server elsewhere points here"
    DISCOVERY = "looked at longest ago"
    RESUMED = "an earlier run that looked everywhere was cut short"


@dataclass(frozen=True, slots=True)
class StatusUnavailable:
    """The region status table could not be read, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class DiscoveryPolicy:
    """How many inactive places to look at.

    Args:
        window_s: within this time every inactive place is looked at again.
        interval_s: time between two syncs.
        call_share: places looked at should stay below this share of all places.
    """

    window_s: float = 7200.0
    interval_s: float = 900.0
    call_share: float = 0.2


@dataclass(frozen=True, slots=True)
class Selection:
    """The places to look at, with the reason for each, and those left out.

    `known_active` are the places that the table says have servers, whatever was chosen. `open_sweeps` are the
    regions whose rows tell that an earlier run over every region was cut short; this one goes on with it.
    """

    source: RegionSource
    reason: str
    scopes: Mapping[Scope, ScanReason]
    skipped: tuple[Scope, ...]
    known_active: frozenset[Scope] = frozenset()
    unfinished_full_scans: tuple[str, ...] = ()

    @property
    def asked(self) -> int:
        """How many scopes a full scan of the same accounts would look at."""
        return len(self.scopes) + len(self.skipped)

    def count(self, why: ScanReason) -> int:
        """Count the places looked at for one reason."""
        return sum(1 for reason in self.scopes.values() if reason is why)


def select(
    table: Sequence[RegionRow] | StatusUnavailable,
    accounts: Iterable[str],
    catalog: Sequence[str],
    *,
    now: datetime,
    policy: DiscoveryPolicy,
    full_scan: bool = False,
    requested: Sequence[str] = (),
    scopes: Sequence[Scope] = (),
    excluded: frozenset[str] = frozenset(),
    discover: bool = True,
    shared: bool = False,
    full_scan_if_none_active: bool = False,
) -> Selection:
    """Choose the places to look at.

    Args:
        table: rows of the region status table, or why they could not be read.
        accounts: accounts to sync.
        catalog: regions of a full scan; a region that the table calls active is added to it.
        now: the time of the run.
        policy: bounds of discovery.
        full_scan: look everywhere.
        requested: look at these regions only.
        scopes: look at these places only.
        excluded: regions never looked at, whatever the table says.
        discover: whether inactive places get a look at all; only the inventory sync discovers.
        shared: a region that has servers of one account is looked at for all of them.
        full_scan_if_none_active: a table that knows of no servers means every region, as an empty one does.
    """
    account_ids = sorted(set(accounts))
    rows = () if isinstance(table, StatusUnavailable) else [row for row in table if row.region not in excluded]
    named = dict.fromkeys([*catalog, *(row.region for row in rows if row.server_count > 0 or _is_pointed_at(row))])
    regions = [region for region in named if region not in excluded]
    active = frozenset(
        Scope(account_id, row.region) for row in rows for account_id in account_ids if _has_servers(row, account_id)
    )
    if scopes:
        asked_for = {scope: ScanReason.REQUESTED for scope in scopes if scope.region not in excluded}
        return Selection(RegionSource.REQUESTED, f"asked for {len(scopes)} scopes", asked_for, (), active)
    if requested:
        wanted = {
            Scope(account_id, region): ScanReason.REQUESTED
            for account_id in account_ids
            for region in requested
            if region not in excluded
        }
        return Selection(RegionSource.REQUESTED, f"asked for {', '.join(requested)}", wanted, (), active)
    unfinished_full_scans = tuple(row.region for row in rows if row.full_scan_began)
    every = {Scope(account_id, region): ScanReason.FULL_SCAN for account_id in account_ids for region in regions}
    if full_scan:
        return Selection(RegionSource.FULL_SCAN, "a full scan was asked for", every, (), active, unfinished_full_scans)
    regions_active = sum(1 for row in rows if row.server_count > 0)
    fallback = _fallback(table, rows, full_scan_if_none_active=full_scan_if_none_active)
    if fallback is not None:
        return Selection(*fallback, every, ())
    source = RegionSource.STATUS_TABLE if regions_active else RegionSource.STATUS_TABLE_NONE_ACTIVE
    reason = f"{regions_active} of {len(rows)} regions in the table have servers"
    unfinished_since = _unfinished_since(rows)
    if unfinished_since is not None:
        reason += "; an earlier run over every region was cut short"
    look, skip = _filtered(
        rows,
        account_ids,
        regions,
        now,
        policy=policy if discover else None,
        unfinished_since=unfinished_since,
        shared=shared,
    )
    return Selection(source, reason, look, skip, active, unfinished_full_scans)


def _fallback(
    table: Sequence[RegionRow] | StatusUnavailable, rows: Sequence[RegionRow], *, full_scan_if_none_active: bool
) -> tuple[RegionSource, str] | None:
    """Tell why the table gives no choice; None when it does."""
    if isinstance(table, StatusUnavailable):
        return RegionSource.FALLBACK_UNAVAILABLE, table.reason
    if not table:
        return RegionSource.FALLBACK_EMPTY, "the region status table is empty"
    if full_scan_if_none_active and not any(row.server_count > 0 or _is_pointed_at(row) for row in rows):
        return RegionSource.FALLBACK_NONE_ACTIVE, f"none of {len(rows)} regions in the table has servers"
    return None


def _has_servers(row: RegionRow, account_id: str) -> bool:
    entry = row.accounts.get(account_id)
    if entry is None or entry.server_count is None:
        return row.server_count > 0 and (row.is_legacy_format or bool(row.unattributed))
    return entry.server_count > 0


def _unfinished_since(rows: Sequence[RegionRow]) -> datetime | None:
    """Tell when a run began that looked everywhere and was cut short; None when none was."""
    return max((row.full_scan_began for row in rows if row.full_scan_began), default=None)


def _filtered(
    rows: Sequence[RegionRow],
    account_ids: Sequence[str],
    regions: Sequence[str],
    now: datetime,
    *,
    policy: DiscoveryPolicy | None,
    unfinished_since: datetime | None,
    shared: bool,
) -> tuple[dict[Scope, ScanReason], tuple[Scope, ...]]:
    by_region = {row.region: row for row in rows}
    new_accounts = _new_accounts(rows, account_ids)
    look: dict[Scope, ScanReason] = {}
    idle: list[_Idle] = []
    for account_id in account_ids:
        for region in regions:
            scope, row = Scope(account_id, region), by_region.get(region)
            why = ScanReason.NEW_ACCOUNT if account_id in new_accounts else _why(row, account_id)
            if why is None and shared and row is not None and row.server_count > 0:
                why = ScanReason.ACTIVE
            seen = _idle(row, scope)
            if why is None and unfinished_since is not None and not (seen.ours and seen.last_look >= unfinished_since):
                why = ScanReason.RESUMED
            if why is None:
                idle.append(seen)
            else:
                look[scope] = why
    if policy is not None:
        look |= dict.fromkeys(_discover(idle, len(look), now, policy), ScanReason.DISCOVERY)
    return look, tuple(sorted(entry.scope for entry in idle if entry.scope not in look))


def _new_accounts(rows: Sequence[RegionRow], account_ids: Sequence[str]) -> frozenset[str]:
    """Find accounts of which a table that tells accounts apart knows nothing at all."""
    if not any(row.separates_accounts for row in rows):
        return frozenset()
    if any(row.is_legacy_format and row.server_count > 0 for row in rows):
        return frozenset()  # half-way through the change of shape: the old rows still speak for everyone
    seen = {account_id for row in rows for account_id, entry in row.accounts.items() if entry.last_checked}
    return frozenset(account_ids) - seen


def _is_pointed_at(row: RegionRow) -> bool:
    return any(entry.scan_requested_at is not None for entry in row.accounts.values())


def _why(row: RegionRow | None, account_id: str) -> ScanReason | None:
    """Tell why a place deserves a look without discovery; None when it does not."""
    if row is None:
        return None
    if row.is_legacy_format:
        return _why_by_row(row)
    entry = row.accounts.get(account_id)
    if entry is None:  # the table does not know this pair: the region's own count decides
        return ScanReason.ACTIVE if row.server_count > 0 else None
    return _why_by_entry(row, entry)


def _why_by_row(row: RegionRow) -> ScanReason | None:
    if row.server_count > 0:
        return ScanReason.ACTIVE
    # Old writers put 0 when they could not look, so that zero is no answer.
    settled = row.status is None or row.status.settles_count
    return None if settled else ScanReason.RETRY


def _why_by_entry(row: RegionRow, entry: AccountEntry) -> ScanReason | None:
    if entry.scan_requested_at is not None:
        return ScanReason.SCAN_REQUESTED
    if entry.server_count is None:
        if row.unattributed:
            return ScanReason.ACTIVE
        return ScanReason.RETRY if entry.status is not None and entry.status.is_transient else None
    if entry.server_count > 0:
        return ScanReason.ACTIVE
    return ScanReason.RETRY if entry.status is not None and entry.status.is_transient else None


_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class _Idle(NamedTuple):
    """A place without servers as far as known.

    Sorts by its last look, whether that succeeded or not: a place that refuses us does not hold up the queue.
    """

    last_look: datetime
    region: str  # before the account: whole regions take their turn, so fewer of them are touched at once
    scope: Scope
    ours: bool  # the last look was made by this service, so the window's promise covers it


def _idle(row: RegionRow | None, scope: Scope) -> _Idle:
    if row is None:
        return _Idle(_NEVER, scope.region, scope, ours=False)
    if row.is_legacy_format:
        return _Idle(row.last_checked or _NEVER, scope.region, scope, ours=False)
    entry = row.accounts.get(scope.account_id)
    seen = entry.last_checked if entry else None
    return _Idle(seen or _NEVER, scope.region, scope, ours=seen is not None)


def _discover(idle: Sequence[_Idle], busy: int, now: datetime, policy: DiscoveryPolicy) -> list[Scope]:
    """Take the places looked at longest ago: an even share of the window's work, less when that costs too many calls.

    Whatever it costs: places that would outlast the window before the next sync, and of places that this service never
    looked at enough to reach the last of them within two windows.
    """
    runs = max(1, math.floor(policy.window_s / policy.interval_s))
    even_share = math.ceil(len(idle) / runs)
    affordable = math.floor(policy.call_share * (len(idle) + busy)) - busy
    unseen = sum(1 for entry in idle if not entry.ours)
    first_looks = min(unseen, math.ceil((len(idle) + busy) / (2 * runs)))
    queue = sorted(idle, key=lambda entry: (entry.ours, entry))
    turn = [entry.scope for entry in queue[: max(first_looks, min(even_share, affordable))]]
    latest = now - timedelta(seconds=policy.window_s - policy.interval_s)
    due = [entry.scope for entry in queue if entry.ours and entry.last_look < latest]
    return list(dict.fromkeys([*turn, *due]))
