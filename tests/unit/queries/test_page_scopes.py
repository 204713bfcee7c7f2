"""Scopes beyond a page: never one that the page may reach, and none where a count is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from service.models import RegionStatus, Scope
from service.queries.freshness import StatusView
from service.queries.page_scopes import beyond_page, from_key
from service.queries.paging import Key
from service.regions.status_entry import AccountEntry
from service.regions.status_rows import RegionRow

NOW: Final = datetime(2026, 11, 28, 12, tzinfo=UTC)
FRESH_S: Final = 900.0
REGIONS: Final = ("eu-west-1", "us-west-2")
ACCOUNTS: Final = ("111111111111", "222222222222", "333333333333")
SCOPES: Final = tuple(Scope(account_id, region) for region in REGIONS for account_id in ACCOUNTS)
COUNTS: Final = st.lists(st.integers(0, 5), min_size=len(SCOPES), max_size=len(SCOPES))
AGES: Final = st.lists(st.sampled_from([60, 60, 60, 4000]), min_size=len(SCOPES), max_size=len(SCOPES))


def view_of(counts: list[int], ages: list[int]) -> StatusView:
    rows = []
    for region in REGIONS:
        entries = {}
        for scope, count, age_s in zip(SCOPES, counts, ages, strict=True):
            if scope.region == region:
                seen = NOW - timedelta(seconds=age_s)
                entries[scope.account_id] = AccountEntry(
                    last_complete=seen, server_count=count, status=RegionStatus.ACTIVE, last_checked=seen
                )
        total = sum(entry.server_count or 0 for entry in entries.values())
        rows.append(RegionRow(region, server_count=total, accounts=entries))
    return StatusView(tuple(rows))


def server(scope: Scope, number: int) -> Key:
    return Key(scope.region, f"arn:aws:drs:{scope.region}:{scope.account_id}:source-server/s-{number}", "")


@given(COUNTS, AGES, st.integers(1, 6))
def test_pages_together_show_every_server_once_and_in_order(counts: list[int], ages: list[int], limit: int) -> None:
    view, stored = view_of(counts, ages), dict(zip(SCOPES, counts, strict=True))
    every = [server(scope, number) for scope in SCOPES for number in range(stored[scope])]
    shown: list[Key] = []
    while True:
        last = shown[-1] if shown else None
        scopes = from_key(SCOPES, last)
        beyond = beyond_page(scopes, view, last=last, needed=limit, now=NOW, fresh_s=FRESH_S)
        end = min(((each.region, each.account_id) for each in beyond), default=None)
        reached = [each for each in scopes if end is None or (each.region, each.account_id) < end]
        servers = [server(scope, number) for scope in reached for number in range(stored[scope])]
        following = [each for each in servers if last is None or each > last]
        shown += following[:limit]
        if len(following) <= limit and not beyond:
            break
        assert following  # a page with a token has servers
    assert shown == every


@given(COUNTS, st.integers(1, 6))
def test_most_of_a_fresh_estate_is_not_read(counts: list[int], limit: int) -> None:
    view = view_of(counts, [60] * len(SCOPES))
    beyond = beyond_page(SCOPES, view, last=None, needed=limit, now=NOW, fresh_s=FRESH_S)
    read = [count for scope, count in zip(SCOPES, counts, strict=True) if scope not in beyond]
    assert sum(read) <= limit + 5  # the scope in which the page ends has five servers at most


def test_without_a_count_everything_is_read() -> None:
    view = StatusView((RegionRow("eu-west-1", server_count=9, accounts={}),))
    assert beyond_page(SCOPES, view, last=None, needed=1, now=NOW, fresh_s=FRESH_S) == frozenset()
    assert beyond_page(SCOPES, StatusView(()), last=None, needed=1, now=NOW, fresh_s=FRESH_S) == frozenset()
