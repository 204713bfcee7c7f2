"""The choice of places: nothing active is missed, nothing stays unseen for long, and little is asked."""

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
from service.regions.selection import DiscoveryPolicy, RegionSource, ScanReason, Selection, StatusUnavailable, select
from service.regions.status_rows import FullScanMark, Observation, RegionRow, merge, parse_row, to_attributes

START: Final = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
POLICY: Final = DiscoveryPolicy()
ACCOUNTS: Final = ("111122223333", "444455556666", "777788889999")
A, B, C = ACCOUNTS
CATALOG: Final = tuple(f"region-{number:02d}" for number in range(28))
FEW: Final = CATALOG[:5]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def pick(table: Sequence[RegionRow] | StatusUnavailable, accounts: Iterable[str] = (A, B), **more: Any) -> Selection:
    catalog = more.pop("catalog", FEW)
    return select(table, accounts, catalog, now=more.pop("now", START), policy=more.pop("policy", POLICY), **more)


def seen_row(region: str, counts: Mapping[str, int | None], seconds: float = -60) -> RegionRow:
    """Give the row after one look by each account; None: the look was throttled."""
    observations = [
        Observation(account, RegionStatus.THROTTLED if count is None else RegionStatus.ACTIVE, at(seconds), count)
        for account, count in counts.items()
    ]
    return merge(None, region, observations)


def old_row(region: str, count: int, status: str = "ACTIVE", **more: Any) -> RegionRow:
    return parse_row({"region": region, "serverCount": count, "status": status, **more})


def drawn_row(region: str, kind: str, seen: Any, last: Any) -> RegionRow:
    return old_row(region, seen, last) if kind == "old" else seen_row(region, seen, last)


counts_seen = st.dictionaries(st.sampled_from(ACCOUNTS), st.none() | st.integers(0, 3))
tables = st.dictionaries(
    st.sampled_from([*FEW, "region-of-its-own"]),
    st.one_of(
        st.tuples(st.just("old"), st.integers(0, 2), st.sampled_from(["ACTIVE", "AVAILABLE", "THROTTLED", "ERROR"])),
        st.tuples(st.just("new"), counts_seen, st.floats(-20_000, 0)),
    ),
).map(lambda made: [drawn_row(region, *drawn) for region, drawn in made.items()])
account_lists = st.lists(st.sampled_from(ACCOUNTS), max_size=4)
exclusions = st.frozensets(st.sampled_from([*FEW, "region-of-its-own"]), max_size=3)


def is_active(row: RegionRow | None, account_id: str) -> bool:
    """Tell what the table says of a pair: its own count, else the region's."""
    if row is None:
        return False
    entry = row.accounts.get(account_id)
    if entry is None or entry.server_count is None:
        return row.server_count > 0 and (entry is None or bool(row.unattributed))
    return entry.server_count > 0


@given(table=tables, accounts=account_lists, excluded=exclusions, full_scan=st.booleans(), discover=st.booleans())
def test_every_pair_is_looked_at_or_skipped_and_active_ones_always(
    table: list[RegionRow], accounts: list[str], excluded: frozenset[str], *, full_scan: bool, discover: bool
) -> None:
    selection = pick(table, accounts, excluded=excluded, full_scan=full_scan, discover=discover)
    rows = {row.region: row for row in table}
    regions = ({*FEW} | {row.region for row in table if row.server_count}) - excluded
    every = {Scope(account_id, region) for account_id in accounts for region in regions}
    assert set(selection.scopes) | set(selection.skipped) == every
    assert set(selection.scopes).isdisjoint(selection.skipped)
    assert selection.asked == len(every) == len(selection.scopes) + len(selection.skipped)
    assert {scope for scope in every if is_active(rows.get(scope.region), scope.account_id)} <= set(selection.scopes)
    if full_scan or not table:
        assert not selection.skipped
    if not discover:
        assert ScanReason.DISCOVERY not in selection.scopes.values()


@pytest.mark.parametrize(
    ("table", "options", "source", "fallback"),
    [
        ((), {}, RegionSource.FALLBACK_EMPTY, True),
        (StatusUnavailable("no table"), {}, RegionSource.FALLBACK_UNAVAILABLE, True),
        ([seen_row(FEW[0], {A: 1, B: 0})], {"full_scan": True}, RegionSource.FULL_SCAN, False),
        (StatusUnavailable("no table"), {"full_scan": True}, RegionSource.FULL_SCAN, False),
    ],
)
def test_what_is_not_known_or_asked_for_is_looked_at_everywhere(
    table: Sequence[RegionRow] | StatusUnavailable, options: dict[str, Any], source: RegionSource, *, fallback: bool
) -> None:
    selection = pick(table, [A, B, A], excluded=frozenset({FEW[4]}), **options)
    assert set(selection.scopes) == {Scope(account, region) for account in (A, B) for region in FEW[:4]}
    assert selection.count(ScanReason.EVERY) == 8
    assert (selection.skipped, selection.source, selection.source.is_fallback) == ((), source, fallback)
    assert selection.reason


