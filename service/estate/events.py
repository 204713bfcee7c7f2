"""Events of changes, as EventBridge takes them. Pure.

An event is kept, with its id, until it was sent. So one that is sent twice, which a crash can cause, has one id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from service.estate.changes import Change, ChangeKind
from service.models import Scope, iso, parse_iso

__all__ = ["SOURCE", "event_of", "found_at"]

SOURCE: Final = "drs-sync"
_CRITICAL, _WARNING, _INFO = "critical", "warning", "info"
_SEVERITIES: Final[Mapping[ChangeKind, str]] = MappingProxyType(
    {
        ChangeKind.STALLED: _CRITICAL,
        ChangeKind.BEHIND: _WARNING,
        ChangeKind.GONE: _WARNING,
        ChangeKind.SCOPES_UNKNOWN: _CRITICAL,
        ChangeKind.NEAR_FULL: _WARNING,
    }
)
_FIXES: Final[Mapping[ChangeKind, str]] = MappingProxyType(
    {
        ChangeKind.STALLED: "run drs-sync status, which names the reason and its fix",
        ChangeKind.BEHIND: "check bandwidth, throttling and the replication servers: drs-sync servers --unhealthy",
        ChangeKind.GONE: "if it was not deleted on purpose, install the agent again",
        ChangeKind.SCOPES_UNKNOWN: "run drs-sync status, which names each cause and its fix",
        ChangeKind.NEAR_FULL: "add a staging account: drs-sync accounts add-staging TARGET STAGING",
        ChangeKind.SUMMARY: "run drs-sync status",
        ChangeKind.ESTATE: "run drs-sync status",
    }
)


def event_of(
    change: Change, scope: Scope | None, event_id: str, now: datetime, installation: Mapping[str, str]
) -> dict[str, Any]:
    """Build the event of a change, as it is kept until it was sent.

    Args:
        change: the change.
        scope: where; None for a change of the estate as a whole.
        event_id: its id.
        now: when the change was found.
        installation: names of the project and the environment.
    """
    where = {"accountId": scope.account_id, "region": scope.region} if scope else {}
    is_server = change.kind in _OF_SERVERS
    detail = {
        "id": event_id,
        "kind": change.kind.name,
        "severity": _SEVERITIES.get(change.kind, _INFO),
        **installation,
        **where,
        **({"sourceServerID": change.subject} if is_server else {}),
        **change.members,
        "fix": _FIXES.get(change.kind, ""),
        "time": iso(now),
    }
    return {
        "Source": SOURCE,
        "DetailType": str(change.kind),
        "Detail": json.dumps({name: value for name, value in detail.items() if value != ""}),
        "Resources": list(change.resources),
    }


_OF_SERVERS: Final = frozenset(
    {ChangeKind.STALLED, ChangeKind.RECOVERED, ChangeKind.BEHIND, ChangeKind.CAUGHT_UP, ChangeKind.GONE}
)


def found_at(event: Mapping[str, Any]) -> datetime:
    """Return when the change of an event was found; long ago where the event does not say it."""
    try:
        told = json.loads(event["Detail"])["time"]
    except (KeyError, TypeError, ValueError, RecursionError):
        told = None
    return parse_iso(told) or datetime.min.replace(tzinfo=UTC)
