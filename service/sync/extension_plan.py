"""Which servers to extend, and which pairs to hold back. Pure.

A side that could not be read is `Unread`, which no code can take for an empty list: its pair is held back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from service.models import Problem

__all__ = ["Pair", "Plan", "Unread", "extended_arns", "plan_extensions", "replicating_arns", "within_quota"]


class Pair(NamedTuple):
    """A target account, one of its staging accounts, and a region."""

    target: str
    staging: str
    region: str


@dataclass(frozen=True, slots=True)
class Unread:
    """A side that could not be read to its end, and why."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class Plan:
    """What to extend for one pair; or, when a side is unread, that the pair is held back."""

    pair: Pair
    extend: tuple[str, ...] = ()
    held_back: Problem | None = None


def extended_arns(records: Iterable[Mapping[str, Any]], *, target: str) -> frozenset[str]:
    """Return the ARNs of the staging servers that a target's records show as extended into it."""
    found = set()
    for record in records:
        area = record.get("stagingArea") or {}
        if area.get("stagingAccountID") != target and area.get("stagingSourceServerArn"):
            found.add(str(area["stagingSourceServerArn"]))
    return frozenset(found)


def replicating_arns(records: Iterable[Mapping[str, Any]], *, staging: str) -> frozenset[str]:
    """Return the ARNs of the servers that a staging account itself replicates and that can be extended."""
    return frozenset(
        str(record["arn"]) for record in records if record.get("arn") and _can_be_extended(record, staging=staging)
    )


def _can_be_extended(record: Mapping[str, Any], *, staging: str) -> bool:
    """Whether a record is of a server that an account protects: no extended, reversed or disconnected one.

    A reversed server goes back to where it came from; a disconnected one has no snapshots to recover from.
    """
    area, replication = record.get("stagingArea") or {}, record.get("dataReplicationInfo") or {}
    return (
        not area.get("stagingSourceServerArn")
        and area.get("stagingAccountID", staging) == staging
        and record.get("replicationDirection") != "FAILBACK"
        and replication.get("dataReplicationState") != "DISCONNECTED"
    )


def plan_extensions(
    pair: Pair, extensible: Collection[str] | Unread, extended: Collection[str] | Unread = frozenset()
) -> Plan:
    """Decide what to extend.

    Args:
        pair: whose servers.
        extensible: what the staging account replicates, or what DRS says may be extended.
        extended: what the target holds already; empty when DRS has left it out of `extensible` itself.
    """
    if isinstance(extensible, Unread):
        return Plan(pair, held_back=extensible.problem)
    if isinstance(extended, Unread):
        return Plan(pair, held_back=extended.problem)
    return Plan(pair, extend=tuple(sorted(set(extensible) - set(extended))))


def within_quota(plans: Sequence[Plan], *, current: int | None, quota: int) -> tuple[list[Plan], int]:
    """Cut plans of one target and region down to what fits; return how many servers do not.

    Args:
        plans: what is wanted.
        current: source servers that the target is known to hold there; None when that is not known, then DRS decides.
        quota: of source servers per account and region.
    """
    if current is None:
        return list(plans), 0
    room, cut, left_over = max(0, quota - current), [], 0
    for plan in plans:
        taken = plan.extend[:room]
        room -= len(taken)
        left_over += len(plan.extend) - len(taken)
        cut.append(Plan(plan.pair, taken, plan.held_back))
    return cut, left_over
