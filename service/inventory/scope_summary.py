"""Summary of a scope: postures, states, lag, backlog, stalls and why, launches, drills, staging accounts. Pure.

Its size does not grow with the number of servers: what could be many is counted, and only the first few are named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from service.attributes import as_map
from service.inventory.moving_values import MovingValues, time_ms
from service.inventory.posture import (
    LAG_OVER_OBJECTIVE,
    SEVERITY,
    Objectives,
    Posture,
    ServerPosture,
    is_recent,
    is_replicating,
    launched_at,
    posture_of,
    short_text,
    state_of,
)
from service.models import iso

__all__ = ["MAX_NAMED", "ScopeSummary"]

MAX_NAMED: Final = 10
"""How many servers a summary names that are not ready; all are counted."""
_MAX_WORDS: Final = 24  # DRS has 10 states and 14 errors
_OTHER: Final = "OTHER"
_NO_REASON: Final = "NO_REASON_REPORTED"
_STALLED: Final = "STALLED"
_NOT_DRILLED: Final = frozenset({"PENDING", "IN_PROGRESS", "FAILED"})


@dataclass(frozen=True, slots=True)
class _NotReady:
    """A server that is not ready."""

    server_id: str
    name: str
    found: ServerPosture
    since: str
    lag_s: float

    @property
    def rank(self) -> tuple[int, float, str, str]:
        """Orders servers, the worst first: by posture, then by lag, then by how long it has been so."""
        return SEVERITY.index(self.found.posture), -self.lag_s, self.since or "~", self.server_id

    def as_json(self) -> dict[str, Any]:
        """Return its entry in a summary; what is empty is left out."""
        members = {
            "sourceServerID": self.server_id,
            "name": self.name,
            "posture": str(self.found.posture),
            "reason": self.found.reason,
            "since": self.since,
            "lagSeconds": round(self.lag_s),
        }
        return {name: value for name, value in members.items() if value}


class ScopeSummary:
    """Collects the summary of a scope, one server at a time.

    Args:
        objectives: what the estate wants of its servers.
        as_of: when the scan began that showed the servers.
    """

    def __init__(self, objectives: Objectives, as_of: datetime) -> None:
        self._objectives = objectives
        self._as_of = as_of
        self._states: Counter[str] = Counter()
        self._worst: tuple[float, str, str] | None = None
        self._backlog_bytes = 0
        self._stalled: list[str] = []
        self._stalled_count = 0
        self._reasons: Counter[str] = Counter()
        self._launch: tuple[int, dict[str, str]] | None = None
        self._without_drill = 0
        self._postures: Counter[Posture] = Counter()
        self._not_ready: list[_NotReady] = []
        self._over_objective = 0
        self._unreadable_objectives = 0
        self._without_recent_drill = 0
        self._topology_unknown = 0
        self._replicating: Counter[str] = Counter()

    def add(
        self,
        record: Mapping[str, Any],
        values: MovingValues,
        *,
        tags: Mapping[str, Any] | None = None,
        since: str = "",
        topology_known: bool = True,
    ) -> None:
        """Add a server.

        Args:
            record: its DescribeSourceServers record, or item.
            values: its moving values.
            tags: its tags, also those of its EC2 instance; None: those of the record.
            since: when it was first seen in its posture; empty if that is not known.
            topology_known: everything that a failback needs to know of its origin is on record.
        """
        server_id = short_text(record.get("sourceServerID"))
        replication = as_map(record.get("dataReplicationInfo"))
        state = state_of(record) or "UNKNOWN"
        _count(self._states, state)
        self._backlog_bytes += values.backlog_bytes or 0
        lag_s = values.lag_s
        if lag_s is not None and (self._worst is None or lag_s > self._worst[0]):
            self._worst = (lag_s, values.lag or "", server_id)
        reason = short_text(as_map(replication.get("dataReplicationError")).get("error"))
        if reason or state == _STALLED:
            _count(self._reasons, reason or _NO_REASON)
            self._stalled_count += 1
            if len(self._stalled) < MAX_NAMED:
                self._stalled.append(server_id)
        self._add_launch(server_id, record)
        self._add_posture(record, values, as_map(record.get("tags")) if tags is None else tags, since)
        self._topology_unknown += not topology_known
        if is_replicating(record):
            _count(self._replicating, short_text(as_map(record.get("stagingArea")).get("stagingAccountID")))

    def _add_posture(
        self, record: Mapping[str, Any], values: MovingValues, tags: Mapping[str, Any], since: str
    ) -> None:
        self._unreadable_objectives += self._objectives.has_unreadable_lag(tags)
        found, lag_s = posture_of(record, values, self._objectives.lag_of(tags)), values.lag_s or 0.0
        self._postures[found.posture] += 1
        self._over_objective += found.reason == LAG_OVER_OBJECTIVE
        if found.posture is not Posture.READY:
            name = short_text(record.get("hostname")) or _name_of(record) or short_text(tags.get("Name"))
            server_id = short_text(record.get("sourceServerID"))
            self._not_ready.append(_NotReady(server_id, name, found, since, lag_s))

    def _add_launch(self, server_id: str, record: Mapping[str, Any]) -> None:
        """Compare with the last launch. DRS shows only the last one of each server, so an earlier drill is unknown."""
        launch = as_map(as_map(record.get("lifeCycle")).get("lastLaunch"))
        initiated = as_map(launch.get("initiated"))
        kind, status = short_text(initiated.get("type")), short_text(launch.get("status"))
        if kind != "DRILL" or status in _NOT_DRILLED:
            self._without_drill += 1
        moment = time_ms(initiated.get("apiCallDateTime"))
        if moment is not None and (self._launch is None or moment > self._launch[0]):
            result = short_text(record.get("lastLaunchResult")) or status
            members = {"time": initiated["apiCallDateTime"], "type": kind, "result": result}
            self._launch = moment, {**members, "sourceServerID": server_id}
        self._without_recent_drill += not is_recent(launched_at(record), self._as_of, self._objectives.drill_age)

    def as_json(self) -> dict[str, Any]:
        """Return the members of the summary; those about the posture are left out where they are zero or empty."""
        worst = self._worst
        return {
            "asOf": iso(self._as_of),
            "servers": self._states.total(),
            "byState": dict(self._states),
            "worstLag": (
                {"seconds": round(worst[0]), "lagDuration": worst[1], "sourceServerID": worst[2]} if worst else None
            ),
            "backlogBytes": self._backlog_bytes,
            "stalled": {
                "count": self._stalled_count,
                "byReason": dict(self._reasons),
                "sourceServerIDs": list(self._stalled),
            },
            "lastLaunch": dict(self._launch[1]) if self._launch else None,
            "withoutDrill": self._without_drill,
            "posture": {str(name): self._postures[name] for name in Posture if self._postures[name]},
            "replicating": dict(self._replicating),
            **{name: value for name, value in self._rare().items() if value},
        }

    def _rare(self) -> dict[str, Any]:
        """Return the members that a scope whose servers are all well does not have."""
        self._not_ready.sort(key=lambda each: each.rank)
        return {
            "notReady": [each.as_json() for each in self._not_ready[:MAX_NAMED]],
            "notReadyByReason": self._by_reason(),
            "overObjective": self._over_objective,
            "unreadableObjectives": self._unreadable_objectives,
            "withoutRecentDrill": self._without_recent_drill,
            "topologyUnknown": self._topology_unknown,
        }

    def _by_reason(self) -> list[dict[str, Any]]:
        groups: dict[tuple[str, str], list[str]] = {}
        for each in self._not_ready:
            key = str(each.found.posture), each.found.reason
            groups.setdefault(key if key in groups or len(groups) < _MAX_WORDS else (key[0], _OTHER), []).append(
                each.since
            )
        return [
            {"posture": posture, "reason": reason, "count": len(since)}
            | ({"since": min(filter(None, since))} if any(since) else {})
            for (posture, reason), since in groups.items()
        ]


def _count(counts: Counter[str], word: str) -> None:
    """Count a word; beyond a number of different ones, which DRS does not have, all others together."""
    counts[word if word in counts or len(counts) < _MAX_WORDS else _OTHER] += 1


def _name_of(record: Mapping[str, Any]) -> str:
    hints = as_map(as_map(record.get("sourceProperties")).get("identificationHints"))
    return short_text(hints.get("hostname")) or short_text(hints.get("awsInstanceID"))
