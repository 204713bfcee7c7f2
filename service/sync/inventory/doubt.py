"""Doubt about a complete listing that shows far less than is known: when it is repeated, and the warning. Pure."""

from __future__ import annotations

import math

from service.models import Problem, RegionStatus, Scope

__all__ = ["believed_up_to", "is_doubtful", "repeated_warning"]


def is_doubtful(*, shown: int, stored: int, absent: int, known_count: int, share: float) -> bool:
    """Tell whether a complete listing lacks so much that it is repeated before anything is removed.

    Args:
        shown: how many servers it shows.
        stored: how many servers are stored.
        absent: how many of these it does not show.
        known_count: how many servers the last complete scan counted.
        share: a listing that shows less than this share of the stored servers, or of that count, is repeated.
    """
    if shown == 0:
        return stored > 0 or known_count > 0
    return (absent > 0 and stored - absent < share * stored) or shown < share * known_count


def believed_up_to(shown: int, *, share: float) -> int | None:
    """Return how many servers may be known for a listing not to be doubtful; None for any number.

    A run that could not read region status, or read it before others found servers, does not know them. Who records
    its result compares it with the count of that time.
    """
    if shown == 0:
        return 0
    return math.floor(shown / share) if share > 0 else None


def repeated_warning(scope: Scope, *, shown: int, stored: int, absent: int, known_count: int) -> Problem:
    """Make the warning that a listing was repeated. The arguments are those of `is_doubtful`."""
    known = f"{stored - absent} of {stored} stored servers" if stored else f"where {known_count} are known"
    return Problem(
        "ScanRepeated",
        f"DRS listed {shown} servers, {known}, so the scope was listed once more before anything was removed",
        RegionStatus.ACTIVE,
        "drs",
        "DescribeSourceServers",
        *scope,
        advice="if the servers were removed on purpose, do nothing; if not, look for them in the account's DRS console",
    )