def test_an_unreadable_table_says_why() -> None:
    assert pick(StatusUnavailable("took longer than 5 s")).reason == "took longer than 5 s"


def test_requested_regions_are_looked_at_and_no_others() -> None:
    table = [seen_row(region, {A: 5, B: 5}) for region in FEW]
    selection = pick(table, requested=[FEW[1], FEW[3], FEW[1]])
    assert selection.source is RegionSource.REQUESTED
    assert dict(selection.scopes) == {
        Scope(account, region): ScanReason.REQUESTED for account in (A, B) for region in (FEW[1], FEW[3])
    }


def test_an_excluded_region_is_not_looked_at_even_when_requested() -> None:
    selection = pick([seen_row(FEW[0], {A: 5, B: 5})], requested=[FEW[0], FEW[1]], excluded=frozenset({FEW[0]}))
    assert {scope.region for scope in selection.scopes} == {FEW[1]}


def test_an_excluded_region_is_not_looked_at_even_when_a_place_in_it_is_named() -> None:
    here, there = Scope(A, FEW[0]), Scope(A, FEW[1])
    selection = pick([seen_row(FEW[0], {A: 1})], [A], scopes=(here, there), excluded=frozenset({FEW[0]}))
    assert selection.scopes == {there: ScanReason.REQUESTED}


def test_an_active_region_outside_the_catalog_is_looked_at() -> None:
    selection = pick([seen_row("region-of-its-own", {A: 1, B: 0})], discover=False)
    assert selection.scopes == {Scope(A, "region-of-its-own"): ScanReason.ACTIVE}


def test_a_region_outside_the_catalog_that_a_server_points_at_is_looked_at() -> None:
    pointed_at = merge(None, "region-of-its-own", [], requests={A: START})
    table = [seen_row(region, {A: 1, B: 0}) for region in FEW] + [pointed_at]
    assert pick(table).scopes[Scope(A, "region-of-its-own")] is ScanReason.POINTED_AT


def test_a_table_without_servers_is_no_table_that_could_not_be_read() -> None:
    table = [seen_row(region, dict.fromkeys(ACCOUNTS, 0), seconds) for seconds, region in enumerate(CATALOG, -9000)]
    selection = pick(table, ACCOUNTS, catalog=CATALOG, now=at(-8000))
    assert selection.source is RegionSource.STATUS_TABLE_NONE_ACTIVE
    assert not selection.source.is_fallback
    assert 0 < selection.count(ScanReason.DISCOVERY) == len(selection.scopes) < selection.asked / 5


@pytest.mark.parametrize(
    ("row", "accounts"),
    [
        (old_row(FEW[0], 0), set()),
        (old_row(FEW[0], 1), {A, B}),
        (seen_row(FEW[0], {A: 1, B: 0}), {A}),
        (seen_row(FEW[0], {B: 2}), {B}),
        (seen_row(FEW[0], {A: None, B: 2}), {B}),
        (merge(old_row(FEW[0], 7), FEW[0], [Observation(A, RegionStatus.SCP_DENIED, START)]), {A, B}),
        (merge(old_row(FEW[0], 7), FEW[0], [Observation(A, RegionStatus.ACTIVE, START, 0)]), {B}),
    ],
)
def test_whose_servers_a_row_tells_of(row: RegionRow, accounts: set[str]) -> None:
    """Where servers were known, those that a complete look does not show are removed."""
    assert pick([row]).known_active == {Scope(account_id, FEW[0]) for account_id in accounts}


def test_who_does_not_discover_takes_a_table_without_servers_for_none() -> None:
    """Such a sync would see a region that became active in no run of its own."""
    rows = [seen_row(region, {A: 0, B: 0}) for region in FEW]
    selection = pick(rows, discover=False, every_if_none=True)
    assert (selection.source, len(selection.scopes)) == (RegionSource.FALLBACK_NONE_ACTIVE, 2 * len(FEW))
    for known in (seen_row(FEW[0], {A: 1, B: 0}), merge(rows[0], FEW[0], [], requests={A: START})):
        selection = pick([known, *rows[1:]], discover=False, every_if_none=True)
        assert list(selection.scopes) == [Scope(A, FEW[0])]


