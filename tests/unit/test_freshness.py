"""What the tables know of a place, and whether it is new enough."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.models import RegionStatus, Scope, iso
from service.queries.freshness import (
    Standing,
    StatusView,
    Trust,
    active_regions,
    choose_scopes,
    judge_items,
    standing_of,
)
from service.regions.selection import StatusUnavailable
from service.regions.status_rows import AccountEntry, RegionRow

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
A, B = "111111111111", "222222222222"
SCOPE = Scope(A, "us-west-2")
CATALOG = ("us-east-1", "us-west-2")
FRESH_S = 900.0


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def looked(count: int | None, seconds: float | None, status: RegionStatus = RegionStatus.ACTIVE) -> AccountEntry:
    return AccountEntry(count, status, NOW, None if seconds is None else ago(seconds))


def row(**accounts: AccountEntry) -> RegionRow:
    entries = {name.strip("_"): entry for name, entry in accounts.items()}
    return RegionRow("us-west-2", sum(each.server_count or 0 for each in entries.values()), accounts=entries)


def judged(*rows: RegionRow) -> Standing:
    return standing_of(StatusView(rows), SCOPE, now=NOW, fresh_s=FRESH_S)


@pytest.mark.parametrize(
    ("entry", "trust"),
    [
        (looked(3, 0), Trust.FRESH),
        (looked(3, 899.999), Trust.FRESH),
        (looked(3, 900), Trust.STALE),
        (looked(0, 10), Trust.FRESH),
        (looked(3, 10, RegionStatus.THROTTLED), Trust.FRESH),  # the failed look came after the complete one
        (looked(None, None), Trust.STALE),
        (looked(3, -10), Trust.FRESH),  # the clocks of two hosts
        (looked(3, -5000), Trust.STALE),  # a clock far ahead makes nothing fresh
    ],
)
def test_the_last_complete_look_decides(entry: AccountEntry, trust: Trust) -> None:
    assert judged(row(**{f"_{A}": entry})).trust is trust


def test_other_accounts_and_other_regions_say_nothing() -> None:
    assert judged(row(**{f"_{B}": looked(3, 0)})).trust is Trust.STALE
    assert judged(RegionRow("us-east-1", 3)).trust is Trust.STALE


@pytest.mark.parametrize("table", [(), StatusUnavailable("no")])
def test_a_table_that_tells_nothing_leaves_it_to_the_items(table: Any) -> None:
    view = StatusView(table)
    assert standing_of(view, SCOPE, now=NOW, fresh_s=FRESH_S).trust is Trust.UNTOLD
    assert active_regions(view, CATALOG) == CATALOG


@pytest.mark.parametrize(
    ("status", "seconds", "trust"),
    [
        (RegionStatus.ACTIVE, 899, Trust.FRESH),
        (RegionStatus.NOT_INITIALIZED, 899, Trust.FRESH),
        (RegionStatus.ACTIVE, 900, Trust.STALE),
        (RegionStatus.THROTTLED, 1, Trust.STALE),
        (None, 1, Trust.STALE),
    ],
)
def test_rows_without_accounts_speak_for_everyone(status: RegionStatus | None, seconds: float, trust: Trust) -> None:
    assert judged(RegionRow("us-west-2", 3, status, ago(seconds))).trust is trust


def item(seconds: float) -> dict[str, Any]:
    return {"lastUpdated": iso(ago(seconds))}


@pytest.mark.parametrize(
    ("standing", "items", "trust"),
    [
        (Standing(Trust.FRESH, NOW, 2), [item(9000)] * 2, Trust.FRESH),  # unchanged items are not rewritten
        (Standing(Trust.FRESH, NOW, 2), [item(1)], Trust.STALE),
        (Standing(Trust.FRESH, NOW, 2), [item(1)] * 3, Trust.FRESH),
        (Standing(Trust.FRESH, NOW, None), [], Trust.STALE),
        (Standing(Trust.FRESH, NOW, None, may_be_empty=True), [], Trust.FRESH),
        (Standing(Trust.FRESH, NOW, None), [item(1)], Trust.FRESH),
        (Standing(Trust.STALE, NOW, 2), [item(1)] * 2, Trust.STALE),
        (Standing(Trust.UNTOLD), [], Trust.STALE),
        (Standing(Trust.UNTOLD), [item(899), item(1)], Trust.FRESH),
        (Standing(Trust.UNTOLD), [item(900), item(1)], Trust.STALE),
        (Standing(Trust.UNTOLD), [item(1), {}], Trust.STALE),
    ],
)
def test_items_may_take_trust_away(standing: Standing, items: list[dict[str, Any]], trust: Trust) -> None:
    assert judge_items(standing, items, now=NOW, fresh_s=FRESH_S).trust is trust


def test_items_tell_their_age_when_nothing_else_does() -> None:
    assert judge_items(Standing(Trust.UNTOLD), [item(5), item(50)], now=NOW, fresh_s=FRESH_S).last_complete == ago(50)


@pytest.mark.parametrize(
    ("entries", "scopes"),
    [
        ({f"_{A}": looked(3, 0), f"_{B}": looked(0, 0)}, [SCOPE]),
        ({f"_{A}": looked(3, 0)}, [SCOPE, Scope(B, "us-west-2")]),  # B was never looked at
        ({f"_{A}": looked(3, 0), f"_{B}": looked(None, None)}, [SCOPE, Scope(B, "us-west-2")]),
        ({f"_{A}": looked(0, 0), f"_{B}": looked(5, 0)}, [Scope(B, "us-west-2")]),
    ],
)
def test_places_without_servers_are_left_out_of_active_regions(
    entries: dict[str, AccountEntry], scopes: list[Scope]
) -> None:
    view = StatusView([row(**entries)])
    assert active_regions(view, CATALOG) == ("us-west-2",)
    assert list(choose_scopes(view, [B, A], ["us-west-2"], asked_for=False)) == scopes
    assert len(choose_scopes(view, [B, A], ["us-west-2"], asked_for=True)) == 2


def test_excluded_regions_are_never_active() -> None:
    view = StatusView([row(**{f"_{A}": looked(3, 0)})])
    assert active_regions(view, CATALOG, ("us-west-2",)) == ("us-east-1",)


def test_a_table_where_nobody_has_servers_means_everywhere() -> None:
    view = StatusView([row(**{f"_{A}": looked(0, 0)})])
    assert active_regions(view, CATALOG) == CATALOG
    assert len(choose_scopes(view, [A], CATALOG, asked_for=False)) == 2
