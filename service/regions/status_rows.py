"""A row of the region status table: reading any shape it ever had, and folding new looks into it. Pure.

The table's key is the region alone, so what each account saw lives in the map `accounts` of the row. Old readers go on
reading `serverCount`, `status`, `lastChecked` and `errorMessage` beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from service.models import RegionStatus, iso, parse_iso
from service.regions.status_codec import MAX_MAPPED, pack, unpack

__all__ = ["AccountEntry", "FullScanMark", "Observation", "RegionRow", "merge", "parse_row", "to_attributes"]

# Words that earlier writers used, as the words of today.
_LEGACY_STATUSES: Final[Mapping[str, RegionStatus]] = MappingProxyType(
    {"AVAILABLE": RegionStatus.ACTIVE, "UNINITIALIZED": RegionStatus.NOT_INITIALIZED}
)
_MAX_MESSAGE: Final = 300


@dataclass(frozen=True, slots=True)
class Observation:
    """What one look at one (account, region) brought.

    `server_count` is None when the look does not say: failed, denied, half-read. `looked_at` is when it began.
    """

    account_id: str
    status: RegionStatus
    scanned_at: datetime
    server_count: int | None = None
    error_message: str = ""


@dataclass(frozen=True, slots=True)
class FullScanMark:
    """A run that looks at every region: when it began, and whether this is its last word."""

    began: datetime
    ended: bool = False


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """What the table knows of one (account, region).

    `server_count` is that of the last complete look, None when there never was one. `requested_at`: an ARN seen
    elsewhere names this place, so it is due a look.
    """

    server_count: int | None = None
    status: RegionStatus | None = None
    last_checked: datetime | None = None
    last_complete: datetime | None = None
    error_message: str = ""
    scan_requested_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RegionRow:
    """One region as the table knows it.

    `unattributed` is the count an old writer left without saying whose servers they are; it stands until every account
    that was asked has answered.

    A run that looks everywhere for want of knowledge notes its begin in one row before it looks, and takes the note
    away at its end: so the next run sees when it was cut short.

    `tells_apart`: its writer tells accounts apart, though it may have nothing to tell of any. Old ones do not.
    """

    region: str
    server_count: int = 0
    status: RegionStatus | None = None
    last_checked: datetime | None = None
    accounts: Mapping[str, AccountEntry] = field(default_factory=dict)
    last_updated: datetime | None = None
    unattributed: int | None = None
    full_scan_began: datetime | None = None
    separates_accounts: bool = True

    @property
    def is_legacy_format(self) -> bool:
        """Whether no account has an entry of its own."""
        return not self.accounts


def parse_row(item: Mapping[str, Any]) -> RegionRow:
    """Read an item of the table in today's shape or any earlier one; what cannot be read counts as not known."""
    accounts = item.get("accounts")
    mapped = accounts if isinstance(accounts, Mapping) else {}
    entries = {
        account_id: _parse_entry(entry)
        for account_id, entry in {**unpack(item.get("accountsPacked")), **mapped}.items()
        if isinstance(entry, Mapping)
    }
    count = _count(item.get("serverCount"))
    return RegionRow(
        region=str(item["region"]),
        server_count=count or 0,
        status=_word(item.get("status")),
        last_checked=parse_iso(item.get("lastChecked")) or parse_iso(item.get("lastUpdated")),
        accounts=entries,
        last_updated=parse_iso(item.get("lastUpdated")),
        unattributed=_count(item.get("unattributedCount")) if entries else count,
        full_scan_began=parse_iso(item.get("sweepBegan")),
        separates_accounts=isinstance(accounts, Mapping) or bool(entries),
    )


def _parse_entry(entry: Mapping[str, Any]) -> AccountEntry:
    return AccountEntry(
        server_count=_count(entry.get("serverCount")),
        status=_word(entry.get("status")),
        last_checked=parse_iso(entry.get("lastChecked")),
        last_complete=parse_iso(entry.get("lastComplete")),
        error_message=str(entry.get("errorMessage") or ""),
        scan_requested_at=parse_iso(entry.get("lookRequestedAt")),
    )


def _word(value: object) -> RegionStatus | None:
    if not isinstance(value, str):
        return None
    if value in _LEGACY_STATUSES:
        return _LEGACY_STATUSES[value]
    return RegionStatus(value) if value in RegionStatus.__members__ else None


