"""Moving values of a source server: lag, backlog, ETA and last seen, which change with every scan. Pure.

DRS writes times and durations as text. They are normalised, so that each has exactly one text and one number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from service.attributes import as_map

__all__ = [
    "MAX_NUMBER",
    "ZERO_DAYS",
    "MovingValues",
    "backlog_bytes",
    "duration_ms",
    "format_duration",
    "format_time",
    "lag_value",
    "moving_values",
    "not_understood",
    "time_ms",
]

MAX_NUMBER: Final = 2**56 - 1
"""The largest number of bytes or milliseconds that is kept: 64 PiB, two million years."""
ZERO_DAYS: Final = "P0D"
"""How DRS writes a lag of zero; `PT0S` means the same, and both are kept as they are."""

_DURATION: Final = re.compile(
    r"P(?:(\d{1,12})W|(?=.)(?:(\d{1,12})D)?(?:T(?=.)(?:(\d{1,12})H)?(?:(\d{1,12})M)?(?:(\d{1,12})(?:[.,](\d{1,18}))?S)?)?)",
    re.ASCII,
)
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d{1,18}))?(Z|[+-]\d\d:\d\d)",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_MS: Final = 1000
_MINUTE_MS: Final = 60 * _SECOND_MS
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS


@dataclass(frozen=True, slots=True)
class MovingValues:
    """What changes of a server between two scans although nothing happened to it.

    Attributes:
        lag: ISO 8601 duration; empty when DRS told none, None when what it told cannot be understood.
        backlog_bytes: sum over the disks; None when DRS told none, or one that cannot be understood.
        eta: ISO 8601 time at which replication will have caught up; empty and None as for `lag`.
        last_seen: ISO 8601 time at which DRS last heard of the agent; empty and None as for `lag`.
    """

    lag: str | None = ""
    backlog_bytes: int | None = None
    eta: str | None = ""
    last_seen: str | None = ""

    @property
    def lag_s(self) -> float | None:
        """The lag in seconds; None when there is none, or it cannot be understood."""
        lag_ms = duration_ms(self.lag) if self.lag else None
        return None if lag_ms is None else lag_ms / _SECOND_MS


def moving_values(record: Mapping[str, Any]) -> MovingValues:
    """Read the moving values of a DescribeSourceServers record."""
    replication, cycle = as_map(record.get("dataReplicationInfo")), as_map(record.get("lifeCycle"))
    return MovingValues(
        lag=_normalised_duration(replication.get("lagDuration")),
        backlog_bytes=backlog_bytes(replication.get("replicatedDisks")),
        eta=_normalised_time(replication.get("etaDateTime")),
        last_seen=_normalised_time(cycle.get("lastSeenByServiceDateTime")),
    )


def lag_value(record: Mapping[str, Any]) -> MovingValues:
    """Read the lag alone of a DescribeSourceServers record: all that the posture of a server depends on."""
    replication = as_map(record.get("dataReplicationInfo"))
    return MovingValues(lag=_normalised_duration(replication.get("lagDuration")))


def not_understood(record: Mapping[str, Any], values: MovingValues) -> list[Any]:
    """Return the texts of a record's moving values that could not be parsed, so that only the record has them."""
    replication, cycle = as_map(record.get("dataReplicationInfo")), as_map(record.get("lifeCycle"))
    told = (
        (values.lag, replication.get("lagDuration")),
        (values.eta, replication.get("etaDateTime")),
        (values.last_seen, cycle.get("lastSeenByServiceDateTime")),
    )
    return [text for value, text in told if value is None]


def backlog_bytes(disks: object) -> int | None:
    """Sum the backlog of `replicatedDisks`; None when no disk has one, or one of them cannot be understood."""
    told = [as_map(each).get("backloggedStorageBytes") for each in disks] if isinstance(disks, list) else []
    sizes = [each for each in told if each is not None]
    is_valid = all(type(each) is int and each >= 0 for each in sizes) and sum(sizes) <= MAX_NUMBER
    return sum(sizes) if sizes and is_valid else None


def _normalised_duration(value: object) -> str | None:
    if value is None:
        return ""
    if value == ZERO_DAYS:
        return ZERO_DAYS
    number = duration_ms(value)
    return None if number is None else format_duration(number)


def duration_ms(text: object) -> int | None:
    """Parse an ISO 8601 duration of weeks, or of days to seconds; return milliseconds, fractions of one cut off.

    None when it is no such duration. Years and months are none: their length depends on the calendar.
    """
    return _parsed_duration(text) if isinstance(text, str) else None


@lru_cache(maxsize=256)  # most servers have one of few lags
def _parsed_duration(text: str) -> int | None:
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[:5])
    whole = (weeks * 7 + days) * _DAY_MS + hours * _HOUR_MS + minutes * _MINUTE_MS + seconds * _SECOND_MS
    number = whole + _fraction_ms(match[6])
    return number if number <= MAX_NUMBER else None


def _fraction_ms(digits: str | None) -> int:
    return int((digits or "")[:3].ljust(3, "0"))


@lru_cache(maxsize=256)
def format_duration(number: int) -> str:
    """Write milliseconds as an ISO 8601 duration, the larger units first: `P1DT1H`, `PT14M`, `PT9.512S`, `PT0S`."""
    days, rest = divmod(number, _DAY_MS)
    hours, rest = divmod(rest, _HOUR_MS)
    minutes, rest = divmod(rest, _MINUTE_MS)
    seconds, milliseconds = divmod(rest, _SECOND_MS)
    date = f"{days}D" if days else ""
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    if milliseconds:
        clock += f"{seconds}.{milliseconds:03}".rstrip("0") + "S"
    elif seconds or not (date or clock):
        clock += f"{seconds}S"
    return f"P{date}T{clock}" if clock else f"P{date}"


def _normalised_time(value: object) -> str | None:
    if value is None:
        return ""
    number = time_ms(value)
    if number is None:
        return None
    return format_time(number, with_fraction=isinstance(value, str) and ("." in value or "," in value))


def time_ms(text: object) -> int | None:
    """Parse an ISO 8601 time with its zone; return milliseconds since 1970, fractions of one cut off, None if none."""
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
        number = (moment - _EPOCH) // timedelta(milliseconds=1) + _fraction_ms(match[2])
        format_time(number, with_fraction=False)  # its UTC year may be out of range
    except (ValueError, OverflowError):
        return None
    return number


def format_time(number: int, *, with_fraction: bool) -> str:
    """Write milliseconds since 1970 as DRS does, with three digits of a fraction or without one.

    Raises:
        OverflowError: the year is not one of four digits.
    """
    moment = _EPOCH + timedelta(milliseconds=number)
    text = moment.replace(tzinfo=None).isoformat(timespec="milliseconds" if with_fraction else "seconds")
    return text + "Z"
