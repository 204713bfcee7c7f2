"""Listings: the servers that each process received for a scope, and what they prove."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from service.models import Scope

if TYPE_CHECKING:
    from tests.simulation.host import Host

__all__ = ["Listing", "proving"]


@dataclass(slots=True)
class Listing:
    """The servers that a host received for one scope in the pages of one listing.

    Args:
        host: the process that received it.
        scope: the scope.
        began: when its first page was true.
        lags: the lag of each server, by ARN.
        is_uninitialized: the response was that DRS is not initialized; then it is complete and empty.
        is_odd: the response was not true.
    """

    host: Host
    scope: Scope
    began: float
    lags: dict[str, str] = field(default_factory=dict)
    complete: bool = False
    is_uninitialized: bool = False
    is_odd: bool = False
    run: int = field(init=False)
    run_began: float = field(init=False)
    began_on_host_clock: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.run, self.began_on_host_clock = self.host.run_number, self.host.now()
        self.run_began = self.host.run_began

    @property
    def arns(self) -> Set[str]:
        """ARNs of the servers."""
        return self.lags.keys()

    def __repr__(self) -> str:
        return f"<{self.scope.account_id}/{self.scope.region}: {len(self.arns)}{'' if self.complete else ' or more'}>"


def proving(listings: Iterable[Listing], host: Host, scope: Scope, *, known_since: float | None) -> list[Listing]:
    """Return the complete listings of a scope that a host may act on.

    An answer that was not true proves nothing. Where servers were known when its run began, "not initialized" proves
    something only once an earlier run was told the same.
    """
    of_scope = [each for each in listings if each.scope == scope and each.complete]
    return [
        each
        for each in of_scope
        if each.host is host
        and (_proves_empty(each, of_scope, known_since) if each.is_uninitialized else not each.is_odd)
    ]


def _proves_empty(listing: Listing, of_scope: Iterable[Listing], known_since: float | None) -> bool:
    """Whether the answer "not initialized" proves that a scope is empty; of two such answers, one must be true."""
    is_known = known_since is not None and known_since <= listing.run_began
    if not is_known and not listing.is_odd:
        return True
    return any(
        each.is_uninitialized
        and each.run != listing.run
        and each.began <= listing.began
        and not (each.is_odd and listing.is_odd)
        for each in of_scope
    )
