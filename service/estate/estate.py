"""Estate: the postures of all scopes added up. Pure.

The document of `get_estate` and the metrics of a sync are made of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from service.estate.scope_posture import ScopePosture, count_of, entries_of
from service.inventory.posture import SEVERITY, Posture
from service.models import Scope
from service.regions.scope_state import ScopeState
from service.settings import Settings

__all__ = ["Estate", "NotReadyGroup", "StagingFill", "estate_of"]

_MAX_EXAMPLES: Final = 10


@dataclass(frozen=True, slots=True)
class StagingFill:
    """How many servers an account replicates in a region, against DRS's quota.

    `is_lower_bound`: the account itself was not scanned, so that only the servers that targets have extended are known.
    """

    scope: Scope
    replicating: int
    limit: int
    is_lower_bound: bool = False

    @property
    def percent(self) -> float:
        """The share of the quota in percent."""
        return round(100 * self.replicating / self.limit, 1)


@dataclass(slots=True)
class NotReadyGroup:
    """Servers that are not ready for one reason, wherever they are."""

    posture: Posture
    reason: str
    count: int = 0
    scopes: set[Scope] = field(default_factory=set)
    since: str = ""
    examples: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, scope: Scope, group: Mapping[str, Any]) -> None:
        """Add what the summary of a scope says of the reason."""
        self.count += count_of(group.get("count"))
        self.scopes.add(scope)
        since = str(group.get("since") or "")
        self.since = min(filter(None, (self.since, since)), default="")


@dataclass(frozen=True, slots=True)
class Estate:
    """All scopes of an estate, added up.

    Args:
        scopes: the posture of each, by account and region.
        counts: number of servers by posture.
        not_ready: servers that are not ready, by posture and reason, the worst first.
        worst_lag: seconds, scope and id of the server with the longest lag; None where no lag is known.
        over_objective: servers that replicate continuously, and whose lag is above their objective.
        unreadable_objectives: servers whose tag of a lag objective cannot be read.
        without_recent_drill: servers whose last drill or recovery is too old, or not known.
        topology_unknown: servers of whose origin something is missing that a failback needs.
        last_launch: the newest launch of a server, with its scope.
        staging: fill of each account and region that replicates, the fullest first.
        oldest: the scope with servers whose last complete scan is the oldest; None without one.
    """

    scopes: Sequence[ScopePosture]
    counts: Mapping[Posture, int]
    not_ready: Sequence[NotReadyGroup] = ()
    worst_lag: tuple[float, Scope, str] | None = None
    over_objective: int = 0
    unreadable_objectives: int = 0
    without_recent_drill: int = 0
    topology_unknown: int = 0
    last_launch: tuple[str, Scope, Mapping[str, Any]] | None = None
    staging: Sequence[StagingFill] = ()
    oldest: ScopePosture | None = None

    @property
    def servers(self) -> int:
        """How many servers are known."""
        return sum(self.counts.values())

    @property
    def uncounted(self) -> tuple[ScopePosture, ...]:
        """The scopes that are unknown and were never counted: how many servers they have, nobody knows."""
        return tuple(each for each in self.scopes if not each.is_counted)

    @property
    def unknown(self) -> tuple[ScopePosture, ...]:
        """The scopes that are unknown."""
        return tuple(each for each in self.scopes if each.state is ScopeState.UNKNOWN)

    @property
    def without_summary(self) -> tuple[ScopePosture, ...]:
        """The scopes whose servers are unknown because no summary of a recent scan could be read."""
        return tuple(each for each in self.scopes if each.lacks_summary)

    @property
    def ready_percent(self) -> float | None:
        """The share of servers that are ready, in percent, cut off and not rounded, so that 100 means all.

        None where that cannot be told: nothing is known, or a scope was never counted.
        """
        if not self.servers or self.uncounted:
            return None
        return self.counts.get(Posture.READY, 0) * 1000 // self.servers / 10

    def oldest_age_s(self, now: datetime) -> float | None:
        """Return the age of the oldest complete scan among scopes with servers, in seconds; None without one."""
        if self.oldest is None or self.oldest.last_complete is None:
            return None
        return max(0.0, (now - self.oldest.last_complete).total_seconds())

    def figures(self, now: datetime) -> dict[str, float | None]:
        """Return the figures of the metrics, by the names that a report has for them; None leaves a metric out."""
        return {
            "serversReady": self.counts.get(Posture.READY, 0),
            "serversSyncing": self.counts.get(Posture.SYNCING, 0),
            "serversStalled": self.counts.get(Posture.STALLED, 0),
            "serversDisconnected": self.counts.get(Posture.DISCONNECTED, 0),
            "serversExtensionError": self.counts.get(Posture.EXTENSION_ERROR, 0),
            "serversUnknown": self.counts.get(Posture.UNKNOWN, 0),
            "worstLagSeconds": None if self.worst_lag is None else round(self.worst_lag[0]),
            "scopesUncounted": len(self.uncounted),
            "serversOverLagObjective": self.over_objective,
            "serversWithoutRecentDrill": self.without_recent_drill,
            "oldestCompleteScanSeconds": None if (age := self.oldest_age_s(now)) is None else round(age),
            "stagingFillPercent": self.staging[0].percent if self.staging else None,
        }


def estate_of(scopes: Iterable[ScopePosture], settings: Settings) -> Estate:
    """Add up the postures of scopes."""
    ordered = sorted(scopes, key=lambda each: each.scope)
    counts: Counter[Posture] = Counter()
    for each in ordered:
        counts.update(each.counts)
    with_servers = [each for each in ordered if each.servers and each.last_complete is not None]
    summaries = [(each.scope, each.summary) for each in ordered if each.summary]
    return Estate(
        scopes=ordered,
        counts=counts,
        not_ready=_not_ready(summaries),
        worst_lag=_worst_lag(summaries),
        over_objective=_sum(summaries, "overObjective"),
        unreadable_objectives=_sum(summaries, "unreadableObjectives"),
        without_recent_drill=_sum(summaries, "withoutRecentDrill"),
        topology_unknown=_sum(summaries, "topologyUnknown"),
        last_launch=_last_launch(summaries),
        staging=_staging(summaries, settings.replicating_servers_per_region),
        oldest=min(with_servers, key=lambda each: (each.last_complete, each.scope), default=None),
    )


Summaries = Sequence[tuple[Scope, Mapping[str, Any]]]


def _sum(summaries: Summaries, member: str) -> int:
    return sum(count_of(summary.get(member)) for _, summary in summaries)


def _not_ready(summaries: Summaries) -> list[NotReadyGroup]:
    groups: dict[tuple[str, str], NotReadyGroup] = {}
    for scope, summary in summaries:
        for each in entries_of(summary.get("notReadyByReason")):
            posture = _posture(each)
            key = posture, str(each.get("reason") or "")
            groups.setdefault(key, NotReadyGroup(*key)).add(scope, each)
        for each in entries_of(summary.get("notReady")):
            group = groups.get((_posture(each), str(each.get("reason") or "")))
            if group is not None and len(group.examples) < _MAX_EXAMPLES:
                group.examples.append({"accountId": scope.account_id, "region": scope.region, **each})
    return sorted(groups.values(), key=lambda group: (SEVERITY.index(group.posture), -group.count, group.reason))


def _posture(entry: Mapping[str, Any]) -> Posture:
    word = entry.get("posture")
    return Posture(word) if isinstance(word, str) and word in set(Posture) else Posture.UNKNOWN


def _worst_lag(summaries: Summaries) -> tuple[float, Scope, str] | None:
    found: list[tuple[float, Scope, str]] = []
    for scope, summary in summaries:
        worst = summary.get("worstLag")
        if isinstance(worst, Mapping) and isinstance(worst.get("seconds"), int):
            found.append((float(worst["seconds"]), scope, str(worst.get("sourceServerID") or "")))
    return max(found, key=lambda each: (each[0], each[1]), default=None)


def _last_launch(summaries: Summaries) -> tuple[str, Scope, Mapping[str, Any]] | None:
    found = [
        (str(launch["time"]), scope, launch)
        for scope, summary in summaries
        if isinstance(launch := summary.get("lastLaunch"), Mapping) and launch.get("time")
    ]
    return max(found, key=lambda each: each[:2], default=None)


def _staging(summaries: Summaries, limit: int) -> list[StagingFill]:
    """Return the fill of each account that replicates: exact where it was scanned itself, else what targets see."""
    exact: dict[Scope, int] = {}
    at_least: dict[Scope, int] = {}
    for scope, summary in summaries:
        replicating = summary.get("replicating")
        for account_id, value in replicating.items() if isinstance(replicating, Mapping) else ():
            number = count_of(value)
            if account_id in {"", scope.account_id}:
                exact[scope] = exact.get(scope, 0) + number
            elif number:
                place = Scope(account_id, scope.region)
                at_least[place] = max(at_least.get(place, 0), number)
    fills = [StagingFill(scope, number, limit) for scope, number in exact.items()]
    fills += [
        StagingFill(scope, number, limit, is_lower_bound=True)
        for scope, number in at_least.items()
        if scope not in exact
    ]
    return sorted(fills, key=lambda fill: (-fill.replicating, fill.scope))
