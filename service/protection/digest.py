"""What the summaries say together: one member of a document, for the estate, reports and pages. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from service.models import iso
from service.protection.reader import EstateCoverage
from service.protection.summary import CoverageSummary, UnprotectedInstance

__all__ = ["MAX_AGE", "TOO_OLD", "digest_of"]

MAX_AGE: Final = timedelta(days=3)
"""A summary that is older tells nothing: the daily run has failed to begin three times."""
TOO_OLD: Final = "SUMMARY_TOO_OLD"
_MAX_NAMED: Final = 20
_MAX_SCOPES: Final = 5000


def digest_of(estate: EstateCoverage, now: datetime, *, max_age: timedelta = MAX_AGE) -> dict[str, Any] | None:
    """Return the numbers of all summaries that are known, and what is not known.

    A scope that could not be read, or too long ago, is unknown: its instances are in no number, so `isLowerBound` says
    that there may be more. Names of instances are text from outside.

    Args:
        estate: all summaries, and the last run over everything.
        now: the time of the document.
        max_age: an older summary is unknown.

    Returns:
        The member; None if no coverage sync has ever run.
    """
    if not estate.summaries and estate.run is None:
        return None
    summaries = list(estate.summaries.values())
    known = [each for each in summaries if not _reason(each, now, max_age)]
    reasons, left_out = Counter[str](), Counter[str]()
    for each in known:
        reasons.update(each.by_reason)
        left_out.update(each.left_out)
    times = [each.as_of for each in known if each.as_of is not None]
    return {
        "lastRun": None if estate.run is None else iso(estate.run.started_at),
        "oldest": iso(min(times)) if times else None,
        "scopes": len(summaries),
        "scopesUnknown": len(summaries) - len(known),
        "isLowerBound": len(known) < len(summaries) or estate.run is None,
        "instances": sum(each.instances for each in known),
        "protected": sum(each.protected for each in known),
        "unprotected": sum(each.unprotected for each in known),
        "byReason": dict(sorted(reasons.items())),
        "leftOut": dict(sorted(left_out.items())),
        "serversKnown": bool(known) and all(each.server_scopes_unknown == 0 for each in known),
        "first": [
            {"accountId": each.scope.account_id, "region": each.scope.region, **_named(instance)}
            for each in known
            for instance in each.first
        ][:_MAX_NAMED],
        "byScope": [_scope(each, now, max_age) for each in summaries[:_MAX_SCOPES]],
        "notLookedAt": _not_looked_at({} if estate.run is None else estate.run.not_looked_at),
    }


def _reason(summary: CoverageSummary, now: datetime, max_age: timedelta) -> str:
    """Return why a scope is unknown, as a code; empty if it is known."""
    if not summary.is_known or summary.as_of is None:
        return summary.failure.get("code") or "NEVER_READ"
    return TOO_OLD if now - summary.as_of > max_age else ""


def _scope(summary: CoverageSummary, now: datetime, max_age: timedelta) -> dict[str, Any]:
    reason = _reason(summary, now, max_age)
    return {
        "accountId": summary.scope.account_id,
        "region": summary.scope.region,
        "isKnown": not reason,
        "asOf": None if summary.as_of is None else iso(summary.as_of),
        "protected": summary.protected,
        "unprotected": summary.unprotected,
        "leftOut": sum(summary.left_out.values()),
        **({"code": reason, **_failure(summary)} if reason else {}),
    }


def _failure(summary: CoverageSummary) -> dict[str, Any]:
    texts = {name: text for name, text in summary.failure.items() if name != "code"}
    return {**texts, "since": None if summary.failed_since is None else iso(summary.failed_since)}


def _named(instance: UnprotectedInstance) -> Mapping[str, str]:
    return {"instanceId": instance.instance_id, "name": instance.name, "reason": instance.reason}


def _not_looked_at(left: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"region": region, "accounts": count} for region, count in sorted(left.items())]
