"""Durations as people read and write them: `90s`, `15m`, `4h`, `30d`, `2w`, and ISO 8601 as DRS does. Pure."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["DURATION_FORM", "human_duration", "parse_duration_s"]

DURATION_FORM: Final = "a duration such as 90s, 15m, 4h, 30d, 2w or PT15M"
"""What `parse_duration_s` accepts, for messages."""

_UNITS_S: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_UNITS: Final = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
_SHORT: Final = re.compile(r"(\d{1,9})\s?(s|min|m|h|d|w)", re.ASCII)
_ISO: Final = re.compile(r"P(?:(\d{1,9})D)?(?:T(?=.)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?", re.ASCII)


def parse_duration_s(text: str) -> int | None:
    """Parse a duration; return its seconds, None when it is none."""
    text = text.strip()
    short = _SHORT.fullmatch(text.lower())
    if short is not None:
        return int(short[1]) * _UNITS_S[short[2]]
    match = _ISO.fullmatch(text.upper())
    if match is None or not any(match.groups()):
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def human_duration(seconds: float) -> str:
    """Write a duration in the largest unit of which there are at least two, such as `14 min`, `26 h` or `6 d`."""
    whole = max(0, round(seconds))
    unit, length = next(((unit, length) for unit, length in _UNITS if whole >= 2 * length), _UNITS[-1])
    return f"{whole // length} {unit}"