def _count(value: object) -> int | None:
    """Read a count; negative, fractional or textual ones are none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def merge(
    row: RegionRow | None,
    region: str,
    observations: Iterable[Observation],
    *,
    scan_requests: Mapping[str, datetime] | None = None,
    all_accounts: frozenset[str] | None = None,
    full_scan_mark: FullScanMark | None = None,
) -> RegionRow:
    """Fold looks into a row. Looks may come in any order and any number of times: the result is the same.

    Args:
        row: what the table holds now, None for no row.
        region: the region of the row.
        observations: what the scans of this run found.
        scan_requests: account -> when an ARN seen elsewhere asked for a look there.
        full_scan_mark: the run scans every region.
        all_accounts: every account there is; entries of others are dropped. None when that is not known.
    """
    base = row or RegionRow(region)
    entries = dict(base.accounts)
    for observation in observations:
        entries[observation.account_id] = _merge_observation(
            entries.get(observation.account_id, AccountEntry()), observation
        )
    for account_id, moment in (scan_requests or {}).items():
        entry = entries.get(account_id, AccountEntry())
        newest = moment if entry.scan_requested_at is None else max(moment, entry.scan_requested_at)
        entries[account_id] = _settled(replace(entry, scan_requested_at=newest))
    if all_accounts is not None:
        entries = {account_id: entry for account_id, entry in entries.items() if account_id in all_accounts}
    if full_scan_mark is not None:
        base = replace(base, full_scan_began=_merge_mark(base.full_scan_began, full_scan_mark))
    return _summed(base, entries, all_accounts)


def _merge_mark(held: datetime | None, full_scan_mark: FullScanMark) -> datetime | None:
    """Note the begin of a sweep, or take the note away; that of a later sweep stays until its own end."""
    if full_scan_mark.ended:
        return held if held is not None and held > full_scan_mark.began else None
    return full_scan_mark.began if held is None else max(held, full_scan_mark.began)


def _merge_observation(entry: AccountEntry, observation: Observation) -> AccountEntry:
    if observation.server_count is not None and _is_newer(
        (observation.scanned_at, observation.server_count), (entry.last_complete, entry.server_count or 0)
    ):
        entry = replace(entry, server_count=observation.server_count, last_complete=observation.scanned_at)
    message = observation.error_message[:_MAX_MESSAGE]
    if _is_newer(
        (observation.scanned_at, (observation.status.settles_count, str(observation.status), message)),
        (
            entry.last_checked,
            (bool(entry.status and entry.status.settles_count), str(entry.status), entry.error_message),
        ),
    ):
        entry = replace(entry, status=observation.status, last_checked=observation.scanned_at, error_message=message)
    return _settled(entry)


def _is_newer(new: tuple[datetime, Any], held: tuple[datetime | None, Any]) -> bool:
    """Compare by time, and by value where times are equal: then the order of arrival decides nothing."""
    return held[0] is None or (held[0], held[1]) <= new


def _settled(entry: AccountEntry) -> AccountEntry:
    """Drop a request that has had its answer: a complete look, or a refusal that will not pass by itself."""
    asked, status = entry.scan_requested_at, entry.status
    if asked is None:
        return entry
    answered = entry.last_complete is not None and entry.last_complete >= asked
    refused = status is not None and not (status.settles_count or status.is_transient)
    refused = refused and entry.last_checked is not None and entry.last_checked >= asked
    return replace(entry, scan_requested_at=None) if answered or refused else entry


def _summed(base: RegionRow, entries: Mapping[str, AccountEntry], all_accounts: frozenset[str] | None) -> RegionRow:
    known = sum(entry.server_count or 0 for entry in entries.values())
    asked = [entry for entry in entries.values() if entry.last_checked is not None]
    settled = {account_id for account_id, entry in entries.items() if entry.server_count is not None}
    everyone_answered = all_accounts is not None and all_accounts <= settled
    unattributed = None if everyone_answered else base.unattributed
    checked = [entry.last_checked for entry in asked if entry.last_checked is not None]
    return replace(
        base,
        accounts=entries,
        separates_accounts=base.separates_accounts or bool(entries),
        server_count=max(known, unattributed or 0),
        unattributed=unattributed or None,
        status=_overall(entries.values()) or base.status,
        last_checked=max(checked, default=base.last_checked),
    )


def _overall(entries: Iterable[AccountEntry]) -> RegionStatus | None:
    """Choose the one word of the row: seen by any account, else the first kind of trouble, else not initialised."""
    words = {entry.status for entry in entries if entry.status is not None}
    return next((word for word in _PRECEDENCE if word in words), None)


_PRECEDENCE: Final = (
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
    """Write a row as the attributes to set; None means: remove the attribute."""
    failing = [
        f"{account_id}: {entry.error_message}"
        for account_id, entry in sorted(row.accounts.items())
        if entry.error_message
    ]
    more = f" (and {len(failing) - 1} more)" if len(failing) > 1 else ""
    fullest = max(row.accounts.items(), key=lambda pair: (pair[1].server_count or 0, pair[0]), default=None)
    entries = {account_id: _entry_attributes(entry) for account_id, entry in sorted(row.accounts.items())}
    is_packed = len(entries) > MAX_MAPPED
    # Writers hold each other off by this value, so no write may leave the one it found.
    later = now if row.last_updated is None else max(now, row.last_updated + timedelta(microseconds=1))
    return {
        "serverCount": row.server_count,
        "status": str(row.status) if row.status else None,
        "accountId": fullest[0] if fullest else None,
        "lastChecked": row.last_checked.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if row.last_checked else None,
        "lastUpdated": iso(later),
        "errorMessage": f"{failing[0]}{more}" if failing else None,
        "accounts": entries if row.separates_accounts and not is_packed else None,
        "accountsPacked": pack(entries) if is_packed else None,
        "unattributedCount": row.unattributed,
        "sweepBegan": iso(row.full_scan_began) if row.full_scan_began else None,
    }


def _entry_attributes(entry: AccountEntry) -> dict[str, Any]:
    pairs = {
        "serverCount": entry.server_count,
        "status": str(entry.status) if entry.status else None,
        "lastChecked": iso(entry.last_checked) if entry.last_checked else None,
        "lastComplete": iso(entry.last_complete) if entry.last_complete else None,
        "errorMessage": entry.error_message or None,
        "lookRequestedAt": iso(entry.scan_requested_at) if entry.scan_requested_at else None,
    }
    return {name: value for name, value in pairs.items() if value is not None}
