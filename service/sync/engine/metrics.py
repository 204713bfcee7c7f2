"""What the log and the metrics of a run say, made of its report. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from service.regions.selection import RegionSource

__all__ = ["ORIGIN_DENIED", "figures_of", "metrics_operation", "summary_of"]

ORIGIN_DENIED: Final = "scopesOriginDenied"
"""Member of the report: scopes that failed or are partial only because accounts of EC2 instances take no part."""

_LONG_MEMBERS: Final = frozenset({"errors", "warnings", "regions", "planned", "details", "accountResults"})
_LONG_MEMBERS_OF_COVERAGE: Final = frozenset({"instances", "lookedAt", "unknown", "notLookedAt", "serverScopesUnknown"})
_LOGGED_ERRORS: Final = 10


def summary_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report without its longest lists, fit for one log line."""
    return {
        **{name: value for name, value in report.items() if name not in _LONG_MEMBERS | _LONG_MEMBERS_OF_COVERAGE},
        "firstErrors": report["errors"][:_LOGGED_ERRORS],
        "errorCount": len(report["errors"]),
        "warningCount": len(report["warnings"]),
    }


def metrics_operation(report: Mapping[str, Any]) -> str:
    """Return the operation under which the metrics of a run are emitted.

    A run over requested scopes, such as the refresh that a query asks for, has another name than runs that select their
    regions: the alarm about a schedule that is silent must not take it for the schedule's.
    """
    operation = str(report["operation"])
    return f"{operation}_requested" if report["regionSource"] == RegionSource.REQUESTED else operation


def figures_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of metrics that the report does not hold itself; None leaves a metric out."""
    source, scopes = RegionSource(report["regionSource"]), report["scopes"]
    failed = scopes["failed"] + scopes["partial"]
    figures: dict[str, Any] = {
        "activeRegionCount": report["regionsActive"],
        "regionsSkipped": report["regionsSkipped"] if source.is_filtered else None,  # else status left out none
        "scopesFailed": failed,
        # An account of EC2 instances that takes no part is nothing to repair, however often its tags cannot be read.
        "scopesToRepair": failed - report.get(ORIGIN_DENIED, 0),
        "fallback": int(source.is_fallback and scopes["asked"] > 0),  # without accounts there is nothing to scan
    }
    if "instancesUnprotected" in report:  # the coverage sync reads no server
        figures |= dict.fromkeys(("serversSynced", "apiCallReductionPercent", "timeSavedSeconds"))
        if source is not RegionSource.INVENTORY or failed:  # a number of some instances only
            figures["instancesUnprotected"] = None
    figures |= report.get("estate") or {}
    if "serversHeldBack" in report:
        figures["serversNotExtended"] = report["serversHeldBack"] + report["serversFailed"]
    return figures