def test_where_one_account_has_servers_all_are_looked_at_if_asked_to() -> None:
    rows = [seen_row(FEW[0], {A: 1, B: 0}), *(seen_row(region, {A: 0, B: 0}) for region in FEW[1:])]
    assert pick(rows, discover=False).scopes == {Scope(A, FEW[0]): ScanReason.ACTIVE}
    everyone = dict.fromkeys([Scope(A, FEW[0]), Scope(B, FEW[0])], ScanReason.ACTIVE)
    assert pick(rows, discover=False, shared=True).scopes == everyone
    assert pick(rows[1:], discover=False, shared=True).scopes == {}  # a region without a row has none either


def test_an_account_the_table_does_not_know_is_looked_at_everywhere() -> None:
    table = [seen_row(region, {A: 3, B: 0}) for region in FEW[:3]]
    selection = pick(table, ACCOUNTS, discover=False)
    assert {scope for scope, why in selection.scopes.items() if why is ScanReason.NEW_ACCOUNT} == {
        Scope(C, region) for region in FEW
    }
    assert {scope for scope in selection.scopes if scope.account_id != C} == {Scope(A, region) for region in FEW[:3]}


def test_an_old_row_of_an_excluded_region_hides_no_new_account() -> None:
    table = [seen_row(region, {A: 0, B: 0}) for region in FEW[:4]] + [old_row(FEW[4], 9)]
    selection = pick(table, ACCOUNTS, excluded=frozenset({FEW[4]}), discover=False)
    assert {scope.region for scope in selection.scopes if scope.account_id == C} == set(FEW[:4])


def test_an_account_that_was_only_pointed_at_is_still_new() -> None:
    table = [seen_row(region, {A: 0, B: 0}) for region in FEW]
    table[0] = merge(table[0], FEW[0], [], requests={C: START})
    selection = pick(table, ACCOUNTS, discover=False)
    assert {scope.region for scope in selection.scopes if scope.account_id == C} == set(FEW)


@pytest.mark.parametrize("before", [[], [seen_row(region, {B: 3}) for region in FEW]])
def test_rows_that_tell_accounts_apart_and_know_of_none_make_every_account_new(before: list[RegionRow]) -> None:
    """So is the table after a run in which no account could be entered, or whose accounts have all left."""
    held = {row.region: row for row in before}
    told = [merge(held.get(region), region, [], everyone=frozenset({A})) for region in FEW]
    stored = [{"region": row.region, **to_attributes(row, now=START)} for row in told]
    selection = pick([parse_row(item) for item in stored], [A], discover=False)
    assert set(selection.scopes) == {Scope(A, region) for region in FEW}


def test_a_note_of_a_sweep_makes_no_row_of_an_earlier_writer_one_of_ours() -> None:
    noted = merge(old_row(FEW[0], 0, "THROTTLED"), FEW[0], [], full_scan_mark=FullScanMark(START))
    stored = {name: value for name, value in to_attributes(noted, now=START).items() if value is not None}
    row = parse_row({"region": FEW[0], **stored})
    rest = [old_row(region, 0) for region in FEW[1:]]
    assert set(
        pick(
            [merge(row, FEW[0], [], full_scan_mark=FullScanMark(START, ended=True)), *rest], [A], discover=False
        ).scopes
    ) == {Scope(A, FEW[0])}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (old_row(FEW[0], 5), ScanReason.ACTIVE),
        (old_row(FEW[0], 1), ScanReason.ACTIVE),
        (old_row(FEW[0], 5, "AVAILABLE"), ScanReason.ACTIVE),
        (old_row(FEW[0], 5, "ERROR"), ScanReason.ACTIVE),
        (old_row(FEW[0], 0, "THROTTLED"), ScanReason.UNSETTLED),
        (old_row(FEW[0], 0, "IAM_PERMISSION_DENIED"), ScanReason.UNSETTLED),
        (old_row(FEW[0], 0, "ERROR"), ScanReason.UNSETTLED),
        (old_row(FEW[0], 0, "NOT_INITIALIZED"), None),
        (old_row(FEW[0], 0, "UNINITIALIZED"), None),
        (old_row(FEW[0], 0, "ACTIVE"), None),
        (seen_row(FEW[0], {A: 2, B: 2}), ScanReason.ACTIVE),
        (seen_row(FEW[0], {A: 0, B: 0}), None),
        (seen_row(FEW[0], {A: 0, B: 2}), None),
        (seen_row(FEW[0], {A: None, B: 0}), ScanReason.UNSETTLED),
        (merge(seen_row(FEW[0], {A: 2}), FEW[0], [Observation(A, RegionStatus.SCP_DENIED, START)]), ScanReason.ACTIVE),
        (
            merge(seen_row(FEW[0], {A: 0}), FEW[0], [Observation(A, RegionStatus.THROTTLED, START)]),
            ScanReason.UNSETTLED,
        ),
        (merge(seen_row(FEW[0], {A: 0}), FEW[0], [Observation(A, RegionStatus.SCP_DENIED, START)]), None),
        (merge(old_row(FEW[0], 7), FEW[0], [Observation(A, RegionStatus.SCP_DENIED, START)]), ScanReason.ACTIVE),
        (merge(seen_row(FEW[0], {A: 0, B: 0}), FEW[0], [], requests={A: START}), ScanReason.POINTED_AT),
        (seen_row(FEW[0], {B: 2}), ScanReason.ACTIVE),  # the region counts, as long as the pair is not known
        (seen_row(FEW[0], {B: 0}), None),
    ],
)
def test_why_a_pair_is_looked_at_without_discovery(row: RegionRow, why: ScanReason | None) -> None:
    rest = [seen_row(region, {A: 0, B: 0}) for region in FEW[1:]]
    selection = pick([row, *rest], [A], discover=False)
    assert selection.scopes.get(Scope(A, FEW[0])) is why


