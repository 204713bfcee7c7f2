"""Rows of the region status table: parsing every format they ever had, and merging scan results into them. Pure.

The key of the table is the region alone, so the attribute `accounts` of a row maps each account to an entry of its own.
Readers that know nothing of it use `serverCount`, `status`, `lastChecked` and `errorMessage` of the row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from service.models import RegionStatus, iso, parse_iso
from service.regions.status_codec import MAX_MAPPED, pack, unpack, unpack_one
from service.regions.status_entry import AccountEntry, entry_attributes, parse_count, parse_entry, parse_status

__all__ = [
    "FullScanMark",
    "Observation",
    "RegionRow",
    "checked_attributes",
    "merge",
    "parse_entry_in",
    "parse_row",
    "to_attributes",
    "unreachable_regions",
]

_MAX_MESSAGE: Final = 300
_MAX_NAMES: Final = 5
# These are also stored where the account's role could not be assumed, so that DRS was not called.
_SAY_NOTHING_OF_ENDPOINT: Final = frozenset({None, RegionStatus.ERROR, RegionStatus.IAM_PERMISSION_DENIED})


@dataclass(frozen=True, slots=True)
class Observation:
    """The result of one scan of one scope, as far as region status needs it.

    Args:
        account_id: account of the scope; its region is the row's.
        status: how the scan ended.
        scanned_at: when the scan began.
        server_count: number of servers; None when the scan did not determine it (failed, denied, incomplete).
        error_message: message of the failure, empty without one.
        is_unconfirmed_empty: the scan was told that there is nothing where servers are known. It determines no count; a
            later scan that is told the same does.
        is_confirmed_empty: an earlier scan was told the same, so that "not initialized" settles the count.
        unusable: names of the servers that it counted and the inventory cannot hold.
        believed_up_to: the count is believed where no more servers than this are known; None: in any case.
        reads_items: the scan also compares the inventory's items, as only the inventory sync does.
    """

    account_id: str
    status: RegionStatus
    scanned_at: datetime
    server_count: int | None = None
    error_message: str = ""
    is_unconfirmed_empty: bool = False
    is_confirmed_empty: bool = False
    unusable: tuple[str, ...] = ()
    believed_up_to: int | None = None
    reads_items: bool = True


@dataclass(frozen=True, slots=True)
class FullScanMark:
    """A checkpoint of a run that scans every region: when it began, and whether it has ended.

    The mark is stored in one row when the run begins and removed when it ends, so that a run that finds a mark knows of
    a full scan that was cut short.
    """

    began: datetime
    ended: bool = False


@dataclass(frozen=True, slots=True)
class RegionRow:
    """Region status of one region.

    Args:
        region: name of the region, key of the table.
        server_count: number of servers of all accounts.
        status: one status for all accounts, by precedence.
        last_checked: the time at `lastChecked`, which other readers take as the age of the whole inventory: when the
            latest scan of any account began, or when the last run over all scopes ended (see `checked_attributes`).
        last_scanned: when the latest scan of any account began. A legacy row has only the time of its last write.
        accounts: the entries, by account id.
        last_updated: when the row was written.
        unattributed: count that a legacy writer stored without naming an account. It is kept until every account has
            had a complete scan.
        full_scan_began: when a full scan began that has not ended (see `FullScanMark`).
        separates_accounts: the writer keeps entries per account, though there may be none yet. Legacy writers do not.
    """

    region: str
    server_count: int = 0
    status: RegionStatus | None = None
    last_checked: datetime | None = None
    last_scanned: datetime | None = None
    accounts: Mapping[str, AccountEntry] = field(default_factory=dict)
    last_updated: datetime | None = None
    unattributed: int | None = None
    full_scan_began: datetime | None = None
    separates_accounts: bool = True

    @property
    def is_legacy_format(self) -> bool:
        """Whether the row has no entry of any account."""
        return not self.accounts

    @property
    def was_unreachable(self) -> bool:
        """Whether the latest scan that says so either way could not reach DRS in the region."""
        if self.is_legacy_format:
            return self.status is RegionStatus.ENDPOINT_UNREACHABLE
        scans = [
            (entry.last_checked, entry.status is RegionStatus.ENDPOINT_UNREACHABLE)
            for entry in self.accounts.values()
            if entry.last_checked is not None and entry.status not in _SAY_NOTHING_OF_ENDPOINT
        ]
        return bool(scans) and max(scans)[1]


def unreachable_regions(rows: Iterable[RegionRow]) -> frozenset[str]:
    """Return the regions whose DRS the latest scans could not reach."""
    return frozenset(row.region for row in rows if row.was_unreachable)


def parse_row(item: Mapping[str, Any]) -> RegionRow:
    """Parse an item of the table in the current format or an earlier one; unreadable values count as unknown."""
    accounts = item.get("accounts")
    mapped = accounts if isinstance(accounts, Mapping) else {}
    entries = {
        account_id: parse_entry(entry)
        for account_id, entry in {**unpack(item.get("accountsPacked")), **mapped}.items()
        if isinstance(entry, Mapping)
    }
    count = parse_count(item.get("serverCount"))
    checked, written = parse_iso(item.get("lastChecked")), parse_iso(item.get("lastUpdated"))
    scanned = parse_iso(item.get("lastScanned")) or checked or written
    return RegionRow(
        region=str(item["region"]),
        server_count=count or 0,
        status=parse_status(item.get("status")),
        last_checked=checked,
        last_scanned=_latest_scan(entries) if entries else scanned,
        accounts=entries,
        last_updated=written,
        unattributed=parse_count(item.get("unattributedCount")) if entries else count,
        full_scan_began=parse_iso(item.get("sweepBegan")),
        separates_accounts=isinstance(accounts, Mapping) or bool(entries),
    )


def parse_entry_in(item: Mapping[str, Any], account_id: str) -> AccountEntry | None:
    """Parse the entry of one account in an item, as `parse_row` does, without the entries of all others."""
    accounts = item.get("accounts")
    if isinstance(accounts, Mapping) and account_id in accounts:
        entry = accounts[account_id]
    else:
        entry = unpack_one(item.get("accountsPacked"), account_id)
    return parse_entry(entry) if isinstance(entry, Mapping) else None


def _latest_scan(entries: Mapping[str, AccountEntry]) -> datetime | None:
    return max((entry.last_checked for entry in entries.values() if entry.last_checked is not None), default=None)


def merge(
    row: RegionRow | None,
    region: str,
    observations: Iterable[Observation],
    *,
    scan_requests: Mapping[str, datetime] | None = None,
    all_accounts: frozenset[str] | None = None,
    full_scan_mark: FullScanMark | None = None,
) -> RegionRow:
    """Merge scan results into a row. The order of the results, and repeated ones, make no difference.

    Args:
        row: the stored row, None when there is none.
        region: the region of the row.
        observations: results of the scans.
        scan_requests: accounts whose scope is to be scanned, and since when (see `AccountEntry.scan_requested_at`).
        full_scan_mark: begin or end of a full scan, to be stored in this row.
        all_accounts: every target account, entries of others are removed; None when that is not known.
    """
    merged = row or RegionRow(region)
    entries = dict(merged.accounts)
    for observation in observations:
        entries[observation.account_id] = _merge_observation(
            entries.get(observation.account_id, AccountEntry()), observation
        )
    for account_id, moment in (scan_requests or {}).items():
        entry = entries.get(account_id, AccountEntry())
        latest = moment if entry.scan_requested_at is None else max(moment, entry.scan_requested_at)
        entries[account_id] = _without_done_request(replace(entry, scan_requested_at=latest))
    if all_accounts is not None:
        entries = {account_id: entry for account_id, entry in entries.items() if account_id in all_accounts}
    if full_scan_mark is not None:
        merged = replace(merged, full_scan_began=_merge_mark(merged.full_scan_began, full_scan_mark))
    return _with_totals(merged, entries, all_accounts)


def _merge_mark(stored: datetime | None, mark: FullScanMark) -> datetime | None:
    """Set the begin of a full scan, or remove it at the end; the mark of a later full scan is kept."""
    if mark.ended:
        return stored if stored is not None and stored > mark.began else None
    return mark.began if stored is None else max(stored, mark.began)


def _merge_observation(entry: AccountEntry, observation: Observation) -> AccountEntry:
    names = tuple(observation.unusable[:_MAX_NAMES])
    counted = (observation.server_count or 0, len(observation.unusable), names)
    stored = (entry.server_count or 0, entry.unusable, entry.unusable_names)
    if observation.server_count is not None and _is_newer(
        (observation.scanned_at, counted), (entry.last_complete, stored)
    ):
        entry = replace(
            entry,
            server_count=observation.server_count,
            last_complete=observation.scanned_at,
            unusable=len(observation.unusable),
            unusable_names=names,
        )
    message = observation.error_message[:_MAX_MESSAGE]
    if _is_newer(
        (observation.scanned_at, (observation.status.settles_count, str(observation.status), message)),
        (
            entry.last_checked,
            (bool(entry.status and entry.status.settles_count), str(entry.status), entry.error_message),
        ),
    ):
        entry = replace(entry, status=observation.status, last_checked=observation.scanned_at, error_message=message)
    return _without_done_request(_with_first_and_empty(entry, observation))


def _with_first_and_empty(entry: AccountEntry, observation: Observation) -> AccountEntry:
    """Set when the first scan began and when an empty result waits to be confirmed; a complete scan settles both."""
    first, empty, complete = entry.first_checked, entry.empty_seen_at, entry.last_complete
    first = observation.scanned_at if first is None else min(first, observation.scanned_at)
    if observation.is_unconfirmed_empty:
        empty = observation.scanned_at if empty is None else max(empty, observation.scanned_at)
    is_settled = complete is not None and empty is not None and complete >= empty
    return replace(
        entry, first_checked=first if complete is None else None, empty_seen_at=None if is_settled else empty
    )


def _is_newer(new: tuple[datetime, Any], stored: tuple[datetime | None, Any]) -> bool:
    """Compare by time, then by value, so that the order of arrival makes no difference when times are equal."""
    return stored[0] is None or (stored[0], stored[1]) <= new


def _without_done_request(entry: AccountEntry) -> AccountEntry:
    """Remove a scan request that is done: by a complete scan, or by a failure that another scan would only repeat.

    A scan settles the request that it made itself, at the moment at which it began, only when it was complete.
    """
    requested_at, status = entry.scan_requested_at, entry.status
    if requested_at is None:
        return entry
    scanned = entry.last_complete is not None and entry.last_complete >= requested_at
    fails_for_good = status is not None and not (status.settles_count or status.is_transient)
    failed = fails_for_good and entry.last_checked is not None and entry.last_checked > requested_at
    return replace(entry, scan_requested_at=None) if scanned or failed else entry


def _with_totals(row: RegionRow, entries: Mapping[str, AccountEntry], all_accounts: frozenset[str] | None) -> RegionRow:
    """Set the entries of a row, and the values that it derives from them."""
    total = sum(entry.server_count or 0 for entry in entries.values())
    counted = {account_id for account_id, entry in entries.items() if entry.server_count is not None}
    all_counted = all_accounts is not None and all_accounts <= counted
    unattributed = None if all_counted else row.unattributed
    return replace(
        row,
        accounts=entries,
        separates_accounts=row.separates_accounts or bool(entries),
        server_count=max(total, unattributed or 0),
        unattributed=unattributed or None,
        status=_row_status(entries.values()) or row.status,
        last_scanned=_latest_scan(entries) or row.last_scanned,
    )


def _row_status(entries: Iterable[AccountEntry]) -> RegionStatus | None:
    """Return the status of the row: the first one in the order of precedence that an entry has."""
    statuses = {entry.status for entry in entries if entry.status is not None}
    return next((status for status in _STATUS_PRECEDENCE if status in statuses), None)


# ACTIVE if any account has it, then the failures, NOT_INITIALIZED only if there is nothing else.
_STATUS_PRECEDENCE: Final = (
    RegionStatus.ACTIVE,
    RegionStatus.THROTTLED,
    RegionStatus.ERROR,
    RegionStatus.IAM_PERMISSION_DENIED,
    RegionStatus.SCP_DENIED,
    RegionStatus.ENDPOINT_UNREACHABLE,
    RegionStatus.REGION_NOT_ENABLED,
    RegionStatus.REGION_NOT_OPTED_IN,
    RegionStatus.NOT_INITIALIZED,
)


def to_attributes(row: RegionRow, *, now: datetime) -> dict[str, Any]:
    """Serialize a row as the attributes to set; None removes an attribute.

    A row without entries is another writer's: its account and error message are not set, so they stay as they are.
    """
    failing = [
        f"{account_id}: {entry.error_message}"
        for account_id, entry in sorted(row.accounts.items())
        if entry.error_message
    ]
    more = f" (and {len(failing) - 1} more)" if len(failing) > 1 else ""
    largest = max(row.accounts.items(), key=lambda pair: (pair[1].server_count or 0, pair[0]), default=None)
    entries = {account_id: entry_attributes(entry) for account_id, entry in sorted(row.accounts.items())}
    is_packed = len(entries) > MAX_MAPPED
    described_by_entries = {
        "status": str(row.status) if row.status else None,
        "accountId": largest[0] if largest else None,
        "errorMessage": f"{failing[0]}{more}" if failing else None,
    }
    return {
        "serverCount": row.server_count,
        **{name: value for name, value in described_by_entries.items() if value or row.separates_accounts},
        **_times(row, row.last_checked, now=now),
        "accounts": entries if row.separates_accounts and not is_packed else None,
        "accountsPacked": pack(entries) if is_packed else None,
        "unattributedCount": row.unattributed,
        "sweepBegan": iso(row.full_scan_began) if row.full_scan_began else None,
    }


def checked_attributes(row: RegionRow, *, checked_at: datetime, now: datetime) -> dict[str, Any]:
    """Return the attributes that move `lastChecked` of a row to a time, and change nothing else of it.

    Other readers take `lastChecked` of one row as the age of the whole inventory. After a run over all scopes every row
    may therefore say so, whenever its own region was scanned; that stays in its entries.
    """
    latest = checked_at if row.last_checked is None else max(checked_at, row.last_checked)
    return _times(row, latest, now=now)


def _times(row: RegionRow, last_checked: datetime | None, *, now: datetime) -> dict[str, Any]:
    latest = max((each for each in (last_checked, row.last_scanned) if each is not None), default=None)
    # Writers detect each other's writes by lastUpdated, so every write must change it, whatever the clock says.
    last_updated = now if row.last_updated is None else max(now, row.last_updated + timedelta(microseconds=1))
    # Entries have the times of their scans. Without any, this keeps the time that lastChecked no longer tells.
    scanned = None if row.accounts else row.last_scanned
    return {
        "lastChecked": latest.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if latest else None,
        "lastScanned": iso(scanned) if scanned else None,
        "lastUpdated": iso(last_updated),
    }
