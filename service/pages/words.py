"""Words of the pages: postures, states, ages and lags as people read them. What is not known is "unknown". Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from service.durations import human_duration
from service.inventory.moving_values import duration_ms
from service.inventory.posture import SEVERITY, Posture
from service.models import parse_iso

__all__ = ["POSTURE_WORDS", "UNKNOWN", "ago", "count", "duration", "lag_seconds", "posture_word", "rank_of", "severity"]

UNKNOWN: Final = "unknown"
POSTURE_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ready": "ready",
        "syncing": "syncing",
        "stalled": "stalled",
        "disconnected": "disconnected",
        "extensionError": "not extended",
        "unknown": UNKNOWN,
    }
)
_RANKS: Final[Mapping[str, int]] = MappingProxyType({str(posture): rank for rank, posture in enumerate(SEVERITY)})
_CLASSES: Final[Mapping[str, str]] = MappingProxyType(
    {"ready": "good", "syncing": "doubtful", "unknown": "doubtful"} | {"": "doubtful"}
)


def posture_word(posture: object) -> str:
    """Return the word for a posture; one that is not known here is unknown."""
    return POSTURE_WORDS.get(str(posture), UNKNOWN)


def severity(posture: object) -> str:
    """Return how a posture is emphasised: good, doubtful or bad. The word beside it says the same."""
    word = str(posture)
    return _CLASSES.get(word, "bad" if word in POSTURE_WORDS else "doubtful")


def rank_of(posture: object) -> int:
    """Return the place of a posture in the order of severity, 0 for the worst."""
    return _RANKS.get(str(posture), _RANKS[Posture.UNKNOWN])


def duration(seconds: float | None) -> str:
    """Return a duration for people."""
    return UNKNOWN if seconds is None else human_duration(seconds)


def ago(moment: object, now: datetime | None) -> str:
    """Return how long ago an ISO 8601 time was."""
    parsed = parse_iso(moment)
    return UNKNOWN if parsed is None or now is None else f"{human_duration((now - parsed).total_seconds())} ago"


def lag_seconds(lag: object) -> float | None:
    """Return the seconds of a lag as DRS writes it; None where there is none or it cannot be read."""
    milliseconds = duration_ms(lag) if lag else None
    return None if milliseconds is None else milliseconds / 1000


def count(entry: Mapping[str, Any]) -> str:
    """Return the number of servers of a scope of the document; unknown where it was never counted."""
    if entry["isCounted"] or entry["servers"]:
        return f"{entry['servers']:,}"
    return UNKNOWN if entry["state"] == UNKNOWN else f"{entry['servers']:,}"
