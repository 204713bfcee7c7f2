"""Region status of one scope: the entry of an account in the row of a region, and how it is stored. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from service.models import RegionStatus, iso, parse_iso

_MAX_COUNT: Final = 2**63  # JSON of packed entries has no larger numbers

__all__ = ["AccountEntry", "entry_attributes", "parse_count", "parse_entry", "parse_status"]

# Status words of legacy writers, as the current words.
_LEGACY_STATUSES: Final[Mapping[str, RegionStatus]] = MappingProxyType(
    {"AVAILABLE": RegionStatus.ACTIVE, "UNINITIALIZED": RegionStatus.NOT_INITIALIZED}
)


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """Region status of one scope.

    Args:
        server_count: number of servers at the last complete scan, None before the first one.
        status: how the last scan ended.
        last_checked: when the last scan began, failed ones included.
        last_complete: when the last complete scan began.
        error_message: message of the last scan, empty when it did not fail.
        scan_requested_at: the scope is scanned by every run until a complete scan began at this moment or later; None
            when no scan is due. It is in the future where late writes of other runs may still arrive.
        first_checked: when the first scan began, None once there was a complete one.
        empty_seen_at: when the last scan began that was told that there is nothing where servers are known; None once a
            complete scan began later.
        unusable: how many of the servers at the last complete scan the inventory cannot hold.
        unusable_names: the first of these.
    """

    server_count: int | None = None
    status: RegionStatus | None = None
    last_checked: datetime | None = None
    last_complete: datetime | None = None
    error_message: str = ""
    scan_requested_at: datetime | None = None
    first_checked: datetime | None = None
    empty_seen_at: datetime | None = None
    unusable: int = 0
    unusable_names: tuple[str, ...] = ()

    @property
    def item_count(self) -> int:
        """How many items the inventory has of the scope, if it is as the last complete scan has left it."""
        return max(0, (self.server_count or 0) - self.unusable)


def parse_entry(entry: Mapping[str, Any]) -> AccountEntry:
    """Parse an entry; unreadable values count as unknown."""
    return AccountEntry(
        server_count=parse_count(entry.get("serverCount")),
        status=parse_status(entry.get("status")),
        last_checked=parse_iso(entry.get("lastChecked")),
        last_complete=parse_iso(entry.get("lastComplete")),
        error_message=str(entry.get("errorMessage") or ""),
        scan_requested_at=parse_iso(entry.get("lookRequestedAt")),
        first_checked=parse_iso(entry.get("firstChecked")),
        empty_seen_at=parse_iso(entry.get("emptySeenAt")),
        unusable=parse_count(entry.get("unusable")) or 0,
        unusable_names=_parse_names(entry.get("unusableNames")),
    )


def _parse_names(value: object) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def parse_status(value: object) -> RegionStatus | None:
    """Parse a status, also in the words of legacy writers; None for anything else."""
    if not isinstance(value, str):
        return None
    if value in _LEGACY_STATUSES:
        return _LEGACY_STATUSES[value]
    return RegionStatus(value) if value in RegionStatus.__members__ else None


def parse_count(value: object) -> int | None:
    """Parse a count; anything but a whole number of at least 0, and of 64 bits, is unknown."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_COUNT else None


def entry_attributes(entry: AccountEntry) -> dict[str, Any]:
    """Serialize an entry."""
    pairs = {
        "serverCount": entry.server_count,
        "status": str(entry.status) if entry.status else None,
        "lastChecked": iso(entry.last_checked) if entry.last_checked else None,
        "lastComplete": iso(entry.last_complete) if entry.last_complete else None,
        "errorMessage": entry.error_message or None,
        "lookRequestedAt": iso(entry.scan_requested_at) if entry.scan_requested_at else None,
        "firstChecked": iso(entry.first_checked) if entry.first_checked else None,
        "emptySeenAt": iso(entry.empty_seen_at) if entry.empty_seen_at else None,
        "unusable": entry.unusable or None,
        "unusableNames": list(entry.unusable_names) or None,
    }
    return {name: value for name, value in pairs.items() if value is not None}
