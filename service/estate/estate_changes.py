"""Changes of the estate between two runs: scopes unknown or known again, staging accounts near full. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any, Final

from service.estate.changes import MAX_SINGLE, Change, ChangeKind, is_too_much
from service.estate.estate import Estate, StagingFill
from service.estate.grouped import decode_grouped, encode_grouped
from service.estate.scope_posture import ScopePosture
from service.settings import Settings

__all__ = ["EVENTS_KEY", "decode_scopes", "encode_scopes", "estate_changes"]

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
    near = {_name(fill) for fill in estate.staging if fill.percent >= settings.staging_near_full_percent}
    before, full_before = decode_scopes(announced.get("unknown")), _names(announced.get("nearFull"))
    still_full = _still_full(estate, full_before or set(), near)
    kept = {
        "unknown": encode_scopes({name: each.cause for name, each in unknown.items()}),
        "nearFull": sorted(near | still_full),
    }
    found = {"unknownScopes": len(unknown), "accountsNearFull": len(near | still_full)}
    if before is None or full_before is None:
        return ([_summary("first seen", estate, found)] if any(found.values()) else []), kept
    existing = {_name(each) for each in estate.scopes}
    changes = _became_unknown([each for name, each in unknown.items() if name not in before])
    again = sorted((before.keys() - unknown.keys()) & existing)
    if again:
        members = {"scopes": len(again), "examples": again[:_MAX_EXAMPLES]}
        changes.append(Change(ChangeKind.SCOPES_KNOWN, "scopes", members))
    fills = _of_fills(estate, near=near - full_before, with_room=full_before - near - still_full)
    if is_too_much(fills):
        return [*changes, _summary(f"more than {MAX_SINGLE} changes", estate, found)], kept
    return changes + fills, kept


def _names(value: object) -> set[str] | None:
    return set(map(str, value)) if isinstance(value, list) else None


def _summary(why: str, estate: Estate, found: Mapping[str, int]) -> Change:
    return Change(ChangeKind.ESTATE, why, {"why": why, "servers": estate.servers, **found})


def _still_full(estate: Estate, full_before: Set[str], near: Set[str]) -> set[str]:
    """Return the accounts near full that nobody can say have room: part of what they replicate is unknown now."""
    uncertain = {each.scope.region for each in (*estate.unknown, *estate.without_summary)}
    exact = {_name(fill) for fill in estate.staging if not fill.is_lower_bound}
    return {name for name in full_before - near - exact if name.partition("/")[2] in uncertain}


def _name(each: ScopePosture | StagingFill) -> str:
    return f"{each.scope.account_id}/{each.scope.region}"


def encode_scopes(causes: Mapping[str, str]) -> bytes:
    """Encode the causes of unknown scopes: one text per account, of which most accounts have the same few.

    So 5,000 accounts in 34 regions are 40 KB instead of several hundred.
    """
    by_account: dict[str, dict[str, list[str]]] = {}
    for name in sorted(causes):
        account_id, _, region = name.partition("/")
        by_account.setdefault(account_id, {}).setdefault(causes[name], []).append(region)
    return encode_grouped(
        {
            account_id: ";".join(f"{cause}={' '.join(regions)}" for cause, regions in sorted(found.items()))
            for account_id, found in by_account.items()
        }
    )


def decode_scopes(value: object) -> dict[str, str] | None:
    """Decode causes of unknown scopes; None when they are missing or damaged."""
    by_account = decode_grouped(value)
    if by_account is None or not all("=" in text for text in by_account.values()):
        return None
    return {
        f"{account_id}/{region}": cause
        for account_id, text in by_account.items()
        for cause, _, regions in (part.partition("=") for part in text.split(";"))
        for region in regions.split()
    }


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


def _of_fills(estate: Estate, *, near: Set[str], with_room: Set[str]) -> list[Change]:
    fills = sorted(estate.staging, key=_name)
    return [
        *(_of_fill(ChangeKind.NEAR_FULL, fill) for fill in fills if _name(fill) in near),
        *(_of_fill(ChangeKind.HAS_ROOM, fill) for fill in fills if _name(fill) in with_room),
    ]


def _of_fill(kind: ChangeKind, fill: StagingFill) -> Change:
    members = {
        "accountId": fill.scope.account_id,
        "region": fill.scope.region,
        "replicating": fill.replicating,
        "quota": fill.limit,
    }
    return Change(kind, _name(fill), members)
