"""Selection of scopes: active ones always, every other one within the window, and few calls in each run."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.models import RegionStatus, Scope
from service.regions.selection import (
    DiscoveryPolicy,
    RegionSource,
    ScanReason,
    Selection,
    SelectionRequest,
    StatusUnavailable,
    select,
)
from service.regions.status_rows import FullScanMark, Observation, RegionRow, merge, parse_row, to_attributes
from tests.support.counted import CountedText

START: Final = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
POLICY: Final = DiscoveryPolicy()
ACCOUNTS: Final = ("111122223333", "444455556666", "777788889999")
A, B, C = ACCOUNTS
CATALOG: Final = tuple(f"region-{number:02d}" for number in range(28))
FEW: Final = CATALOG[:5]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def pick(table: Sequence[RegionRow] | StatusUnavailable, accounts: Iterable[str] = (A, B), **more: Any) -> Selection:
    defaults: dict[str, Any] = {"catalog": FEW, "now": START, "policy": POLICY}
    return select(table, SelectionRequest(list(accounts), **{**defaults, **more}))


def row_after_scan(region: str, counts: Mapping[str, int | None], seconds: float = -60) -> RegionRow:
    """Return the row after one scan of each account; None: the scan was throttled."""
    observations = [
        Observation(account, RegionStatus.THROTTLED if count is None else RegionStatus.ACTIVE, at(seconds), count)
        for account, count in counts.items()
    ]
    return merge(None, region, observations)


def legacy_row(region: str, count: int, status: str = "ACTIVE", **more: Any) -> RegionRow:
    return parse_row({"region": region, "serverCount": count, "status": status, **more})


def drawn_row(region: str, kind: str, counted: Any, last: Any) -> RegionRow:
    return legacy_row(region, counted, last) if kind == "old" else row_after_scan(region, counted, last)


server_counts = st.dictionaries(st.sampled_from(ACCOUNTS), st.none() | st.integers(0, 3))
tables = st.dictionaries(
    st.sampled_from([*FEW, "region-of-its-own"]),
    st.one_of(
        st.tuples(st.just("old"), st.integers(0, 2), st.sampled_from(["ACTIVE", "AVAILABLE", "THROTTLED", "ERROR"])),
        st.tuples(st.just("new"), server_counts, st.floats(-20_000, 0)),
    ),
).map(lambda made: [drawn_row(region, *drawn) for region, drawn in made.items()])
account_lists = st.lists(st.sampled_from(ACCOUNTS), max_size=4)
exclusions = st.frozensets(st.sampled_from([*FEW, "region-of-its-own"]), max_size=3)


def is_active(row: RegionRow | None, account_id: str) -> bool:
    """Whether a scope has servers according to the table: by its own count, else by that of the region."""
    if row is None:
        return False
    entry = row.accounts.get(account_id)
    if entry is None or entry.server_count is None:
        return row.server_count > 0 and (entry is None or bool(row.unattributed))
    return entry.server_count > 0


@given(table=tables, accounts=account_lists, excluded=exclusions, full_scan=st.booleans(), discover=st.booleans())
def test_every_scope_is_scanned_or_skipped_and_active_ones_always(
    table: list[RegionRow], accounts: list[str], excluded: frozenset[str], *, full_scan: bool, discover: bool
) -> None:
    selection = pick(table, accounts, excluded=excluded, full_scan=full_scan, discover=discover)
    rows = {row.region: row for row in table}
    regions = ({*FEW} | {row.region for row in table if row.server_count}) - excluded
    every_scope = {Scope(account_id, region) for account_id in accounts for region in regions}
    assert set(selection.scopes) | set(selection.skipped) == every_scope
    assert set(selection.scopes).isdisjoint(selection.skipped)
    assert selection.total == len(every_scope) == len(selection.scopes) + len(selection.skipped)
    assert {scope for scope in every_scope if is_active(rows.get(scope.region), scope.account_id)} <= set(
        selection.scopes
    )
    if full_scan or not table:
        assert not selection.skipped
    if not discover:
        assert ScanReason.DISCOVERY not in selection.scopes.values()


@pytest.mark.parametrize(
    ("table", "options", "source", "fallback"),
    [
        ((), {}, RegionSource.FALLBACK_EMPTY, True),
        (StatusUnavailable("no table"), {}, RegionSource.FALLBACK_UNAVAILABLE, True),
        ([row_after_scan(FEW[0], {A: 1, B: 0})], {"full_scan": True}, RegionSource.FULL_SCAN, False),
        (StatusUnavailable("no table"), {"full_scan": True}, RegionSource.FULL_SCAN, False),
    ],
)
def test_what_is_not_known_or_requested_is_scanned_everywhere(
    table: Sequence[RegionRow] | StatusUnavailable, options: dict[str, Any], source: RegionSource, *, fallback: bool
) -> None:
    selection = pick(table, [A, B, A], excluded=frozenset({FEW[4]}), **options)
    assert set(selection.scopes) == {Scope(account, region) for account in (A, B) for region in FEW[:4]}
    assert selection.count(ScanReason.FULL_SCAN) == 8
    assert (selection.skipped, selection.source, selection.source.is_fallback) == ((), source, fallback)
    assert selection.reason


def test_an_unreadable_table_says_why() -> None:
    assert pick(StatusUnavailable("took longer than 5 s")).reason == "took longer than 5 s"


def test_requested_regions_are_scanned_and_no_others() -> None:
    table = [row_after_scan(region, {A: 5, B: 5}) for region in FEW]
    selection = pick(table, regions=[FEW[1], FEW[3], FEW[1]])
    assert selection.source is RegionSource.REQUESTED
    assert dict(selection.scopes) == {
        Scope(account, region): ScanReason.REQUESTED for account in (A, B) for region in (FEW[1], FEW[3])
    }


def test_an_excluded_region_is_not_scanned_even_when_requested() -> None:
    selection = pick([row_after_scan(FEW[0], {A: 5, B: 5})], regions=[FEW[0], FEW[1]], excluded=frozenset({FEW[0]}))
    assert {scope.region for scope in selection.scopes} == {FEW[1]}


@pytest.mark.parametrize(
    "options", [{}, {"full_scan": True}, {"regions": FEW[:2]}, {"scopes": (Scope(A, FEW[0]), Scope(B, FEW[0]))}]
)
def test_a_scope_that_is_excluded_for_one_account_is_scanned_for_others_alone(options: dict[str, Any]) -> None:
    excluded = frozenset({Scope(A, FEW[0])})
    selection = pick([row_after_scan(FEW[0], {A: 5, B: 5})], excluded_scopes=excluded, **options)
    assert Scope(B, FEW[0]) in selection.scopes
    assert not excluded & {*selection.scopes, *selection.skipped, *selection.known_active}


def test_an_excluded_region_is_not_scanned_even_when_a_scope_in_it_is_named() -> None:
    here, there = Scope(A, FEW[0]), Scope(A, FEW[1])
    selection = pick([row_after_scan(FEW[0], {A: 1})], [A], scopes=(here, there), excluded=frozenset({FEW[0]}))
    assert selection.scopes == {there: ScanReason.REQUESTED}


def test_an_active_region_outside_the_catalog_is_scanned() -> None:
    selection = pick([row_after_scan("region-of-its-own", {A: 1, B: 0})], discover=False)
    assert selection.scopes == {Scope(A, "region-of-its-own"): ScanReason.ACTIVE}


def test_a_region_outside_the_catalog_that_a_server_points_at_is_scanned() -> None:
    referenced = merge(None, "region-of-its-own", [], scan_requests={A: START})
    table = [row_after_scan(region, {A: 1, B: 0}) for region in FEW] + [referenced]
    assert pick(table).scopes[Scope(A, "region-of-its-own")] is ScanReason.SCAN_REQUESTED


def test_a_table_without_servers_is_not_reported_as_unreadable() -> None:
    table = [
        row_after_scan(region, dict.fromkeys(ACCOUNTS, 0), seconds) for seconds, region in enumerate(CATALOG, -9000)
    ]
    selection = pick(table, ACCOUNTS, catalog=CATALOG, now=at(-8000))
    assert selection.source is RegionSource.STATUS_TABLE_NONE_ACTIVE
    assert not selection.source.is_fallback
    assert 0 < selection.count(ScanReason.DISCOVERY) == len(selection.scopes) < selection.total / 5


@pytest.mark.parametrize(
    ("row", "accounts"),
    [
        (legacy_row(FEW[0], 0), set()),
        (legacy_row(FEW[0], 1), {A, B}),
        (row_after_scan(FEW[0], {A: 1, B: 0}), {A}),
        (row_after_scan(FEW[0], {B: 2}), {B}),
        (row_after_scan(FEW[0], {A: None, B: 2}), {B}),
        (merge(legacy_row(FEW[0], 7), FEW[0], [Observation(A, RegionStatus.SCP_DENIED, START)]), {A, B}),
        (merge(legacy_row(FEW[0], 7), FEW[0], [Observation(A, RegionStatus.ACTIVE, START, 0)]), {B}),
    ],
)
def test_whose_servers_a_row_counts(row: RegionRow, accounts: set[str]) -> None:
    """In a scope with known servers, those that a complete scan does not return are removed."""
    assert pick([row]).known_active == {Scope(account_id, FEW[0]) for account_id in accounts}


def test_a_sync_may_scan_every_region_where_the_table_has_no_servers() -> None:
    """It would never find a region that becomes active by itself. The table was read, so that is no fallback."""
    rows = [row_after_scan(region, {A: 0, B: 0}) for region in FEW]
    selection = pick(rows, discover=False, full_scan_if_none_active=True)
    assert (selection.source, len(selection.scopes)) == (RegionSource.FULL_SCAN_NONE_ACTIVE, 2 * len(FEW))
    assert (selection.active_regions, selection.source.is_fallback) == (frozenset(), False)
    assert pick(rows, discover=False).scopes == {}
    for known in (row_after_scan(FEW[0], {A: 1, B: 0}), merge(rows[0], FEW[0], [], scan_requests={A: START})):
        selection = pick([known, *rows[1:]], discover=False, full_scan_if_none_active=True)
        assert list(selection.scopes) == [Scope(A, FEW[0])]


@pytest.mark.parametrize(
    ("options", "active"),
    [
        ({}, {FEW[0], FEW[1]}),
        ({"full_scan": True}, {FEW[0], FEW[1]}),
        ({"regions": [FEW[2]]}, {FEW[0], FEW[1]}),
        ({"accounts": [A]}, {FEW[0], FEW[1]}),
        ({"excluded": frozenset({FEW[0]})}, {FEW[1]}),
    ],
)
def test_active_regions_are_those_of_the_table_whatever_is_scanned(options: dict[str, Any], active: set[str]) -> None:
    rows = [row_after_scan(region, {A: number == 0, B: number == 1}) for number, region in enumerate(FEW)]
    assert pick(rows, **options).active_regions == frozenset(active)
    assert pick(StatusUnavailable("no"), **options).active_regions is None
    assert pick((), **options).active_regions is None


def test_where_one_account_has_servers_all_are_scanned_if_requested() -> None:
    rows = [row_after_scan(FEW[0], {A: 1, B: 0}), *(row_after_scan(region, {A: 0, B: 0}) for region in FEW[1:])]
    assert pick(rows, discover=False).scopes == {Scope(A, FEW[0]): ScanReason.ACTIVE}
    all_accounts = dict.fromkeys([Scope(A, FEW[0]), Scope(B, FEW[0])], ScanReason.ACTIVE)
    assert pick(rows, discover=False, shared=True).scopes == all_accounts
    assert pick(rows[1:], discover=False, shared=True).scopes == {}  # nor is a region without a row


def test_an_account_the_table_does_not_know_is_scanned_everywhere() -> None:
    table = [row_after_scan(region, {A: 3, B: 0}) for region in FEW[:3]]
    selection = pick(table, ACCOUNTS, discover=False)
    assert {scope for scope, why in selection.scopes.items() if why is ScanReason.NEW_ACCOUNT} == {
        Scope(C, region) for region in FEW
    }
    assert {scope for scope in selection.scopes if scope.account_id != C} == {Scope(A, region) for region in FEW[:3]}


def test_an_old_row_of_an_excluded_region_hides_no_new_account() -> None:
    table = [row_after_scan(region, {A: 0, B: 0}) for region in FEW[:4]] + [legacy_row(FEW[4], 9)]
    selection = pick(table, ACCOUNTS, excluded=frozenset({FEW[4]}), discover=False)
    assert {scope.region for scope in selection.scopes if scope.account_id == C} == set(FEW[:4])


def test_an_account_that_was_only_pointed_at_is_still_new() -> None:
    table = [row_after_scan(region, {A: 0, B: 0}) for region in FEW]
    table[0] = merge(table[0], FEW[0], [], scan_requests={C: START})
    selection = pick(table, ACCOUNTS, discover=False)
    assert {scope.region for scope in selection.scopes if scope.account_id == C} == set(FEW)


@pytest.mark.parametrize("before", [[], [row_after_scan(region, {B: 3}) for region in FEW]])
def test_rows_with_an_empty_map_of_accounts_make_every_account_new(before: list[RegionRow]) -> None:
    """A run that could enter no account, or whose accounts were all removed, leaves such a table."""
    rows_before = {row.region: row for row in before}
    merged = [merge(rows_before.get(region), region, [], all_accounts=frozenset({A})) for region in FEW]
    stored = [{"region": row.region, **to_attributes(row, now=START)} for row in merged]
    selection = pick([parse_row(item) for item in stored], [A], discover=False)
    assert set(selection.scopes) == {Scope(A, region) for region in FEW}


def test_a_mark_of_a_full_scan_makes_no_row_of_an_earlier_writer_one_of_ours() -> None:
    marked = merge(legacy_row(FEW[0], 0, "THROTTLED"), FEW[0], [], full_scan_mark=FullScanMark(START))
    stored = {name: value for name, value in to_attributes(marked, now=START).items() if value is not None}
    row = parse_row({"region": FEW[0], **stored})
    rest = [legacy_row(region, 0) for region in FEW[1:]]
    assert set(
        pick(
            [merge(row, FEW[0], [], full_scan_mark=FullScanMark(START, ended=True)), *rest], [A], discover=False
        ).scopes
    ) == {Scope(A, FEW[0])}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (legacy_row(FEW[0], 5), ScanReason.ACTIVE),
        (legacy_row(FEW[0], 1), ScanReason.ACTIVE),
        (legacy_row(FEW[0], 5, "AVAILABLE"), ScanReason.ACTIVE),
        (legacy_row(FEW[0], 5, "ERROR"), ScanReason.ACTIVE),
        (legacy_row(FEW[0], 0, "THROTTLED"), ScanReason.RETRY),
        (legacy_row(FEW[0], 0, "IAM_PERMISSION_DENIED"), ScanReason.RETRY),
        (legacy_row(FEW[0], 0, "ERROR"), ScanReason.RETRY),
        (legacy_row(FEW[0], 0, "NOT_INITIALIZED"), None),
        (legacy_row(FEW[0], 0, "UNINITIALIZED"), None),
        (legacy_row(FEW[0], 0, "ACTIVE"), None),
        (row_after_scan(FEW[0], {A: 2, B: 2}), ScanReason.ACTIVE),
        (row_after_scan(FEW[0], {A: 1, B: 0}), ScanReason.ACTIVE),
        (row_after_scan(FEW[0], {A: 0, B: 0}), None),
        (row_after_scan(FEW[0], {A: 0, B: 2}), None),
        (row_after_scan(FEW[0], {A: None, B: 0}), ScanReason.RETRY),
        (
            merge(row_after_scan(FEW[0], {A: 2}), FEW[0], [Observation(A, RegionStatus.SCP_DENIED, START)]),
            ScanReason.ACTIVE,
        ),
        (
            merge(row_after_scan(FEW[0], {A: 0}), FEW[0], [Observation(A, RegionStatus.THROTTLED, START)]),
            ScanReason.RETRY,
        ),
        (merge(row_after_scan(FEW[0], {A: 0}), FEW[0], [Observation(A, RegionStatus.SCP_DENIED, START)]), None),
        (merge(legacy_row(FEW[0], 7), FEW[0], [Observation(A, RegionStatus.SCP_DENIED, START)]), ScanReason.ACTIVE),
        (merge(row_after_scan(FEW[0], {A: 0, B: 0}), FEW[0], [], scan_requests={A: START}), ScanReason.SCAN_REQUESTED),
        (row_after_scan(FEW[0], {B: 2}), ScanReason.ACTIVE),  # without an entry, the count of the region decides
        (row_after_scan(FEW[0], {B: 0}), None),
    ],
)
def test_why_a_scope_is_scanned_without_discovery(row: RegionRow, why: ScanReason | None) -> None:
    rest = [row_after_scan(region, {A: 0, B: 0}) for region in FEW[1:]]
    selection = pick([row, *rest], [A], discover=False)
    assert selection.scopes.get(Scope(A, FEW[0])) is why


@dataclass
class StatusTableModel:
    """Model of the region status table: accounts whose servers come and go, and the rows that syncs write of them."""

    catalog: Sequence[str]
    accounts: Sequence[str]
    servers: Callable[[Scope, int], int | None]
    table: dict[str, RegionRow] = field(default_factory=dict)
    scanned_at: dict[Scope, list[float]] = field(default_factory=dict)
    denied: frozenset[str] = frozenset()  # accounts whose role cannot be assumed

    def run(self, number: int, seconds: float) -> Selection:
        selection = pick(list(self.table.values()), self.accounts, catalog=self.catalog, now=at(seconds))
        for scope in selection.scopes:
            if scope.account_id in self.denied:
                denial = Observation(scope.account_id, RegionStatus.IAM_PERMISSION_DENIED, at(seconds))
                self.table[scope.region] = merge(self.table.get(scope.region), scope.region, [denial])
                continue
            self.scanned_at.setdefault(scope, []).append(seconds)
            count = self.servers(scope, number)
            status = RegionStatus.THROTTLED if count is None else RegionStatus.ACTIVE
            observation = Observation(scope.account_id, status, at(seconds), count)
            self.table[scope.region] = merge(self.table.get(scope.region), scope.region, [observation])
        return selection

    def longest_wait_s(self, until: float) -> float:
        """Return the longest time between two scans of a scope, including the start and the end."""
        gaps = [0.0]
        for account in self.accounts:
            for region in self.catalog:
                moments = [0.0, *self.scanned_at.get(Scope(account, region), []), until]
                gaps += [after - before for before, after in pairwise(moments)]
        return max(gaps)


def changing_servers(seed: int, share: float) -> Callable[[Scope, int], int | None]:
    """Simulate servers in about this share of the scopes, others every hour; one scan in twenty is throttled."""

    def servers(scope: Scope, number: int) -> int | None:
        if random.Random(f"{seed}{scope}{number}").random() < 0.05:  # noqa: S311 - a simulation
            return None
        return int(random.Random(f"{seed}{scope}{number // 4}").random() < share) * 3  # noqa: S311 - a simulation

    return servers


@settings(max_examples=12)
@given(seed=st.integers(0, 10_000), share=st.sampled_from([0.0, 0.05, 0.15, 0.4]), accounts=st.integers(1, 3))
def test_no_scope_stays_unscanned_beyond_the_window_and_discovery_stays_below_its_share(
    seed: int, share: float, accounts: int
) -> None:
    model = StatusTableModel(CATALOG, ACCOUNTS[:accounts], changing_servers(seed, share))
    total = accounts * len(CATALOG)
    assert len(model.run(0, 0).scopes) == total
    for number in range(1, 28):
        now = number * POLICY.interval_s
        ages = [now - moments[-1] for moments in model.scanned_at.values()]
        selection = model.run(number, now)
        busy = len(selection.scopes) - selection.count(ScanReason.DISCOVERY)
        if max(ages) <= POLICY.window_s - POLICY.interval_s:
            assert len(selection.scopes) <= max(busy, math.floor(0.2 * total))
    assert model.longest_wait_s(27 * POLICY.interval_s) <= POLICY.window_s


@settings(max_examples=8)
@given(seed=st.integers(0, 10_000))
def test_runs_that_start_late_delay_a_scope_no_longer_than_they_are_late(seed: int) -> None:
    model = StatusTableModel(CATALOG, ACCOUNTS[:2], changing_servers(seed, 0.3))
    model.run(0, 0)
    now = 0.0
    for number in range(1, 28):
        now = number * POLICY.interval_s + random.Random(seed + number).uniform(0, 60)  # noqa: S311 - a simulation
        model.run(number, now)
    assert model.longest_wait_s(now) <= POLICY.window_s + 60


@pytest.mark.parametrize("active", [0, 1, 2])
def test_an_unchanged_platform_has_a_fifth_of_its_scopes_scanned_in_every_run(active: int) -> None:
    active_regions = CATALOG[:active]
    model = StatusTableModel(CATALOG, ACCOUNTS, lambda scope, _: 5 * (scope.region in active_regions))
    model.run(0, 0)
    scanned = [len(model.run(number, number * 900.0).scopes) for number in range(1, 97)]
    assert max(scanned) <= 0.2 * 3 * len(CATALOG)
    assert model.longest_wait_s(96 * 900.0) <= POLICY.window_s


def test_a_region_that_becomes_active_is_found_within_the_window_and_stays_active() -> None:
    active = Scope(B, CATALOG[17])
    model = StatusTableModel(CATALOG, ACCOUNTS, lambda scope, number: 8 * (scope == active and number > 3))
    for number in range(12):
        model.run(number, number * 900.0)
    assert model.table[active.region].server_count == 8
    assert model.run(12, 12 * 900.0).scopes[active] is ScanReason.ACTIVE


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(
            [
                legacy_row(region, 5 * (number < 6), lastChecked="2026-11-23T05:00:00Z")
                for number, region in enumerate(CATALOG)
            ],
            id="rows of an earlier writer",
        ),
        pytest.param([row_after_scan(region, {A: 5}) for region in CATALOG[:6]], id="rows of active regions only"),
    ],
)
def test_a_quarter_of_active_regions_leaves_none_of_the_others_unscanned(rows: list[RegionRow]) -> None:
    model = StatusTableModel(CATALOG, [A], lambda scope, _: 5 * (scope.region in CATALOG[:6]))
    model.table = {row.region: row for row in rows}
    for number in range(24):
        model.run(number, number * 900.0)
    assert model.longest_wait_s(23 * 900.0) <= 2 * POLICY.window_s  # until the first scan; after that, one window


def test_an_account_that_refuses_us_does_not_hold_up_scopes_never_scanned() -> None:
    """The role of B broke after its first scan; then three regions were added to the catalog."""
    model = StatusTableModel(CATALOG, [A, B], lambda _scope, _number: 0)
    model.table = {region: row_after_scan(region, {A: 0}) for region in CATALOG[:-3]}
    model.table[CATALOG[0]] = row_after_scan(CATALOG[0], {A: 0, B: 0})
    model.denied = frozenset({B})
    for number in range(24):
        model.run(number, number * 900.0)
    assert {region for region in CATALOG[-3:] if Scope(A, region) in model.scanned_at} == set(CATALOG[-3:])


def test_a_full_scan_that_was_cut_short_is_continued() -> None:
    marked = merge(row_after_scan(FEW[0], {A: 0}, -50), FEW[0], [], full_scan_mark=FullScanMark(at(-100)))
    table = [marked, row_after_scan(FEW[1], {A: 0}, -100), row_after_scan(FEW[2], {A: 0}, -5000)]
    selection = pick(table, [A], discover=False)
    assert selection.scopes == {Scope(A, region): ScanReason.RESUMED for region in FEW[2:]}
    assert selection.unfinished_full_scans == (FEW[0],)
    assert pick([marked], [A], full_scan=True).unfinished_full_scans == (FEW[0],)  # a full scan ends it as well


@pytest.mark.parametrize(("ended", "is_kept"), [(-100, False), (-50, False), (-150, True)])
def test_the_mark_goes_with_the_end_of_that_full_scan_or_a_later_one(ended: float, *, is_kept: bool) -> None:
    row = merge(row_after_scan(FEW[0], {A: 0}), FEW[0], [], full_scan_mark=FullScanMark(at(-100)))
    row = merge(row, FEW[0], [], full_scan_mark=FullScanMark(at(ended), ended=True))
    assert bool(pick([row], [A], discover=False).unfinished_full_scans) is is_kept


@pytest.mark.parametrize("accounts", [10, 400])
def test_scopes_with_stored_servers_are_not_searched_for_among_the_accounts(
    accounts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CountedText, "comparisons", 0)
    ids = [CountedText(f"{number:012}") for number in range(accounts)]
    stored = frozenset(Scope(account_id, "us-west-2") for account_id in ids)
    rows = [row_after_scan("us-west-2", {}), row_after_scan("region-00", {A: 0})]
    assert pick(rows, ids, stored=stored).known_active == stored
    assert CountedText.comparisons <= 40 * accounts
