"""Posture of a source server: whether it could be launched now, and if not, why. Pure.

Only `ready` counts as ready, and what is not understood is `unknown`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self

from service.attributes import as_map, as_str
from service.durations import parse_duration_s
from service.inventory.moving_values import MovingValues, time_ms
from service.settings import Settings

__all__ = [
    "LAG_OVER_OBJECTIVE",
    "SEVERITY",
    "Objectives",
    "Posture",
    "ServerPosture",
    "is_recent",
    "is_replicating",
    "launched_at",
    "posture_of",
    "replication_posture",
    "short_text",
    "state_of",
]


class Posture(StrEnum):
    """What a server is good for now."""

    READY = "ready"
    """It replicates continuously, and its lag is within the objective."""
    SYNCING = "syncing"
    """It replicates and has not caught up: initial sync, rescan, backlog, or a lag over the objective."""
    STALLED = "stalled"
    """Its replication does not advance: DRS reports an error, or it was stopped or paused."""
    DISCONNECTED = "disconnected"
    """It was disconnected from DRS, which has deleted what was replicated."""
    EXTENSION_ERROR = "extensionError"
    """It is extended from a staging account that DRS cannot reach, so it cannot be launched."""
    UNKNOWN = "unknown"
    """DRS reports no state, or one that is not known here; or its scope is unknown."""


SEVERITY: Final = (
    Posture.DISCONNECTED,
    Posture.STALLED,
    Posture.EXTENSION_ERROR,
    Posture.UNKNOWN,
    Posture.SYNCING,
    Posture.READY,
)
"""The postures, the worst first."""

LAG_OVER_OBJECTIVE: Final = "LAG_OVER_OBJECTIVE"
"""Reason of a server that replicates continuously and is too far behind."""
_LAG_NOT_UNDERSTOOD: Final = "LAG_NOT_UNDERSTOOD"
_NO_REASON: Final = "NO_REASON_REPORTED"
_NO_STATE: Final = "NO_STATE_REPORTED"
_MAX_REASON: Final = 64
_MAX_TAG_VALUE: Final = 64

_POSTURES: Final[Mapping[str, Posture]] = MappingProxyType(
    {
        "CONTINUOUS": Posture.READY,
        "INITIATING": Posture.SYNCING,
        "INITIAL_SYNC": Posture.SYNCING,
        "BACKLOG": Posture.SYNCING,
        "CREATING_SNAPSHOT": Posture.SYNCING,
        "RESCAN": Posture.SYNCING,
        "STALLED": Posture.STALLED,
        "STOPPED": Posture.STALLED,
        "PAUSED": Posture.STALLED,
        "DISCONNECTED": Posture.DISCONNECTED,
    }
)
_NOT_REPLICATING: Final = frozenset({"STOPPED", "DISCONNECTED"})
_NOT_LAUNCHED: Final = frozenset({"NOT_STARTED", "PENDING", "IN_PROGRESS", "FAILED"})
_LAUNCHES: Final = frozenset({"DRILL", "RECOVERY"})


class ServerPosture(NamedTuple):
    """Posture of a server, and the reason as DRS words it; empty for a server that is ready."""

    posture: Posture
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Objectives:
    """What an estate wants of its servers.

    Args:
        lag_s: a lag above this is too long, in seconds.
        lag_tag: key of the tag with which a server has an objective of its own.
        drill_age: a drill older than this is too old.
    """

    lag_s: float
    lag_tag: str
    drill_age: timedelta

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the objectives of the settings."""
        return cls(
            settings.lag_objective_seconds, settings.lag_objective_tag, timedelta(days=settings.drill_max_age_days)
        )

    def lag_of(self, tags: Mapping[str, Any]) -> float:
        """Return the lag objective of a server with these tags; a tag that cannot be read changes nothing."""
        own = self.own_lag(tags)
        return self.lag_s if own is None else own

    def own_lag(self, tags: Mapping[str, Any]) -> float | None:
        """Return the lag objective that the tags name; None where they name none that can be read."""
        text = tags.get(self.lag_tag)
        return parse_duration_s(text) if isinstance(text, str) and len(text) <= _MAX_TAG_VALUE else None

    def has_unreadable_lag(self, tags: Mapping[str, Any]) -> bool:
        """Whether the tags name a lag objective that cannot be read."""
        return self.lag_tag in tags and self.own_lag(tags) is None


def short_text(value: object) -> str:
    """Return a text of a record, cut to 64 letters; empty for anything else."""
    return as_str(value)[:_MAX_REASON]


def state_of(record: Mapping[str, Any]) -> str:
    """Return the replication state of a DescribeSourceServers record or item; empty where it has none."""
    replication = as_map(record.get("dataReplicationInfo"))
    return short_text(replication.get("dataReplicationState")) or short_text(record.get("replicationState"))


def replication_posture(record: Mapping[str, Any]) -> ServerPosture:
    """Return the posture of a server by its replication alone, from its DescribeSourceServers record or item."""
    area, replication = as_map(record.get("stagingArea")), as_map(record.get("dataReplicationInfo"))
    state = state_of(record)
    error = short_text(as_map(replication.get("dataReplicationError")).get("error"))
    if area.get("status") == "EXTENSION_ERROR":
        # DRS cannot launch it, whatever its last state was.
        return ServerPosture(Posture.EXTENSION_ERROR, "EXTENSION_ERROR")
    posture = _POSTURES.get(state, Posture.UNKNOWN)
    if posture in {Posture.DISCONNECTED, Posture.UNKNOWN}:
        return ServerPosture(posture, error or state or _NO_STATE)
    if error or posture is Posture.STALLED:
        return ServerPosture(Posture.STALLED, error or (_NO_REASON if state == "STALLED" else state))
    return ServerPosture(posture, "" if posture is Posture.READY else state)


def posture_of(record: Mapping[str, Any], values: MovingValues, objective_s: float) -> ServerPosture:
    """Return the posture of a server.

    Args:
        record: its DescribeSourceServers record or item.
        values: its moving values.
        objective_s: its lag objective in seconds.
    """
    found = replication_posture(record)
    if found.posture is not Posture.READY:
        return found
    lag_s = values.lag_s
    if values.lag is None or (values.lag and lag_s is None):
        return ServerPosture(Posture.UNKNOWN, _LAG_NOT_UNDERSTOOD)
    if lag_s is not None and lag_s > objective_s:
        return ServerPosture(Posture.SYNCING, LAG_OVER_OBJECTIVE)
    return found


def is_replicating(record: Mapping[str, Any]) -> bool:
    """Whether a server takes one of the places that DRS has for replicating servers, in the account that replicates."""
    state = state_of(record)
    return bool(state) and state not in _NOT_REPLICATING


def launched_at(record: Mapping[str, Any]) -> int | None:
    """Return when a server was last launched with success, in milliseconds since 1970; None if never, as DRS shows it.

    A recovery counts like a drill: DRS shows the last launch of a server only, so it hides an earlier drill.
    """
    launch = as_map(as_map(record.get("lifeCycle")).get("lastLaunch"))
    initiated = as_map(launch.get("initiated"))
    outcomes = {short_text(launch.get("status")), short_text(record.get("lastLaunchResult"))}
    if initiated.get("type") not in _LAUNCHES or outcomes & _NOT_LAUNCHED:
        return None
    return time_ms(initiated.get("apiCallDateTime"))


def is_recent(moment_ms: int | None, now: datetime, age: timedelta) -> bool:
    """Whether a time in milliseconds since 1970 is not older than an age."""
    return moment_ms is not None and moment_ms >= (now - age).timestamp() * 1000
