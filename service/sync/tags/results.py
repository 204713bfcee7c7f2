"""The results of one tag scan: each server counted once, each failure explained. Logs no tag values."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import Any, Final

from service.models import Problem, Scope
from service.sync.engine.outcome import problem_at

__all__ = ["TagCounts", "TagResults"]

_log: Final = logging.getLogger(__name__)
_MAX_PROBLEMS: Final = 10  # of single servers, per scope; the log has them all


@dataclass(slots=True)
class TagCounts:
    """What came of the servers seen, each counted once; a server that is in none of the other counts has failed.

    A dry run plans what another run does: it counts none as tagged.
    """

    servers: int = 0
    tagged: int = 0
    unchanged: int = 0
    skipped: int = 0
    planned: int = 0
    launch_settings: int = 0
    launch_settings_planned: int = 0

    @property
    def failed(self) -> int:
        """Servers that were neither synced nor rightly passed over, be it for want of time."""
        return self.servers - self.tagged - self.unchanged - self.skipped - self.planned

    @property
    def synced(self) -> int:
        """Servers that have all their instance's tags now."""
        return self.tagged + self.unchanged

    def add(self, other: TagCounts) -> None:
        """Count another scope's servers as well."""
        self.servers += other.servers
        self.tagged += other.tagged
        self.unchanged += other.unchanged
        self.skipped += other.skipped
        self.planned += other.planned
        self.launch_settings += other.launch_settings
        self.launch_settings_planned += other.launch_settings_planned

    @property
    def by_name(self) -> dict[str, int]:
        """The same by the report's names."""
        return {
            "serversTagged": self.tagged,
            "serversUnchanged": self.unchanged,
            "serversSkipped": self.skipped,
            "serversFailed": self.failed,
            "serversPlanned": self.planned,
            "launchSettingsUpdated": self.launch_settings,
            "launchSettingsPlanned": self.launch_settings_planned,
        }


@dataclass(slots=True)
class TagResults:
    """What a scan has brought so far. It stays true when the work breaks off."""

    scope: Scope
    counts: TagCounts = field(default_factory=TagCounts)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    planned: list[dict[str, Any]] = field(default_factory=list)
    _explained: int = 0

    def explain(self, problem: Problem, server_id: str) -> None:
        """Add why one server failed; beyond the tenth only the log says it."""
        _log.warning(
            "server not synced",
            extra={"server": server_id, "scope": self.scope, "code": problem.code, "why": problem.message},
        )
        self._explained += 1
        if self._explained <= _MAX_PROBLEMS:
            self.problems.append(replace(problem, message=f"{server_id}: {problem.message}"))

    def close(self) -> None:
        """Add how many explanations were left to the log."""
        if self._explained > _MAX_PROBLEMS:
            message = f"{self._explained - _MAX_PROBLEMS} more servers failed; the log names them"
            self.problems.append(problem_at(self.scope, "MoreServersFailed", message))
