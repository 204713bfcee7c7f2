"""Freshness of scopes by region status and items, and the choice of scopes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.models import RegionStatus, Scope, iso
from service.queries.freshness import (
    Freshness,
    ScopeFreshness,
    StatusView,
    active_regions,
    check_items,
    choose_scopes,
    freshness_of,
)
from service.regions.scope_state import StateRules
from service.regions.selection import StatusUnavailable
from service.regions.status_entry import AccountEntry
from service.regions.status_rows import RegionRow

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
A, B = "111111111111", "222222222222"
SCOPE = Scope(A, "us-west-2")
CATALOG = ("us-east-1", "us-west-2")
FRESH_S = 900.0
RULES = StateRules(NOW, timedelta(seconds=FRESH_S), timedelta(seconds=8100))


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def entry_of(count: int | None, seconds: float | None, status: RegionStatus = RegionStatus.ACTIVE) -> AccountEntry:
    return AccountEntry(count, status, NOW, None if seconds is None else ago(seconds))


def row(**accounts: AccountEntry) -> RegionRow:
    entries = {name.strip("_"): entry for name, entry in accounts.items()}
    return RegionRow("us-west-2", sum(each.server_count or 0 for each in entries.values()), accounts=entries)


def scope_freshness(*rows: RegionRow) -> ScopeFreshness:
    return freshness_of(StatusView(rows), SCOPE, now=NOW, fresh_s=FRESH_S)


@pytest.mark.parametrize(
    ("entry", "level"),
    [
        (entry_of(3, 0), Freshness.FRESH),
        (entry_of(3, 899.999), Freshness.FRESH),
        (entry_of(3, 900), Freshness.STALE),
        (entry_of(0, 10), Freshness.FRESH),
        (entry_of(3, 10, RegionStatus.THROTTLED), Freshness.FRESH),  # the failed scan came after the complete one
        (entry_of(None, None), Freshness.STALE),
        (entry_of(3, -10), Freshness.FRESH),  # the clocks of two hosts
        (entry_of(3, -5000), Freshness.STALE),  # a clock far ahead makes nothing fresh
    ],
)
def test_the_last_complete_scan_decides(entry: AccountEntry, level: Freshness) -> None:
    assert scope_freshness(row(**{f"_{A}": entry})).level is level


def test_other_accounts_and_other_regions_do_not_count() -> None:
    assert scope_freshness(row(**{f"_{B}": entry_of(3, 0)})).level is Freshness.STALE
    assert scope_freshness(RegionRow("us-east-1", 3)).level is Freshness.STALE


@pytest.mark.parametrize("table", [(), StatusUnavailable("no")])
def test_a_table_that_shows_nothing_leaves_it_to_the_items(table: Any) -> None:
    view = StatusView(table)
    assert freshness_of(view, SCOPE, now=NOW, fresh_s=FRESH_S).level is Freshness.UNKNOWN
    assert active_regions(view, CATALOG) == CATALOG


@pytest.mark.parametrize(
    ("status", "seconds", "level"),
    [
        (RegionStatus.ACTIVE, 899, Freshness.FRESH),
        (RegionStatus.NOT_INITIALIZED, 899, Freshness.FRESH),
        (RegionStatus.ACTIVE, 900, Freshness.STALE),
        (RegionStatus.THROTTLED, 1, Freshness.STALE),
        (None, 1, Freshness.STALE),
    ],
)
def test_rows_without_accounts_apply_to_every_account(
    status: RegionStatus | None, seconds: float, level: Freshness
) -> None:
    row = RegionRow("us-west-2", 3, status, last_checked=ago(0), last_scanned=ago(seconds))
    assert scope_freshness(row).level is level


def item(seconds: float) -> dict[str, Any]:
    return {"lastUpdated": iso(ago(seconds))}


@pytest.mark.parametrize(
    ("freshness", "items", "level"),
    [
        (
            ScopeFreshness(Freshness.FRESH, NOW, 2),
            [item(9000)] * 2,  # a sync does not rewrite unchanged items
            Freshness.FRESH,
        ),
        (ScopeFreshness(Freshness.FRESH, NOW, 2), [item(1)], Freshness.STALE),
        (ScopeFreshness(Freshness.FRESH, NOW, 2), [item(1)] * 3, Freshness.FRESH),
        (ScopeFreshness(Freshness.FRESH, NOW, None), [], Freshness.STALE),
        (ScopeFreshness(Freshness.FRESH, NOW, None, may_be_empty=True), [], Freshness.FRESH),
        (ScopeFreshness(Freshness.FRESH, NOW, None), [item(1)], Freshness.FRESH),
        (ScopeFreshness(Freshness.STALE, NOW, 2), [item(1)] * 2, Freshness.STALE),
        (ScopeFreshness(Freshness.UNKNOWN), [], Freshness.STALE),
        (ScopeFreshness(Freshness.UNKNOWN), [item(899), item(1)], Freshness.FRESH),
        (ScopeFreshness(Freshness.UNKNOWN), [item(900), item(1)], Freshness.STALE),
        (ScopeFreshness(Freshness.UNKNOWN), [item(1), {}], Freshness.STALE),
    ],
)
def test_items_may_make_a_scope_stale(freshness: ScopeFreshness, items: list[dict[str, Any]], level: Freshness) -> None:
    assert check_items(freshness, items, now=NOW, fresh_s=FRESH_S).level is level


def test_items_show_their_age_when_nothing_else_does() -> None:
    assert check_items(
        ScopeFreshness(Freshness.UNKNOWN), [item(5), item(50)], now=NOW, fresh_s=FRESH_S
    ).last_complete == ago(50)


@pytest.mark.parametrize(
    ("entries", "scopes"),
    [
        ({f"_{A}": entry_of(3, 0), f"_{B}": entry_of(0, 0)}, [SCOPE]),
        ({f"_{A}": entry_of(3, 0)}, [SCOPE, Scope(B, "us-west-2")]),  # B was never scanned
        ({f"_{A}": entry_of(3, 0), f"_{B}": entry_of(None, None)}, [SCOPE, Scope(B, "us-west-2")]),
        ({f"_{A}": entry_of(0, 0), f"_{B}": entry_of(5, 0)}, [Scope(B, "us-west-2")]),
    ],
)
def test_scopes_without_servers_are_left_out_of_active_regions(
    entries: dict[str, AccountEntry], scopes: list[Scope]
) -> None:
    view = StatusView([row(**entries)])
    assert active_regions(view, CATALOG) == ("us-west-2",)
    assert list(choose_scopes(view, [B, A], ["us-west-2"], RULES, requested=False)) == scopes
    assert len(choose_scopes(view, [B, A], ["us-west-2"], RULES, requested=True)) == 2


@pytest.mark.parametrize(
    ("entry", "without_request", "requested"),
    [
        (entry_of(0, 8100), 0, 1),
        (entry_of(0, 8100.1), 1, 1),  # empty once, too long ago
        (entry_of(None, None, RegionStatus.REGION_NOT_ENABLED), 0, 0),  # switched off: a read would only fail
        (entry_of(5, 9000, RegionStatus.REGION_NOT_ENABLED), 1, 1),  # servers were known there
        (entry_of(None, None, RegionStatus.SCP_DENIED), 1, 1),
    ],
)
def test_a_scope_is_left_out_only_while_it_is_known_to_be_empty(
    entry: AccountEntry, without_request: int, requested: int
) -> None:
    view = StatusView([row(**{f"_{A}": entry, f"_{B}": entry_of(3, 0)})])
    assert len(choose_scopes(view, [A], ["us-west-2"], RULES, requested=False)) == without_request
    assert len(choose_scopes(view, [A], ["us-west-2"], RULES, requested=True)) == requested


@pytest.mark.parametrize(
    "rules",
    [replace(RULES, excluded_regions=frozenset({"us-west-2"})), replace(RULES, excluded_scopes=frozenset({SCOPE}))],
)
def test_an_excluded_scope_is_never_chosen(rules: StateRules) -> None:
    view = StatusView([row(**{f"_{A}": entry_of(3, 0)})])
    for requested in (False, True):
        assert choose_scopes(view, [A], ["us-west-2"], rules, requested=requested) == ()


def test_excluded_regions_are_never_active() -> None:
    view = StatusView([row(**{f"_{A}": entry_of(3, 0)})])
    assert active_regions(view, CATALOG, ("us-west-2",)) == ("us-east-1",)


def test_a_table_where_nobody_has_servers_means_everywhere() -> None:
    view = StatusView([row(**{f"_{A}": entry_of(0, 0)})])
    assert active_regions(view, CATALOG) == CATALOG
    assert len(choose_scopes(view, [A], CATALOG, RULES, requested=False)) == 2