@dataclass
class World:
    """Accounts whose servers come and go, and the table that the syncs keep of them."""

    catalog: Sequence[str]
    accounts: Sequence[str]
    servers: Callable[[Scope, int], int | None]
    table: dict[str, RegionRow] = field(default_factory=dict)
    looked: dict[Scope, list[float]] = field(default_factory=dict)
    refusing: frozenset[str] = frozenset()  # accounts that cannot be entered

    def run(self, number: int, seconds: float) -> Selection:
        selection = pick(list(self.table.values()), self.accounts, catalog=self.catalog, now=at(seconds))
        for scope in selection.scopes:
            if scope.account_id in self.refusing:
                refusal = Observation(scope.account_id, RegionStatus.IAM_PERMISSION_DENIED, at(seconds))
                self.table[scope.region] = merge(self.table.get(scope.region), scope.region, [refusal])
                continue
            self.looked.setdefault(scope, []).append(seconds)
            count = self.servers(scope, number)
            word = RegionStatus.THROTTLED if count is None else RegionStatus.ACTIVE
            observation = Observation(scope.account_id, word, at(seconds), count)
            self.table[scope.region] = merge(self.table.get(scope.region), scope.region, [observation])
        return selection

    def longest_unseen_s(self, until: float) -> float:
        """Tell the longest time that any pair had to wait for its next look, the first and the last one included."""
        gaps = [0.0]
        for account in self.accounts:
            for region in self.catalog:
                moments = [0.0, *self.looked.get(Scope(account, region), []), until]
                gaps += [after - before for before, after in pairwise(moments)]
        return max(gaps)


def restless(seed: int, share: float) -> Callable[[Scope, int], int | None]:
    """Let about a share of the places have servers, others in each hour, and let one look in twenty be throttled."""

    def servers(scope: Scope, number: int) -> int | None:
        if random.Random(f"{seed}{scope}{number}").random() < 0.05:  # noqa: S311 - a simulation
            return None
        return int(random.Random(f"{seed}{scope}{number // 4}").random() < share) * 3  # noqa: S311 - a simulation

    return servers


@settings(max_examples=12)
@given(seed=st.integers(0, 10_000), share=st.sampled_from([0.0, 0.05, 0.15, 0.4]), accounts=st.integers(1, 3))
def test_no_pair_stays_unseen_beyond_the_window_and_discovery_stays_below_its_share(
    seed: int, share: float, accounts: int
) -> None:
    world = World(CATALOG, ACCOUNTS[:accounts], restless(seed, share))
    everything = accounts * len(CATALOG)
    assert len(world.run(0, 0).scopes) == everything
    for number in range(1, 28):
        now = number * POLICY.interval_s
        unseen = [now - moments[-1] for moments in world.looked.values()]
        selection = world.run(number, now)
        busy = len(selection.scopes) - selection.count(ScanReason.DISCOVERY)
        if max(unseen) <= POLICY.window_s - POLICY.interval_s:
            assert len(selection.scopes) <= max(busy, math.floor(0.2 * everything))
    assert world.longest_unseen_s(27 * POLICY.interval_s) <= POLICY.window_s


