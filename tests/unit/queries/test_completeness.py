"""Completeness of an answer: the state of every scope, and the unknown ones counted by cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.models import Problem, RegionStatus, Scope, iso
from service.queries.completeness import MAX_LISTED, Completeness, all_regions, completeness_of, without_accounts
from service.queries.freshness import StatusView
from service.queries.read_result import DataSource, ScopeReadResult
from service.regions.scope_state import ScopeState, StateRules, state_of
from service.regions.selection import StatusUnavailable
from service.regions.status_entry import AccountEntry
from service.regions.status_rows import RegionRow
from service.settings import Settings

NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
A, B = "111111111111", "222222222222"
WEST, EAST = "us-west-2", "us-east-1"
FRESH_S, ALLOWED_S = 900.0, 8100.0
RULES: Final = StateRules(NOW, timedelta(seconds=FRESH_S), timedelta(seconds=ALLOWED_S))
DENIED = RegionStatus.IAM_PERMISSION_DENIED
OFF = RegionStatus.REGION_NOT_ENABLED


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def entry_of(
    count: int | None, complete_s: float | None, status: RegionStatus = RegionStatus.ACTIVE, *, checked_s: float = 0
) -> AccountEntry:
    complete = None if complete_s is None else ago(complete_s)
    return AccountEntry(count, status, ago(checked_s), complete, "why", first_checked=ago(9999))


def view_of(**regions: Mapping[str, AccountEntry]) -> StatusView:
    """Return a table with a row for each region; `_` stands for `-`."""
    rows = [
        RegionRow(name.replace("_", "-"), sum(each.server_count or 0 for each in entries.values()), accounts=entries)
        for name, entries in regions.items()
    ]
    return StatusView(rows)


@pytest.mark.parametrize(
    ("entry", "state"),
    [
        (None, ScopeState.UNKNOWN),
        (AccountEntry(), ScopeState.UNKNOWN),
        (entry_of(5, 0), ScopeState.FRESH),
        (entry_of(5, 899.9), ScopeState.FRESH),
        (entry_of(5, 900), ScopeState.OLD),
        (entry_of(5, 8100), ScopeState.OLD),
        (entry_of(5, 8100.1), ScopeState.UNKNOWN),
        (entry_of(0, 0), ScopeState.EMPTY),
        (entry_of(0, 8100), ScopeState.EMPTY),
        (entry_of(0, 8100.1), ScopeState.UNKNOWN),  # known empty once proves nothing later
        (entry_of(5, 60, DENIED), ScopeState.FRESH),  # the failed attempt came after the complete scan
        (entry_of(0, 60, RegionStatus.SCP_DENIED), ScopeState.EMPTY),
        (entry_of(5, 9000, DENIED), ScopeState.UNKNOWN),
        (entry_of(None, None, DENIED), ScopeState.UNKNOWN),
        (entry_of(None, None, RegionStatus.SCP_DENIED), ScopeState.UNKNOWN),
        (entry_of(None, None, RegionStatus.THROTTLED), ScopeState.UNKNOWN),
        (entry_of(None, None, OFF), ScopeState.EMPTY),
        (entry_of(None, None, RegionStatus.REGION_NOT_OPTED_IN), ScopeState.EMPTY),
        (entry_of(0, 9000, OFF), ScopeState.EMPTY),
        (entry_of(None, None, OFF, checked_s=8100.1), ScopeState.UNKNOWN),
        (entry_of(5, 9000, OFF), ScopeState.UNKNOWN),  # servers were known there
        (entry_of(5, -60), ScopeState.FRESH),  # the clocks of two hosts
        (entry_of(5, -9000), ScopeState.UNKNOWN),
    ],
)
def test_a_state_follows_from_the_last_complete_scan(entry: AccountEntry | None, state: ScopeState) -> None:
    assert state_of(entry, RULES) is state


SECONDS = st.one_of(st.none(), st.floats(-20_000, 20_000))
ENTRIES = st.builds(
    lambda count, complete, checked, status: AccountEntry(
        count,
        status,
        None if checked is None else ago(checked),
        None if complete is None else ago(complete),
    ),
    st.one_of(st.none(), st.integers(0, 3)),
    SECONDS,
    SECONDS,
    st.sampled_from([None, *RegionStatus]),
)


@given(ENTRIES)
def test_only_a_complete_scan_of_the_allowed_age_or_a_region_switched_off_makes_a_scope_known(
    entry: AccountEntry,
) -> None:
    state = state_of(entry, RULES)
    complete_age = None if entry.last_complete is None else abs(NOW - entry.last_complete).total_seconds()
    proven = complete_age is not None and complete_age <= ALLOWED_S and entry.server_count is not None
    if state in {ScopeState.FRESH, ScopeState.OLD}:
        assert proven
        assert entry.server_count
    if state is ScopeState.EMPTY:
        assert not entry.server_count
        assert proven or entry.status in {OFF, RegionStatus.REGION_NOT_OPTED_IN}
    if state is ScopeState.UNKNOWN:
        assert not proven


TABLES = st.dictionaries(
    st.sampled_from([WEST, EAST, "eu-west-1"]), st.dictionaries(st.sampled_from([A, B]), ENTRIES), max_size=3
)


@given(TABLES, st.sets(st.sampled_from([WEST, "mars-1"])), st.frozensets(st.just(Scope(A, EAST))))
@example({}, set(), frozenset())
def test_every_scope_has_one_state_and_an_answer_is_complete_if_none_is_unknown(
    table: dict[str, dict[str, AccountEntry]], excluded: set[str], excluded_scopes: frozenset[Scope]
) -> None:
    rules = StateRules(NOW, RULES.fresh, RULES.allowed, frozenset(excluded), excluded_scopes)
    view = StatusView([RegionRow(region, 1, accounts=entries) for region, entries in table.items()])
    regions = [WEST, EAST, "eu-west-1"]
    completeness = completeness_of(view, [A, B], regions, rules)
    assert sum(completeness.states.values()) == 6
    assert completeness.is_complete == (completeness.states[ScopeState.UNKNOWN] == 0) == (not completeness.unknown)
    expected = {
        (account_id, region)
        for region in regions
        for account_id in (A, B)
        if not rules.excludes(Scope(account_id, region))
        and state_of(view.entry(Scope(account_id, region)), rules) is ScopeState.UNKNOWN
    }
    assert {(each.account_id, each.region) for each in completeness.unknown} == expected
    document = completeness.as_json()
    assert sum(cause["scopes"] for cause in document["unknownByCause"]) == len(expected)
    assert {(each["accountId"], each["region"]) for each in document["unknown"]} == expected
    assert all(each["code"] and each["advice"] for each in document["unknown"])


def read(source: DataSource, items: int = 0, problem: Problem | None = None) -> ScopeReadResult:
    return ScopeReadResult(Scope(A, WEST), source, [{}] * items, problem=problem)


PROBLEM = Problem("AccessDeniedException", "no", RegionStatus.SCP_DENIED, "drs", "DescribeSourceServers", A, WEST)


@pytest.mark.parametrize(
    ("entry", "result", "state"),
    [
        (None, read(DataSource.DRS), ScopeState.FRESH),
        (entry_of(5, 9000), read(DataSource.DRS), ScopeState.FRESH),
        (entry_of(5, 60), read(DataSource.INVENTORY, 5), ScopeState.FRESH),
        (None, read(DataSource.INVENTORY, 5), ScopeState.UNKNOWN),  # items alone do not prove that all are there
        (entry_of(5, 1000), read(DataSource.STALE, 5, PROBLEM), ScopeState.OLD),
        (entry_of(5, 1000), read(DataSource.STALE, 4, PROBLEM), ScopeState.UNKNOWN),  # an item is missing
        (entry_of(5, 60), read(DataSource.NONE, 0, PROBLEM), ScopeState.UNKNOWN),
        (entry_of(0, 1000), read(DataSource.NONE, 0, PROBLEM), ScopeState.EMPTY),
        (entry_of(5, 9000), read(DataSource.STALE, 5, PROBLEM), ScopeState.UNKNOWN),
        (None, read(DataSource.NONE, 0, PROBLEM), ScopeState.UNKNOWN),
    ],
)
def test_what_the_query_read_takes_precedence(
    entry: AccountEntry | None, result: ScopeReadResult, state: ScopeState
) -> None:
    view = view_of(us_west_2={A: entry} if entry else {})
    completeness = completeness_of(view, [A], [WEST], RULES, [result])
    assert completeness.states[state] == 1
    if state is ScopeState.UNKNOWN and result.problem:
        (unknown,) = completeness.as_json()["unknown"]
        assert (unknown["code"], unknown["message"]) == ("SCP_DENIED", "AccessDeniedException: no")
        assert "DRS_EXCLUDED_SCOPES=account/region" in unknown["advice"]
        assert unknown["lastAttempt"] == iso(NOW)


@pytest.mark.parametrize(
    ("entry", "code", "since", "last_attempt", "advice"),
    [
        (None, "NEVER_SCANNED", None, None, "drs-sync sync inventory"),
        (entry_of(None, None, RegionStatus.SCP_DENIED), "SCP_DENIED", ago(9999), NOW, "service control policies"),
        (entry_of(None, None, DENIED), "IAM_PERMISSION_DENIED", ago(9999), NOW, "allow drs:DescribeSourceServers to"),
        (entry_of(4, 9000, DENIED), "IAM_PERMISSION_DENIED", ago(9000), NOW, "allow drs:DescribeSourceServers to"),
        (entry_of(4, 9000, checked_s=9000), "SCAN_TOO_OLD", ago(9000), ago(9000), "scheduled"),
    ],
)
def test_an_unknown_scope_has_cause_fix_and_since_when(
    entry: AccountEntry | None, code: str, since: datetime | None, last_attempt: datetime | None, advice: str
) -> None:
    document = completeness_of(view_of(us_west_2={A: entry} if entry else {}), [A], [WEST], RULES).as_json()
    (unknown,) = document["unknown"]
    assert (unknown["accountId"], unknown["region"], unknown["code"]) == (A, WEST, code)
    assert (unknown["since"], unknown["lastAttempt"]) == (since and iso(since), last_attempt and iso(last_attempt))
    assert advice in unknown["advice"]
    (cause,) = document["unknownByCause"]
    assert (cause["code"], cause["scopes"], cause["accounts"], cause["regions"]) == (code, 1, 1, [WEST])
    assert cause["since"] == unknown["since"]


def test_thousands_of_scopes_are_counted_by_cause_and_a_rare_cause_is_not_hidden() -> None:
    accounts = [f"{number:012d}" for number in range(300)]
    denied = entry_of(None, None, RegionStatus.SCP_DENIED)
    document = completeness_of(view_of(us_west_2={accounts[250]: denied}), accounts, [EAST, WEST], RULES).as_json()
    assert document["scopeStates"] == {"fresh": 0, "old": 0, "empty": 0, "excluded": 0, "unknown": 600}
    assert len(document["unknown"]) == MAX_LISTED
    assert document["unknown"][0]["accountId"] == accounts[250]
    rare, many = document["unknownByCause"]
    assert (rare["code"], rare["scopes"], rare["message"]) == ("SCP_DENIED", 1, "why")
    assert (many["code"], many["scopes"], many["accounts"], many["regions"]) == (
        "NEVER_SCANNED",
        599,
        300,
        [EAST, WEST],
    )


def test_a_message_that_differs_is_left_out_of_the_count_and_the_earliest_time_is_shown() -> None:
    entries = {
        account_id: AccountEntry(None, DENIED, NOW, None, f"denied for {account_id}", first_checked=ago(seconds))
        for account_id, seconds in ((A, 10), (B, 20))
    }
    (cause,) = completeness_of(view_of(us_west_2=entries), [A, B], [WEST], RULES).as_json()["unknownByCause"]
    assert "message" not in cause
    assert (cause["scopes"], cause["since"]) == (2, iso(ago(20)))


def test_without_region_status_the_reason_is_the_cause() -> None:
    view = StatusView(StatusUnavailable("the table hangs"))
    (cause,) = completeness_of(view, [A], [WEST, EAST], RULES).as_json()["unknownByCause"]
    assert (cause["code"], cause["message"], cause["scopes"]) == ("REGION_STATUS_UNAVAILABLE", "the table hangs", 2)


def test_an_account_that_cannot_be_entered_is_the_cause_in_all_its_regions() -> None:
    refused = Problem("AccessDenied", "not you", DENIED, "sts", "AssumeRole", A, WEST, "check the role")
    document = completeness_of(
        StatusView(()), [A, B], [EAST, WEST], RULES, [read(DataSource.NONE, 0, refused)]
    ).as_json()
    causes = {(each["accountId"], each["region"]): each["code"] for each in document["unknown"]}
    assert causes == {
        (A, WEST): "IAM_PERMISSION_DENIED",
        (A, EAST): "IAM_PERMISSION_DENIED",
        (B, WEST): "NEVER_SCANNED",
        (B, EAST): "NEVER_SCANNED",
    }


def test_without_the_list_of_accounts_nothing_is_complete() -> None:
    completeness = without_accounts(PROBLEM)
    assert not completeness.is_complete
    assert completeness.as_json()["unknownByCause"][0]["regions"] == []


def regions_of(settings: Settings, rows: Iterable[RegionRow]) -> tuple[str, ...]:
    return all_regions(StatusView(tuple(rows)), settings)


def test_a_region_with_servers_counts_although_the_catalog_lacks_it() -> None:
    settings = Settings(drs_regions=(WEST,))
    rows = [RegionRow("ca-west-1", 3), RegionRow("mx-central-1", 0)]
    assert regions_of(settings, rows) == ("ca-west-1", WEST)


def test_a_message_names_the_first_scopes_and_counts_the_rest() -> None:
    accounts = [f"{number:012d}" for number in range(9)]
    text = completeness_of(StatusView(()), accounts, [WEST], RULES).unknown_text()
    assert text.startswith(f"{accounts[0]} {WEST} (NEVER_SCANNED), ")
    assert text.endswith(" and 6 more scopes")
    assert Completeness({}).unknown_text() == ""


def test_the_rules_come_from_the_settings() -> None:
    given_settings: dict[str, Any] = {
        "discovery_window_seconds": 100,
        "sync_interval_seconds": 10,
        "inventory_fresh_seconds": 5,
        "drs_excluded_regions": (EAST,),
        "drs_excluded_scopes": (f"{A}/{WEST}",),
    }
    rules = StateRules.of(Settings(**given_settings), NOW)
    assert (rules.fresh, rules.allowed) == (timedelta(seconds=5), timedelta(seconds=110))
    assert [rules.excludes(Scope(A, EAST)), rules.excludes(Scope(A, WEST)), rules.excludes(Scope(B, WEST))] == [
        True,
        True,
        False,
    ]
