"""Regions of which the inventory has to tell whether there are servers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from service.models import RegionStatus, Scope
from service.regions.selection import DiscoveryPolicy, ScanReason, SelectionRequest, StatusUnavailable, select
from service.regions.status_rows import Observation, RegionRow, merge
from service.regions.uncounted import uncounted_regions

NOW = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
A, B = "111122223333", "222233334444"
CATALOG = ("eu-west-1", "sa-east-1", "us-west-2")
PLATFORM_ROWS = [
    RegionRow("eu-west-1", 0, RegionStatus.NOT_INITIALIZED, separates_accounts=False),
    RegionRow("us-west-2", 3, RegionStatus.ACTIVE, unattributed=3, separates_accounts=False),
]
OWN_ROWS = [merge(None, region, [Observation(A, RegionStatus.ACTIVE, NOW, 0)]) for region in CATALOG]


def request(**members: Any) -> SelectionRequest:
    return SelectionRequest([A, B], CATALOG, NOW, DiscoveryPolicy(call_share=0.0), **members)


@pytest.mark.parametrize(
    ("table", "members", "expected"),
    [
        (PLATFORM_ROWS, {}, ["eu-west-1", "sa-east-1"]),
        (PLATFORM_ROWS, {"excluded": frozenset({"sa-east-1"})}, ["eu-west-1"]),
        (PLATFORM_ROWS[1:], {}, ["eu-west-1", "sa-east-1"]),
        (OWN_ROWS, {}, []),
        (OWN_ROWS[:2], {}, ["us-west-2"]),
        ([], {}, []),
        (StatusUnavailable("it cannot be read"), {}, []),
        (PLATFORM_ROWS, {"full_scan": True}, []),
        (PLATFORM_ROWS, {"regions": ("us-west-2",)}, []),
        (PLATFORM_ROWS, {"scopes": (Scope(A, "us-west-2"),)}, []),
    ],
)
def test_which_regions_the_inventory_is_asked_about(table: Any, members: dict[str, Any], expected: list[str]) -> None:
    assert list(uncounted_regions(table, request(**members))) == expected


def test_a_scope_that_the_inventory_has_servers_of_is_scanned() -> None:
    """Only in accounts of this run, and not where a scan is excluded."""
    found, foreign = Scope(A, "eu-west-1"), Scope("999999999999", "eu-west-1")
    excluded = Scope(B, "sa-east-1")
    stored = frozenset({found, foreign, excluded})
    selection = select(PLATFORM_ROWS, request(stored=stored, excluded_scopes=frozenset({excluded}), discover=False))
    assert selection.scopes == dict.fromkeys((found, Scope(A, "us-west-2"), Scope(B, "us-west-2")), ScanReason.ACTIVE)
    assert found in selection.known_active
    assert not {foreign, excluded} & selection.known_active
    without = select(PLATFORM_ROWS, request(discover=False))
    assert found not in without.scopes
