"""What needs attention in an estate: grouped by cause, the worst first, with the fix and the command to type. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final

from service.estate.estate import Estate, NotReadyGroup
from service.estate.scope_posture import ScopePosture
from service.inventory.posture import LAG_OVER_OBJECTIVE, Posture
from service.settings import Settings

__all__ = ["Attention", "Severity", "attention_of"]

_MAX_EXAMPLES: Final = 10
_SYNC: Final = "drs-sync sync inventory"
_DOCTOR: Final = "drs-sync doctor"
_OLD_RUNS: Final = 3
"""After so many sync intervals without a complete scan, a scope with servers is late."""


class Severity(IntEnum):
    """How much something matters; the order of the list."""

    CRITICAL = 0
    WARNING = 1
    INFO = 2


_WORDS: Final[Mapping[Severity, str]] = MappingProxyType(
    {Severity.CRITICAL: "critical", Severity.WARNING: "warning", Severity.INFO: "info"}
)


@dataclass(frozen=True, slots=True)
class Attention:
    """One cause that needs somebody.

    Args:
        code: names the cause, for programs.
        severity: how much it matters.
        count: how many servers, or scopes, or accounts it is about.
        title: what is the matter, in one line, with the count.
        fix: what to do.
        command: what to type; empty where no command helps.
        since: ISO 8601 time since when; empty where that is not known.
        examples: the first servers or scopes.
    """

    code: str
    severity: Severity
    count: int
    title: str
    fix: str
    command: str = ""
    since: str = ""
    examples: Sequence[Mapping[str, Any]] = ()

    def as_json(self) -> dict[str, Any]:
        """Return its entry in the document."""
        return {
            "code": self.code,
            "severity": _WORDS[self.severity],
            "count": self.count,
            "title": self.title,
            "fix": self.fix,
            "command": self.command,
            "since": self.since or None,
            "examples": list(self.examples),
        }


_FIXES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "AGENT_NOT_SEEN": "check that the server runs and its agent reaches DRS (TCP 443) and staging (TCP 1500)",
        "NOT_CONVERGING": "data changes faster than it replicates: check bandwidth, throttling and instance type",
        "UNSTABLE_NETWORK": "check the network between the server and the staging subnet (TCP 1500)",
        "SNAPSHOTS_FAILURE": "check the EBS snapshot quota, the KMS key and the DRS service role of the account",
        "STOPPED": "start replication again in the DRS console, or disconnect the server if it is no longer needed",
        "PAUSED": "resume replication in the DRS console",
    }
)
_STAGING_FIX: Final = "check staging subnet, security groups, quotas and the DRS service roles of the account"
_OTHER_FIX: Final = "open the server in the DRS console of the account, which shows more"
_FIX_OF_POSTURE: Final[Mapping[Posture, str]] = MappingProxyType(
    {
        Posture.DISCONNECTED: "install the agent again to protect it, or delete the source server",
        Posture.EXTENSION_ERROR: "restore DRSStagingAccountRole in the staging account, or extend the server again",
        Posture.UNKNOWN: _OTHER_FIX,
    }
)
_STATE_OF_POSTURE: Final[Mapping[Posture, str]] = MappingProxyType(
    {Posture.DISCONNECTED: "--state DISCONNECTED", Posture.STALLED: "--state STALLED"}
)


def attention_of(
    estate: Estate,
    unknown_by_cause: Iterable[Mapping[str, Any]],
    settings: Settings,
    now: datetime,
    *,
    further: Iterable[Attention] = (),
) -> list[Attention]:
    """Return what needs somebody, the worst first; nothing where all is well.

    Args:
        estate: the estate.
        unknown_by_cause: the unknown scopes by cause, as answers have them.
        settings: thresholds.
        now: the time.
        further: causes that other parts have found.
    """
    found = [
        *map(_not_ready, (group for group in estate.not_ready if _matters(group))),
        *(_unknown(cause, estate) for cause in unknown_by_cause),
        *_without_summary(estate.without_summary),
        *_late(estate, settings, now),
        *_full(estate, settings),
        *_counted(estate, settings),
        *further,
    ]
    return sorted(found, key=lambda each: (each.severity, -each.count, each.code))


def _matters(group: NotReadyGroup) -> bool:
    """Whether somebody has to do something: a server that syncs for the first time only needs time."""
    return group.posture is not Posture.SYNCING or group.reason == LAG_OVER_OBJECTIVE


def _not_ready(group: NotReadyGroup) -> Attention:
    if group.reason == LAG_OVER_OBJECTIVE:
        return Attention(
            LAG_OVER_OBJECTIVE,
            Severity.WARNING,
            group.count,
            f"{_servers(group.count)} behind the lag objective",
            "check bandwidth and the replication servers of these accounts",
            "drs-sync servers --unhealthy --sort lag",
            group.since,
            group.examples,
        )
    word = {Posture.EXTENSION_ERROR: "not extended any more", Posture.UNKNOWN: "in an unknown state"}.get(
        group.posture, str(group.posture)
    )
    reason = "" if group.posture is Posture.EXTENSION_ERROR else f": {group.reason}"
    fix = _FIX_OF_POSTURE.get(group.posture) or _fix_of(group.reason)
    return Attention(
        f"{group.posture.name}_{group.reason}" if group.posture.name != group.reason else group.reason,
        Severity.CRITICAL,
        group.count,
        f"{_servers(group.count)} {word}{reason}",
        fix,
        f"drs-sync servers {_STATE_OF_POSTURE.get(group.posture, '--unhealthy')}",
        group.since,
        group.examples,
    )


def _fix_of(reason: str) -> str:
    return _FIXES.get(reason) or (_STAGING_FIX if reason.startswith("FAILED_TO_") else _OTHER_FIX)


def _unknown(cause: Mapping[str, Any], estate: Estate) -> Attention:
    """Describe scopes that are unknown for one cause. Where servers were known, that is critical."""
    regions = set(cause["regions"])
    concerned = [each for each in estate.unknown if each.scope.region in regions]
    servers = sum(each.servers for each in concerned)
    count, where = cause["scopes"], ", ".join(cause["regions"][:3]) + (" ..." if len(cause["regions"]) > 3 else "")  # noqa: PLR2004
    lost = f", {_servers(servers)} there" if servers else ""
    return Attention(
        f"UNKNOWN_{cause['code']}",
        Severity.CRITICAL if servers else Severity.WARNING,
        count,
        f"{count} {'scope' if count == 1 else 'scopes'} unknown: {cause['code']} ({where or 'all'}){lost}",
        cause["advice"],
        _SYNC if cause["code"] in {"NEVER_SCANNED", "SCAN_TOO_OLD"} else _DOCTOR,
        cause.get("since") or "",
        [_scope(each) for each in concerned[:_MAX_EXAMPLES]],
    )


def _without_summary(scopes: Sequence[ScopePosture]) -> list[Attention]:
    with_servers = [each for each in scopes if each.servers]
    if not with_servers:
        return []
    servers, count = sum(each.servers for each in with_servers), len(with_servers)
    return [
        Attention(
            "NO_SUMMARY",
            Severity.CRITICAL,
            servers,
            f"{_servers(servers)} unknown: {count} {'scope has' if count == 1 else 'scopes have'} no summary",
            "sync once, and check SOURCE_SERVER_TOPOLOGY_TABLE and the warnings of the sync",
            _SYNC,
            examples=[_scope(each) for each in with_servers[:_MAX_EXAMPLES]],
        )
    ]


def _late(estate: Estate, settings: Settings, now: datetime) -> list[Attention]:
    """Return whether scans are late although nothing is unknown yet: the sync is not scheduled, or it fails."""
    limit_s = _OLD_RUNS * settings.sync_interval_seconds
    late = [
        each
        for each in estate.scopes
        if each.servers
        and each.last_complete is not None
        and (now - each.last_complete).total_seconds() > limit_s
        and each not in estate.unknown
    ]
    if not late:
        return []
    oldest = min(late, key=lambda each: (each.last_complete, each.scope))
    return [
        Attention(
            "SCANS_LATE",
            Severity.WARNING,
            len(late),
            f"{len(late)} {'scope was' if len(late) == 1 else 'scopes were'} not scanned completely for "
            f"{_minutes(limit_s)}",
            "check that the inventory sync is scheduled and what its last runs report",
            _SYNC,
            oldest.last_complete.isoformat() if oldest.last_complete else "",
            [_scope(each) for each in late[:_MAX_EXAMPLES]],
        )
    ]


def _full(estate: Estate, settings: Settings) -> list[Attention]:
    near = [fill for fill in estate.staging if fill.percent >= settings.staging_near_full_percent]
    if not near:
        return []
    first, count = near[0], len(near)
    return [
        Attention(
            "STAGING_NEAR_FULL",
            Severity.WARNING,
            count,
            f"{count} {'account replicates' if count == 1 else 'accounts replicate'} almost as many servers as DRS "
            f"allows: {first.replicating} of {first.limit} in {first.scope.account_id} {first.scope.region}",
            "add a staging account before the next server is installed: DRS does not raise this quota",
            "drs-sync accounts add-staging TARGET STAGING",
            examples=[
                {"accountId": fill.scope.account_id, "region": fill.scope.region, "replicating": fill.replicating}
                for fill in near[:_MAX_EXAMPLES]
            ],
        )
    ]


def _counted(estate: Estate, settings: Settings) -> list[Attention]:
    """Return causes of which summaries have no more than a count."""
    found: list[Attention] = []
    days = settings.drill_max_age_days
    if number := estate.without_recent_drill:
        found.append(
            Attention(
                "NO_RECENT_DRILL",
                Severity.INFO,
                number,
                f"{_servers(number)} without a drill in the last {days} days",
                "launch a drill of these servers: what was never launched may not start when it has to",
                f"drs-sync servers --drill-older-than {days}d",
            )
        )
    if number := estate.topology_unknown:
        found.append(
            Attention(
                "TOPOLOGY_INCOMPLETE",
                Severity.INFO,
                number,
                f"{_servers(number)} of whose origin something is missing for a failback",
                "the next syncs complete it; failback names what is missing",
                "drs-sync failback NAME",
            )
        )
    if number := estate.unreadable_objectives:
        found.append(
            Attention(
                "OBJECTIVE_UNREADABLE",
                Severity.INFO,
                number,
                f"{_servers(number)} with a tag {settings.lag_objective_tag} that cannot be read",
                "write it like 15m, 4h or PT15M; until then the general objective holds",
            )
        )
    return found


def _servers(number: int) -> str:
    return f"{number:,} {'server' if number == 1 else 'servers'}"


def _minutes(seconds: float) -> str:
    return f"{round(seconds / 60)} min"


def _scope(each: ScopePosture) -> dict[str, Any]:
    return {"accountId": each.scope.account_id, "region": each.scope.region, "servers": each.servers}
