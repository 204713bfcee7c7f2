"""The document of `get_estate`: could it fail over now, can that be believed, and what needs somebody. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from service.estate.estate import Estate
from service.estate.scope_posture import ScopePosture
from service.inventory.posture import Posture
from service.models import iso
from service.queries.estate.attention import Attention
from service.regions.scope_state import ScopeState
from service.settings import Settings

__all__ = ["MAX_SCOPES", "OPERATION", "Verdict", "estate_document", "verdict_of"]

OPERATION: Final = "get_estate"
MAX_SCOPES: Final = 10_000
"""Scopes that the document lists, those with servers or unknown ones; the rest is counted. Each takes 250 bytes."""
_MAX_FILLS: Final = 500
_SHOWN: Final = frozenset({ScopeState.FRESH, ScopeState.OLD, ScopeState.UNKNOWN})


class Verdict(StrEnum):
    """Could the estate fail over now?"""

    READY = "ready"
    """Every server is ready, and nothing is unknown."""
    NOT_READY = "notReady"
    """Some server is known not to be ready."""
    UNKNOWN = "unknown"
    """Something is unknown, and nothing is known not to be ready."""
    EMPTY = "empty"
    """No account has a server, and nothing is unknown."""


def verdict_of(estate: Estate, *, is_complete: bool) -> Verdict:
    """Return the verdict.

    Args:
        estate: the estate.
        is_complete: nothing is unknown.
    """
    if estate.servers - estate.counts.get(Posture.READY, 0) - estate.counts.get(Posture.UNKNOWN, 0):
        return Verdict.NOT_READY
    if not is_complete or estate.counts.get(Posture.UNKNOWN):
        return Verdict.UNKNOWN
    return Verdict.READY if estate.servers else Verdict.EMPTY


def estate_document(
    estate: Estate,
    attention: Sequence[Attention],
    settings: Settings,
    now: datetime,
    *,
    is_complete: bool,
    account_names: Mapping[str, str],
) -> dict[str, Any]:
    """Build the members of the document, without those about completeness that every answer has.

    Args:
        estate: the estate.
        attention: what needs somebody.
        settings: objectives and quotas.
        now: the time of the document.
        is_complete: nothing is unknown.
        account_names: names of the accounts by id, as far as known.
    """
    shown = [each for each in estate.scopes if each.state in _SHOWN]
    return {
        "operation": OPERATION,
        "asOf": iso(now),
        "verdict": str(verdict_of(estate, is_complete=is_complete)),
        "servers": _servers(estate),
        "lag": {
            "objectiveSeconds": round(settings.lag_objective_seconds),
            "overObjective": estate.over_objective,
            "worst": _worst_lag(estate),
        },
        "drills": {
            "maxAgeDays": settings.drill_max_age_days,
            "withoutRecent": estate.without_recent_drill,
            "lastLaunch": _last_launch(estate),
        },
        "topology": {"incomplete": estate.topology_unknown},
        "freshness": {
            "oldestCompleteScan": None if estate.oldest is None else _scan_of(estate.oldest, now),
            "syncIntervalSeconds": round(settings.sync_interval_seconds),
        },
        "staging": _staging(estate, settings),
        "needsYou": [each.as_json() for each in attention],
        "scopes": [_scope_json(each, now, account_names) for each in shown[:MAX_SCOPES]],
        "scopesListed": min(len(shown), MAX_SCOPES),
        "scopesTotal": len(shown),
    }


def _servers(estate: Estate) -> dict[str, Any]:
    return {
        "total": estate.servers,
        "isLowerBound": bool(estate.uncounted),
        **{str(posture): estate.counts.get(posture, 0) for posture in Posture},
        "readyPercent": estate.ready_percent,
    }


def _staging(estate: Estate, settings: Settings) -> dict[str, Any]:
    near_full = settings.staging_near_full_percent
    return {
        "quota": settings.replicating_servers_per_region,
        "nearFullPercent": near_full,
        "fills": [
            {
                "accountId": fill.scope.account_id,
                "region": fill.scope.region,
                "replicating": fill.replicating,
                "percent": fill.percent,
                "isLowerBound": fill.is_lower_bound,
                "isNearFull": fill.percent >= near_full,
            }
            for fill in estate.staging[:_MAX_FILLS]
        ],
    }


def _worst_lag(estate: Estate) -> dict[str, Any] | None:
    if estate.worst_lag is None:
        return None
    seconds, scope, server_id = estate.worst_lag
    return {
        "seconds": round(seconds),
        "accountId": scope.account_id,
        "region": scope.region,
        "sourceServerID": server_id,
    }


def _last_launch(estate: Estate) -> dict[str, Any] | None:
    if estate.last_launch is None:
        return None
    time, scope, launch = estate.last_launch
    return {
        "time": time,
        "type": str(launch.get("type") or ""),
        "result": str(launch.get("result") or ""),
        "accountId": scope.account_id,
        "region": scope.region,
        "sourceServerID": str(launch.get("sourceServerID") or ""),
    }


def _scan_of(each: ScopePosture, now: datetime) -> dict[str, Any]:
    return {
        "accountId": each.scope.account_id,
        "region": each.scope.region,
        "at": iso(each.last_complete) if each.last_complete else None,
        "ageSeconds": _age_s(each.last_complete, now),
    }


def _scope_json(each: ScopePosture, now: datetime, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "accountId": each.scope.account_id,
        "accountName": names.get(each.scope.account_id, ""),
        "region": each.scope.region,
        "state": str(each.state),
        "servers": each.servers,
        "isCounted": each.is_counted,
        "posture": {str(posture): number for posture, number in each.counts.items()},
        "worst": None if each.worst is None else str(each.worst),
        "lastComplete": iso(each.last_complete) if each.last_complete else None,
        "ageSeconds": _age_s(each.last_complete, now),
    }


def _age_s(moment: datetime | None, now: datetime) -> int | None:
    return None if moment is None else max(0, round((now - moment).total_seconds()))
