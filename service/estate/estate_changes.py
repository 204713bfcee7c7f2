"""Changes of the estate between two runs: scopes unknown or known again, staging accounts near full. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from service.estate.changes import Change, ChangeKind
from service.estate.estate import Estate, StagingFill
from service.estate.grouped import decode_grouped, encode_grouped
from service.estate.scope_posture import ScopePosture
from service.settings import Settings

__all__ = ["EVENTS_KEY", "estate_changes"]

EVENTS_KEY: Final[Mapping[str, str]] = {"pk": "estate", "sk": "events"}
"""Key of the item that says what was announced of the estate."""
_MAX_EXAMPLES: Final = 50


def estate_changes(
    estate: Estate, settings: Settings, announced: Mapping[str, Any]
) -> tuple[list[Change], dict[str, Any]]:
    """Compare an estate with what was announced; return the changes, and the attributes to keep.

    Scopes that become unknown for one cause are one change, however many they are. What is unknown or near full when
    nothing was announced yet is one summary.

    Args:
        estate: the estate.
        settings: when an account is near full.
        announced: attributes of the item that says what was announced; empty where there is none.
    """
    unknown = {_name(each): each for each in estate.unknown}
    near = {_name(fill): fill for fill in estate.staging if fill.percent >= settings.staging_near_full_percent}
    kept = {"unknown": encode_grouped({name: each.cause for name, each in unknown.items()}), "nearFull": sorted(near)}
    before, full_before = decode_grouped(announced.get("unknown")), announced.get("nearFull")
    if before is None or not isinstance(full_before, list):
        found = {"unknownScopes": len(unknown), "accountsNearFull": len(near)}
        summary = Change(ChangeKind.ESTATE, "first seen", {"why": "first seen", "servers": estate.servers, **found})
        return ([summary] if any(found.values()) else []), kept
    existing = {_name(each) for each in estate.scopes}
    changes = _became_unknown([each for name, each in unknown.items() if name not in before])
    again = sorted((before.keys() - unknown.keys()) & existing)
    if again:
        members = {"scopes": len(again), "examples": again[:_MAX_EXAMPLES]}
        changes.append(Change(ChangeKind.SCOPES_KNOWN, "scopes", members))
    changes += [_of_fill(ChangeKind.NEAR_FULL, near[name]) for name in sorted(near.keys() - set(full_before))]
    with_room = {_name(fill): fill for fill in estate.staging if _name(fill) in full_before and _name(fill) not in near}
    changes += [_of_fill(ChangeKind.HAS_ROOM, with_room[name]) for name in sorted(with_room)]
    return changes, kept


def _name(each: ScopePosture | StagingFill) -> str:
    return f"{each.scope.account_id}/{each.scope.region}"


def _became_unknown(scopes: Sequence[ScopePosture]) -> list[Change]:
    by_cause: dict[str, list[ScopePosture]] = {}
    for each in scopes:
        by_cause.setdefault(each.cause, []).append(each)
    return [
        Change(
            ChangeKind.SCOPES_UNKNOWN,
            cause,
            {
                "cause": cause,
                "scopes": len(found),
                "servers": sum(each.servers for each in found),
                "examples": [_name(each) for each in found[:_MAX_EXAMPLES]],
            },
        )
        for cause, found in sorted(by_cause.items())
    ]


def _of_fill(kind: ChangeKind, fill: StagingFill) -> Change:
    members = {
        "accountId": fill.scope.account_id,
        "region": fill.scope.region,
        "replicating": fill.replicating,
        "quota": fill.limit,
    }
    return Change(kind, _name(fill), members)
