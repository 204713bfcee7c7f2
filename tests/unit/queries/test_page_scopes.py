"""What a page reads: all that it may show and little more, and everything where a count is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from service.models import RegionStatus, Scope
from service.queries.freshness import StatusView
from service.queries.page_scopes import WHOLE, PagePlan, from_key, plan_page
from service.queries.paging import Cursor, Key
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


def read_servers(scopes: Sequence[Scope], plan: PagePlan, stored: Mapping[Scope, int]) -> tuple[list[Key], bool]:
    """Return the servers that are read for a page, and whether some of the last scope or behind it are not."""
    servers: list[Key] = []
    for scope in scopes:
        if scope in plan.beyond:
            return servers, True
        every = [server(scope, number) for number in range(stored[scope])]
        if scope in plan.parts:
            part = plan.parts[scope]
            left = [each for each in every if part.after is None or each > part.after]
            assert part.stored - part.shown == len(left)
            servers += left[: part.size]
            if len(left) > part.size:
                return servers, True
        else:
            servers += every
    return servers, False


@given(COUNTS, AGES, st.integers(1, 6), st.sampled_from(["earlier token", "token"]))
def test_pages_together_show_every_server_once_and_in_order(
    counts: list[int], ages: list[int], limit: int, token: str
) -> None:
    view, stored = view_of(counts, ages), dict(zip(SCOPES, counts, strict=True))
    every = [server(scope, number) for scope in SCOPES for number in range(stored[scope])]
    shown: list[Key] = []
    cursor: Cursor | None = None
    while True:
        scopes = from_key(SCOPES, cursor.last if cursor else None)
        plan = plan_page(scopes, view, cursor=cursor, needed=limit, now=NOW, fresh_s=FRESH_S)
        servers, is_cut = read_servers(scopes, plan, stored)
        following = [each for each in servers if cursor is None or each > cursor.last]
        shown += following[:limit]
        if len(following) <= limit and not is_cut:
            break
        assert following  # a page with a token has servers
        last = shown[-1]
        of_scope = sum(each.arn.split(":")[3:5] == last.arn.split(":")[3:5] for each in shown)
        cursor = Cursor(last, len(every), of_scope if token == "token" else None)
    assert shown == every


@given(COUNTS, st.integers(1, 6))
def test_most_of_a_fresh_estate_is_not_read(counts: list[int], limit: int) -> None:
    view, stored = view_of(counts, [60] * len(SCOPES)), dict(zip(SCOPES, counts, strict=True))
    plan = plan_page(SCOPES, view, cursor=None, needed=limit, now=NOW, fresh_s=FRESH_S)
    assert len(read_servers(SCOPES, plan, stored)[0]) <= 2 * limit


@given(st.integers(0, 99), st.integers(1, 6))
def test_every_page_of_a_large_scope_reads_only_its_own_servers(shown: int, limit: int) -> None:
    view = view_of([100, 0, 0, 0, 0, 0], [60] * len(SCOPES))
    cursor = Cursor(server(SCOPES[0], shown), 100, shown) if shown else None
    plan = plan_page(SCOPES, view, cursor=cursor, needed=limit, now=NOW, fresh_s=FRESH_S)
    (part,) = plan.parts.values()
    assert (part.size, part.stored, part.shown, part.after) == (limit, 100, shown, cursor.last if cursor else None)


def test_a_stale_scope_is_read_whole() -> None:
    plan = plan_page(SCOPES, view_of([100] * 6, [4000] * 6), cursor=None, needed=1, now=NOW, fresh_s=FRESH_S)
    assert not plan


def test_without_a_count_everything_is_read() -> None:
    view = StatusView((RegionRow("eu-west-1", server_count=9, accounts={}),))
    assert plan_page(SCOPES, view, cursor=None, needed=1, now=NOW, fresh_s=FRESH_S) == WHOLE
    assert plan_page(SCOPES, StatusView(()), cursor=None, needed=1, now=NOW, fresh_s=FRESH_S) == WHOLE
