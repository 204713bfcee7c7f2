"""Listings: the servers that each process received for a scope, and what they prove."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from service.models import Scope

if TYPE_CHECKING:
    from tests.simulation.host import Host

__all__ = ["Listing", "proves_empty", "proving"]


@dataclass(slots=True)
class Listing:
    """The servers that a host received for one scope in the pages of one listing.

    Args:
        host: the process that received it.
        scope: the scope.
        began: when its first page was true.
        is_uninitialized: the response was that DRS is not initialized; then it is complete and empty.
        is_odd: the response was not true.
    """

    host: Host
    scope: Scope
    began: float
    arns: set[str] = field(default_factory=set)
    complete: bool = False
    is_uninitialized: bool = False
    is_odd: bool = False
    run: int = field(init=False)
    began_on_host_clock: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.run, self.began_on_host_clock = self.host.run_number, self.host.now()

    def __repr__(self) -> str:
        return f"<{self.scope.account_id}/{self.scope.region}: {len(self.arns)}{'' if self.complete else ' or more'}>"


def proving(listings: Iterable[Listing], host: Host, scope: Scope, *, are_servers_known: bool) -> list[Listing]:
    """Return the complete listings of a scope that a host may act on.

    An answer that was not true proves nothing. Where servers are known, "not initialized" proves something only once
    an earlier run was told the same.
    """
    of_scope = [each for each in listings if each.scope == scope and each.complete]
    return [
        each
        for each in of_scope
        if each.host is host
        and (
            proves_empty(each, of_scope, are_servers_known=are_servers_known)
            if each.is_uninitialized
            else not each.is_odd
        )
    ]


def proves_empty(listing: Listing, of_scope: Iterable[Listing], *, are_servers_known: bool) -> bool:
    """Whether the answer "not initialized" proves that a scope is empty; one of the two answers must be true."""
    if not are_servers_known and not listing.is_odd:
        return True
    return any(
        each.is_uninitialized
        and each.run != listing.run
        and each.began <= listing.began
        and not (each.is_odd and listing.is_odd)
        for each in of_scope
    )