@settings(max_examples=8)
@given(seed=st.integers(0, 10_000))
def test_runs_that_start_late_let_a_pair_wait_no_longer_than_they_are_late(seed: int) -> None:
    world = World(CATALOG, ACCOUNTS[:2], restless(seed, 0.3))
    world.run(0, 0)
    now = 0.0
    for number in range(1, 28):
        now = number * POLICY.interval_s + random.Random(seed + number).uniform(0, 60)  # noqa: S311 - a simulation
        world.run(number, now)
    assert world.longest_unseen_s(now) <= POLICY.window_s + 60


@pytest.mark.parametrize("active", [0, 1, 2])
def test_a_steady_platform_is_asked_a_fifth_in_every_run(active: int) -> None:
    homes = CATALOG[:active]
    world = World(CATALOG, ACCOUNTS, lambda scope, _: 5 * (scope.region in homes))
    world.run(0, 0)
    asked = [len(world.run(number, number * 900.0).scopes) for number in range(1, 97)]
    assert max(asked) <= 0.2 * 3 * len(CATALOG)
    assert world.longest_unseen_s(96 * 900.0) <= POLICY.window_s


def test_a_region_that_becomes_active_is_found_within_the_window_and_kept() -> None:
    home = Scope(B, CATALOG[17])
    world = World(CATALOG, ACCOUNTS, lambda scope, number: 8 * (scope == home and number > 3))
    for number in range(12):
        world.run(number, number * 900.0)
    assert world.table[home.region].server_count == 8
    assert world.run(12, 12 * 900.0).scopes[home] is ScanReason.ACTIVE


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(
            [
                old_row(region, 5 * (number < 6), lastChecked="2026-11-23T05:00:00Z")
                for number, region in enumerate(CATALOG)
            ],
            id="rows of an earlier writer",
        ),
        pytest.param([seen_row(region, {A: 5}) for region in CATALOG[:6]], id="rows of active regions only"),
    ],
)
def test_a_quarter_of_active_regions_leaves_none_of_the_others_unseen(rows: list[RegionRow]) -> None:
    world = World(CATALOG, [A], lambda scope, _: 5 * (scope.region in CATALOG[:6]))
    world.table = {row.region: row for row in rows}
    for number in range(24):
        world.run(number, number * 900.0)
    assert world.longest_unseen_s(23 * 900.0) <= 2 * POLICY.window_s  # the first look; from then on, one window


def test_an_account_that_refuses_us_does_not_hold_up_places_never_looked_at() -> None:
    """B was taken in half-way before its role broke; then three regions were added to the catalog."""
    world = World(CATALOG, [A, B], lambda _scope, _number: 0)
    world.table = {region: seen_row(region, {A: 0}) for region in CATALOG[:-3]}
    world.table[CATALOG[0]] = seen_row(CATALOG[0], {A: 0, B: 0})
    world.refusing = frozenset({B})
    for number in range(24):
        world.run(number, number * 900.0)
    assert {region for region in CATALOG[-3:] if Scope(A, region) in world.looked} == set(CATALOG[-3:])


def test_a_run_over_every_region_that_was_cut_short_is_gone_on_with() -> None:
    noted = merge(seen_row(FEW[0], {A: 0}, -50), FEW[0], [], full_scan_mark=FullScanMark(at(-100)))
    table = [noted, seen_row(FEW[1], {A: 0}, -100), seen_row(FEW[2], {A: 0}, -5000)]
    selection = pick(table, [A], discover=False)
    assert selection.scopes == {Scope(A, region): ScanReason.RESUMED for region in FEW[2:]}
    assert selection.unfinished_full_scans == (FEW[0],)
    assert pick([noted], [A], full_scan=True).unfinished_full_scans == (FEW[0],)  # which it brings to its end as well


@pytest.mark.parametrize(("ended", "is_open"), [(-100, False), (-50, False), (-150, True)])
def test_the_note_goes_with_the_end_of_that_sweep_or_a_later_one(ended: float, *, is_open: bool) -> None:
    row = merge(seen_row(FEW[0], {A: 0}), FEW[0], [], full_scan_mark=FullScanMark(at(-100)))
    row = merge(row, FEW[0], [], full_scan_mark=FullScanMark(at(ended), ended=True))
    assert bool(pick([row], [A], discover=False).unfinished_full_scans) is is_open
