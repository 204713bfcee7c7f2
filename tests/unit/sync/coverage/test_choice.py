"""In which accounts and regions a coverage sync looks, and which it names as not looked at."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import UnknownScopeError
from service.models import Scope
from service.protection.decision import TagFilter
from service.regions.selection import RegionSource
from service.sync.coverage.choice import CoverageRequest, choose, not_looked_at

A, B, C, D = (f"{letter}" * 12 for letter in "1234")
EAST, WEST, SOUTH = "us-east-1", "us-west-2", "sa-east-1"
ORIGINS: Final = (Scope(A, EAST), Scope(A, WEST), Scope(B, EAST))


@pytest.mark.parametrize(
    ("request_members", "expected"),
    [
        ({}, ORIGINS),
        ({"accounts": (A,)}, (Scope(A, EAST), Scope(A, WEST))),
        ({"regions": (EAST,)}, (Scope(A, EAST), Scope(B, EAST))),
        ({"regions": (SOUTH,)}, (Scope(A, SOUTH), Scope(B, SOUTH))),
        ({"accounts": (B,), "regions": (SOUTH, WEST)}, (Scope(B, SOUTH), Scope(B, WEST))),
        # Recorded, and no server comes from it: it is looked at where servers of others come from.
        ({"accounts": (C,)}, (Scope(C, EAST), Scope(C, WEST))),
        ({"accounts": (B, C)}, (Scope(B, EAST), Scope(C, EAST), Scope(C, WEST))),
        ({"tags": TagFilter.parse(["dr"])}, ORIGINS),
    ],
)
def test_it_looks_where_servers_come_from_or_where_it_is_asked_to(
    request_members: dict[str, Any], expected: tuple[Scope, ...]
) -> None:
    selection = choose(CoverageRequest(**request_members), ORIGINS, {A, C})
    assert tuple(selection.scopes) == expected
    assert selection.known_active == frozenset(expected)  # so a scope that cannot be read has failed
    assert selection.source is (RegionSource.REQUESTED if request_members else RegionSource.INVENTORY)


def test_an_account_that_nobody_names_is_refused() -> None:
    with pytest.raises(UnknownScopeError, match=f"no source server comes from account {D}, and no record names it"):
        choose(CoverageRequest(accounts=(A, D)), ORIGINS, {C})


def test_regions_that_are_not_looked_at_are_counted_by_account() -> None:
    assert not_looked_at(ORIGINS, ORIGINS, [EAST, WEST, SOUTH]) == {SOUTH: 2, WEST: 1}
    assert not_looked_at([Scope(A, SOUTH), Scope(C, WEST)], ORIGINS, [SOUTH]) == {SOUTH: 1, EAST: 2, WEST: 2}
    assert not_looked_at((), (), [SOUTH]) == {}


_SCOPES = st.builds(Scope, st.sampled_from([A, B, C]), st.sampled_from([EAST, WEST, SOUTH]))


@given(st.sets(_SCOPES), st.sets(_SCOPES))
def test_each_account_is_looked_at_or_counted_in_each_region(scopes: set[Scope], origins: set[Scope]) -> None:
    accounts = {origin.account_id for origin in origins}
    left = not_looked_at(scopes, origins, [EAST, WEST, SOUTH])
    for region in (EAST, WEST, SOUTH):
        looked_at = {scope.account_id for scope in scopes if scope.region == region} & accounts
        assert len(looked_at) + left.get(region, 0) == len(accounts)
