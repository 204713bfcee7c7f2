"""Changes that matter between two scans of a scope, and between two runs over the estate. Pure.

A server has one *mark*: whether it replicates, is behind its objective, or does not replicate. What was announced last
is kept as the marks of all servers of a scope, so a change is found once, whichever run finds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from service.estate.grouped import decode_grouped, encode_grouped
from service.inventory.posture import LAG_OVER_OBJECTIVE, Posture, ServerPosture

__all__ = [
    "MAX_SINGLE",
    "Change",
    "ChangeKind",
    "CurrentServer",
    "Mark",
    "changes_of",
    "decode_marks",
    "encode_marks",
    "is_too_much",
    "mark_of",
]

MAX_SINGLE: Final = 200
"""More changes of one scan, or of the estate, than this become one summary."""
_MAX_BYTES: Final = 100_000  # of changes: with marks and what is still to be sent, an item has 400 KB
_MAX_NAME: Final = 100


class Mark(StrEnum):
    """What was announced of a server, as one letter."""

    GOOD = "g"
    BEHIND = "b"
    STALLED = "s"
    DISCONNECTED = "d"
    EXTENSION_ERROR = "e"


_BAD: Final = frozenset({Mark.STALLED, Mark.DISCONNECTED, Mark.EXTENSION_ERROR})
_MARKS: Final = {
    Posture.STALLED: Mark.STALLED,
    Posture.DISCONNECTED: Mark.DISCONNECTED,
    Posture.EXTENSION_ERROR: Mark.EXTENSION_ERROR,
}


class ChangeKind(StrEnum):
    """What happened; the detail type of the event."""

    STALLED = "DRS Source Server Not Replicating"
    RECOVERED = "DRS Source Server Replicating Again"
    BEHIND = "DRS Source Server Lag Over Objective"
    CAUGHT_UP = "DRS Source Server Lag Within Objective"
    GONE = "DRS Source Server Gone"
    SUMMARY = "DRS Scope Summary"
    SCOPES_UNKNOWN = "DRS Scopes Unknown"
    SCOPES_KNOWN = "DRS Scopes Known Again"
    NEAR_FULL = "DRS Staging Account Near Full"
    HAS_ROOM = "DRS Staging Account Has Room Again"
    ESTATE = "DRS Estate Summary"


class CurrentServer(NamedTuple):
    """A server as a scan shows it."""

    name: str
    arn: str
    posture: ServerPosture
    since: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Args:
        kind: what happened.
        subject: what it happened to: a server's id, or words for several things.
        members: further members of the event's detail.
        resources: ARNs that the event is about.
    """

    kind: ChangeKind
    subject: str
    members: Mapping[str, Any] = field(default_factory=dict)
    resources: tuple[str, ...] = ()


def mark_of(found: ServerPosture, before: Mark = Mark.GOOD) -> Mark:
    """Return the mark of a server.

    One that syncs is not announced. Nobody knows whether one has recovered whose posture is unknown, or caught up that
    was behind and syncs for another reason now: they keep their mark.

    Args:
        found: its posture.
        before: the mark that was announced last.
    """
    if found.reason == LAG_OVER_OBJECTIVE:
        return Mark.BEHIND
    if found.posture in _MARKS:
        return _MARKS[found.posture]
    is_undecided = found.posture is Posture.UNKNOWN or (found.posture is Posture.SYNCING and before is Mark.BEHIND)
    return before if is_undecided else Mark.GOOD


def changes_of(
    announced: Mapping[str, Mark] | None,
    servers: Mapping[str, CurrentServer],
    *,
    shows_all: bool,
    was_unknown: bool,
) -> tuple[list[Change], dict[str, Mark]]:
    """Compare a scan of a scope with what was announced; return the changes, and the marks to keep.

    Args:
        announced: the marks that were announced last, by server id; None where there are none.
        servers: the servers that the scan shows, by id.
        shows_all: a server that the scan does not show is gone; else it keeps its mark.
        was_unknown: the scope was unknown before the scan: whatever changed meanwhile becomes one summary.
    """
    known = announced or {}
    marks = {
        server_id: mark_of(server.posture, known.get(server_id, Mark.GOOD)) for server_id, server in servers.items()
    }
    if announced is None:
        return ([_summary("first seen", [], marks)] if marks else []), marks
    gone = sorted(announced.keys() - marks.keys())
    changes = [
        change
        for server_id in sorted(marks)
        if (change := _change(server_id, announced.get(server_id, Mark.GOOD), marks[server_id], servers[server_id]))
    ]
    if shows_all:
        changes += [Change(ChangeKind.GONE, server_id) for server_id in gone]
    else:
        marks |= {server_id: announced[server_id] for server_id in gone}
    if changes and (was_unknown or is_too_much(changes)):
        why = "known again" if was_unknown else f"more than {MAX_SINGLE} changes"
        return [_summary(why, changes, marks)], marks
    return changes, marks


def _change(server_id: str, before: Mark, after: Mark, server: CurrentServer) -> Change | None:
    if before is after:
        return None
    if after in _BAD:
        kind = ChangeKind.STALLED
    elif after is Mark.BEHIND:
        kind = ChangeKind.BEHIND
    else:
        kind = ChangeKind.RECOVERED if before in _BAD else ChangeKind.CAUGHT_UP
    members = {
        "name": server.name[:_MAX_NAME],
        "posture": str(server.posture.posture),
        "reason": server.posture.reason,
        "since": server.since,
        "before": before.name,
    }
    return Change(kind, server_id, {name: value for name, value in members.items() if value}, (server.arn,))


def is_too_much(changes: Sequence[Change]) -> bool:
    """Whether changes are too many, or too large, for an event each."""
    return len(changes) > MAX_SINGLE or sum(len(repr(each).encode()) for each in changes) > _MAX_BYTES


def _summary(why: str, changes: Iterable[Change], marks: Mapping[str, Mark]) -> Change:
    kinds = Counter(change.kind.name for change in changes)
    counts = Counter(mark.name for mark in marks.values())
    members = {"why": why, "changes": dict(kinds), "servers": len(marks), "byMark": dict(counts)}
    return Change(ChangeKind.SUMMARY, why, members)


def encode_marks(marks: Mapping[str, Mark]) -> bytes:
    """Encode marks for one attribute: at most 100 KB for 4,000 servers."""
    return encode_grouped(marks)


def decode_marks(value: object) -> dict[str, Mark] | None:
    """Decode marks; None when they are missing or damaged, so that the scope counts as seen for the first time."""
    letters = decode_grouped(value)
    if letters is None or not set(letters.values()) <= set(Mark):
        return None
    return {server_id: Mark(letter) for server_id, letter in letters.items()}
