"""First screen of the estate: three questions and what needs you, in 24 lines of text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Any, Final, NamedTuple

from service.durations import human_duration
from service.models import parse_iso
from service.text import printable

__all__ = ["MAX_LINES", "Line", "Tone", "belief", "first_screen", "readiness"]

MAX_LINES: Final = 24
_MAX_ATTENTION_LINES: Final = 10
_MIN_WIDTH: Final = 40
_INDENT: Final = "    "
_NOT_READY: Final = (
    ("syncing", "syncing"),
    ("stalled", "stalled"),
    ("disconnected", "disconnected"),
    ("extensionError", "not extended"),
    ("unknown", "unknown"),
)
_MARKS: Final[Mapping[str, str]] = {"critical": "!!", "warning": "! ", "info": "- "}


class Tone(Enum):
    """How a line is emphasised; its words say the same."""

    PLAIN = auto()
    TITLE = auto()
    GOOD = auto()
    BAD = auto()
    DOUBTFUL = auto()


class Line(NamedTuple):
    """One line of the screen."""

    text: str
    tone: Tone = Tone.PLAIN


_TONES: Final[Mapping[str, Tone]] = {"critical": Tone.BAD, "warning": Tone.DOUBTFUL, "info": Tone.PLAIN}


def first_screen(document: Mapping[str, Any], *, width: int = 80) -> list[Line]:
    """Return the lines of the screen, at most 24, each at most `width` characters (40 at least).

    Args:
        document: the body of the answer of `get_estate`.
        width: columns.
    """
    width = max(_MIN_WIDTH, width)
    lines = [
        Line("Could it fail over now?", Tone.TITLE),
        *readiness(document),
        Line("Can it be believed?", Tone.TITLE),
        *belief(document),
        Line("What needs you?", Tone.TITLE),
        *_attention(document["needsYou"], _now(document), width),
    ]
    return [Line(_cut(printable(line.text), width), line.tone) for line in lines[:MAX_LINES]]


def readiness(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines that answer whether the estate could fail over now."""
    servers, verdict = document["servers"], document["verdict"]
    total, ready = servers["total"], servers["ready"]
    least = "at least " if servers["isLowerBound"] else ""
    percent = "" if servers["readyPercent"] is None else f" ({servers['readyPercent']:g} %)"
    counted = f"{ready:,} of {least}{total:,} servers are ready{percent}"
    text, tone = {
        "ready": (f"YES: {counted}", Tone.GOOD),
        "notReady": (f"NO: {counted}", Tone.BAD),
        "unknown": (f"UNKNOWN: {counted}", Tone.DOUBTFUL),
        "empty": ("NOTHING TO FAIL OVER: no account has a source server", Tone.DOUBTFUL),
    }[verdict]
    yield Line(f"  {text}", tone)
    others = [f"{servers[name]:,} {word}" for name, word in _NOT_READY if servers[name]]
    if others:
        yield Line(f"  not ready: {', '.join(others)}")
    lag, drills = document["lag"], document["drills"]
    if total:
        worst = lag["worst"]
        longest = (
            f"longest lag {human_duration(worst['seconds'])} ({worst['sourceServerID']})" if worst else "no lag known"
        )
        yield Line(f"  {longest}, objective {human_duration(lag['objectiveSeconds'])}")
        drilled = total - drills["withoutRecent"]
        yield Line(f"  {drilled:,} of {total:,} were launched in the last {drills['maxAgeDays']} days")


def belief(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines that answer whether that can be believed."""
    oldest, unknown = document["freshness"]["oldestCompleteScan"], document["scopeStates"]["unknown"]
    if document["complete"]:
        text, tone = "YES: every account and region is known", Tone.GOOD
    elif unknown:
        text, tone = (
            f"NO: {unknown:,} {'scope is' if unknown == 1 else 'scopes are'} unknown (account x region)",
            Tone.BAD,
        )
    else:
        text, tone = "NO: a part could not be read, see below", Tone.BAD
    yield Line(f"  {text}", tone)
    if oldest is not None:
        where = f"{oldest['accountId']} {oldest['region']}"
        yield Line(f"  oldest complete scan of servers: {human_duration(oldest['ageSeconds'])} ago ({where})")
    elif not document["servers"]["total"] and unknown:
        yield Line("  no complete scan is on record: run drs-sync sync inventory")


def _attention(entries: Sequence[Mapping[str, Any]], now: datetime | None, width: int) -> Iterator[Line]:
    """Yield at most ten lines: each cause with the command to type, beside it where it fits, else below it."""
    if not entries:
        yield Line("  Nothing needs you.", Tone.GOOD)
        return
    blocks = [_block(each, now, width) for each in entries]
    room = _MAX_ATTENTION_LINES
    for position, block in enumerate(blocks):
        is_last = position == len(blocks) - 1
        if len(block) > room - (0 if is_last else 1):
            more = len(blocks) - position
            yield Line(f"  and {more} more: drs-sync status --output json")
            return
        yield from block
        room -= len(block)


def _block(entry: Mapping[str, Any], now: datetime | None, width: int) -> list[Line]:
    since = parse_iso(entry["since"])
    age = f", for {human_duration((now - since).total_seconds())}" if now and since else ""
    title, tone = f"{_MARKS[entry['severity']]} {entry['title']}{age}", _TONES[entry["severity"]]
    command = entry["command"]
    if not command:
        return [Line(title, tone), Line(f"{_INDENT}{entry['fix']}")]
    if len(title) + len(command) + 2 <= width:
        return [Line(f"{title}  {command}", tone)]
    return [Line(title, tone), Line(f"{_INDENT}{command}")]


def _now(document: Mapping[str, Any]) -> datetime | None:
    return parse_iso(document["asOf"])


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}\N{HORIZONTAL ELLIPSIS}"
