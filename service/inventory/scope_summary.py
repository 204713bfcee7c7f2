"""Summary of a scope: states, worst lag, backlog, stalled servers and why, last launch, servers without a drill. Pure.

Its size does not grow with the number of servers: what could be many is counted, and only the first few are named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from service.inventory.moving_values import MovingValues, time_ms
from service.models import iso

__all__ = ["MAX_NAMED", "ScopeSummary"]

MAX_NAMED: Final = 10
"""How many stalled servers a summary names; all are counted."""
_MAX_WORDS: Final = 24  # DRS has 10 states and 14 errors
_MAX_LETTERS: Final = 64
_OTHER: Final = "OTHER"
_NO_REASON: Final = "NO_REASON_REPORTED"
_STALLED: Final = "STALLED"
_NOT_DRILLED: Final = frozenset({"PENDING", "IN_PROGRESS", "FAILED"})


class ScopeSummary:
    """Collects the summary of a scope, one server at a time."""

    def __init__(self) -> None:
        self._states: Counter[str] = Counter()
        self._worst: tuple[float, str, str] | None = None
        self._backlog_bytes = 0
        self._stalled: list[str] = []
        self._stalled_count = 0
        self._reasons: Counter[str] = Counter()
        self._launch: tuple[int, dict[str, str]] | None = None
        self._without_drill = 0

    def add(self, record: Mapping[str, Any], values: MovingValues) -> None:
        """Add a server: its DescribeSourceServers record, or item, and its moving values."""
        server_id = _text(record.get("sourceServerID"))
        replication = _mapping(record.get("dataReplicationInfo"))
        state = _text(replication.get("dataReplicationState")) or "UNKNOWN"
        _count(self._states, state)
        self._backlog_bytes += values.backlog_bytes or 0
        lag_s = values.lag_s
        if lag_s is not None and (self._worst is None or lag_s > self._worst[0]):
            self._worst = (lag_s, values.lag or "", server_id)
        reason = _text(_mapping(replication.get("dataReplicationError")).get("error"))
        if reason or state == _STALLED:
            _count(self._reasons, reason or _NO_REASON)
            self._stalled_count += 1
            if len(self._stalled) < MAX_NAMED:
                self._stalled.append(server_id)
        self._add_launch(server_id, record)

    def _add_launch(self, server_id: str, record: Mapping[str, Any]) -> None:
        """Compare with the last launch. DRS shows only the last one of each server, so an earlier drill is unknown."""
        launch = _mapping(_mapping(record.get("lifeCycle")).get("lastLaunch"))
        initiated = _mapping(launch.get("initiated"))
        kind, status = _text(initiated.get("type")), _text(launch.get("status"))
        if kind != "DRILL" or status in _NOT_DRILLED:
            self._without_drill += 1
        moment = time_ms(initiated.get("apiCallDateTime"))
        if moment is not None and (self._launch is None or moment > self._launch[0]):
            result = _text(record.get("lastLaunchResult")) or status
            members = {"time": initiated["apiCallDateTime"], "type": kind, "result": result}
            self._launch = moment, {**members, "sourceServerID": server_id}

    def as_json(self, as_of: datetime) -> dict[str, Any]:
        """Return the members of the summary.

        Args:
            as_of: when the scan began that showed the servers.
        """
        worst = self._worst
        return {
            "asOf": iso(as_of),
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
        }


def _count(counts: Counter[str], word: str) -> None:
    """Count a word; beyond a number of different ones, which DRS does not have, all others together."""
    counts[word if word in counts or len(counts) < _MAX_WORDS else _OTHER] += 1


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value[:_MAX_LETTERS] if isinstance(value, str) else ""
