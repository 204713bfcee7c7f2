"""Region status rows: every format is parsed, and scan results may be merged in any order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from service.models import RegionStatus, parse_iso
from service.regions import status_rows
from service.regions.status_codec import pack
from service.regions.status_entry import AccountEntry
from service.regions.status_rows import (
    FullScanMark,
    Observation,
    RegionRow,
    checked_attributes,
    merge,
    parse_entry_in,
    parse_row,
    to_attributes,
    unreachable_regions,
)

REGION: Final = "us-west-2"
ACCOUNTS: Final = ("111122223333", "444455556666", "777788889999")
A, B, C = ACCOUNTS
START: Final = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
SETTLING: Final = (RegionStatus.ACTIVE, RegionStatus.NOT_INITIALIZED)
FAILURES: Final = tuple(status for status in RegionStatus if status not in SETTLING)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def complete(account: str, seconds: float, count: int) -> Observation:
    return Observation(account, RegionStatus.ACTIVE, at(seconds), count)


def failed(account: str, seconds: float, status: RegionStatus = RegionStatus.THROTTLED, text: str = "x") -> Observation:
    return Observation(account, status, at(seconds), None, text)


def legacy(count: int = 40, **more: Any) -> RegionRow:
    return parse_row({"region": REGION, "serverCount": count, "status": "ACTIVE", **more})


moments = (st.integers(0, 4) | st.floats(0, 7200)).map(lambda seconds: at(round(seconds, 6)))  # some of them equal
completes = st.builds(
    Observation, st.sampled_from(ACCOUNTS), st.just(RegionStatus.ACTIVE), moments, st.integers(0, 300)
)
uninitialised = st.builds(
    Observation, st.sampled_from(ACCOUNTS), st.just(RegionStatus.NOT_INITIALIZED), moments, st.just(0), st.just("")
)
failures = st.builds(
    Observation,
    st.sampled_from(ACCOUNTS),
    st.sampled_from(FAILURES),
    moments,
    st.none(),
    st.text(max_size=400),
    st.booleans(),
)


def lists_of(observations: st.SearchStrategy[Observation]) -> st.SearchStrategy[list[Observation]]:
    return st.lists(observations, max_size=9)


any_observations = lists_of(completes | uninitialised | failures)
request_maps = st.dictionaries(st.sampled_from(ACCOUNTS), moments)
rows_of_any_format = st.builds(
    lambda base, observations: merge(base, REGION, observations) if observations else base,
    st.none() | st.integers(0, 300).map(legacy),
    any_observations,
)


def last_complete_sum(observations: Sequence[Observation]) -> int:
    """Add up the count of each account's last scan that determined one."""
    latest: dict[str, tuple[datetime, int]] = {}
    for observation in observations:
        if observation.server_count is not None:
            found = (
                observation.scanned_at,
                observation.server_count,
            )  # of two scans at the same time, the higher count
            latest[observation.account_id] = max(found, latest.get(observation.account_id, found))
    return sum(count for _, count in latest.values())


@given(row=rows_of_any_format, observations=any_observations, data=st.data())
def test_scans_merge_alike_in_any_order(
    row: RegionRow | None, observations: list[Observation], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(observations))
    assert merge(row, REGION, shuffled) == merge(row, REGION, observations)


@given(row=rows_of_any_format, observations=any_observations, cut=st.integers(0, 9), data=st.data())
def test_scans_merge_alike_in_any_split(
    row: RegionRow | None, observations: list[Observation], cut: int, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(observations))
    twice = merge(merge(row, REGION, shuffled[:cut]), REGION, shuffled[cut:])
    assert twice == merge(row, REGION, observations)


@given(row=rows_of_any_format, observations=any_observations)
def test_scans_merged_again_change_nothing(row: RegionRow | None, observations: list[Observation]) -> None:
    once = merge(row, REGION, observations)
    assert merge(once, REGION, observations) == once


def test_a_row_knows_since_when_a_scope_was_never_scanned_completely() -> None:
    entry = merge(None, REGION, [failed(A, 9), failed(A, 3), failed(A, 6)]).accounts[A]
    assert (entry.first_checked, entry.last_checked, entry.last_complete) == (at(3), at(9), None)
    after = merge(None, REGION, [failed(A, 9), failed(A, 3), complete(A, 6, 1)]).accounts[A]
    assert (after.first_checked, after.last_checked, after.last_complete) == (None, at(9), at(6))


def test_an_unconfirmed_empty_scan_waits_until_a_complete_one_and_keeps_the_count() -> None:
    empty = Observation(A, RegionStatus.ERROR, at(5), None, "no", is_unconfirmed_empty=True)
    waiting = merge(None, REGION, [complete(A, 0, 12), empty]).accounts[A]
    assert (waiting.server_count, waiting.empty_seen_at) == (12, at(5))
    assert merge(None, REGION, [complete(A, 0, 12), empty, complete(A, 4, 12)]).accounts[A].empty_seen_at == at(5)
    assert merge(None, REGION, [empty, complete(A, 6, 12)]).accounts[A].empty_seen_at is None


def test_two_scans_of_the_same_instant_merge_alike_in_either_order() -> None:
    two = [complete(A, 0, 5), complete(A, 0, 3)]
    assert merge(None, REGION, two) == merge(None, REGION, two[::-1])


@given(
    observations=lists_of(completes | failures.filter(lambda observation: observation.status.is_transient)),
    scan_requests=request_maps,
    data=st.data(),
)
def test_requests_merge_alike_before_between_and_after_scans(
    observations: list[Observation], scan_requests: dict[str, datetime], data: st.DataObject
) -> None:
    first = merge(merge(None, REGION, [], scan_requests=scan_requests), REGION, observations)
    cut = data.draw(st.integers(0, len(observations)))
    between = merge(merge(None, REGION, observations[:cut], scan_requests=scan_requests), REGION, observations[cut:])
    last = merge(merge(None, REGION, observations), REGION, [], scan_requests=scan_requests)
    assert first == between == last


@given(observations=any_observations)
def test_the_count_is_the_sum_of_each_accounts_last_complete_scan(observations: list[Observation]) -> None:
    row = merge(None, REGION, observations)
    assert row.server_count == last_complete_sum(observations)
    assert set(row.accounts) == {observation.account_id for observation in observations}


@given(
    row=rows_of_any_format,
    observations=lists_of(failures),
    known=st.none() | st.just(frozenset(ACCOUNTS)),
)
def test_a_failed_scan_changes_no_count(
    row: RegionRow | None, observations: list[Observation], known: frozenset[str] | None
) -> None:
    before = merge(row, REGION, [], all_accounts=known)
    after = merge(row, REGION, observations, all_accounts=known)
    assert after.server_count == before.server_count
    for account_id, entry in before.accounts.items():
        assert after.accounts[account_id].server_count == entry.server_count
        assert after.accounts[account_id].last_complete == entry.last_complete


@given(earlier=lists_of(completes | failures), status=st.sampled_from(FAILURES))
def test_a_failed_scan_is_reported_and_a_good_one_clears_it(earlier: list[Observation], status: RegionStatus) -> None:
    row = merge(None, REGION, [*earlier, failed(A, 8000, status, "AccessDenied: no")])
    assert (row.accounts[A].status, row.accounts[A].error_message) == (status, "AccessDenied: no")
    assert to_attributes(row, now=START)["errorMessage"] is not None
    recovered = merge(row, REGION, [complete(account, 9000, 1) for account in ACCOUNTS])
    assert to_attributes(recovered, now=START)["errorMessage"] is None
    assert (recovered.status, recovered.last_scanned) == (RegionStatus.ACTIVE, at(9000))


def test_every_scan_moves_last_checked_the_failed_ones_too() -> None:
    row = merge(None, REGION, [complete(A, 0, 4), failed(B, 60)])
    attributes = to_attributes(row, now=at(99))
    assert attributes["lastChecked"] == "2026-11-23T05:01:00Z"
    assert attributes["lastUpdated"] == "2026-11-23T05:01:39.000000+00:00"
    assert attributes["accountId"] == A  # the account with most servers, not the last one
    assert (attributes["serverCount"], attributes["status"]) == (4, "ACTIVE")


@pytest.mark.parametrize(
    ("item", "count", "status", "checked"),
    [
        ({"serverCount": 7, "status": "AVAILABLE"}, 7, RegionStatus.ACTIVE, None),
        ({"serverCount": 0, "status": "UNINITIALIZED"}, 0, RegionStatus.NOT_INITIALIZED, None),
        ({"serverCount": 0, "status": "THROTTLED", "errorMessage": None}, 0, RegionStatus.THROTTLED, None),
        ({"status": "SOMETHING_NEW"}, 0, None, None),
        ({"serverCount": -1, "status": 5}, 0, None, None),
        ({"lastChecked": "2026-11-23T05:00:00Z"}, 0, None, START),
        ({"lastUpdated": "2026-11-23T05:00:00.000000+00:00Z"}, 0, None, START),
        ({"lastChecked": "2026-11-23T07:00:00+02:00", "lastUpdated": "2020-01-01"}, 0, None, START),
        ({"lastChecked": "yesterday", "lastUpdated": "2026-11-23T05:00:00"}, 0, None, START),
        ({"accounts": {}}, 0, None, None),
        ({"accounts": "none"}, 0, None, None),
    ],
)
def test_every_format_of_a_row_is_read(
    item: dict[str, Any], count: int, status: RegionStatus | None, checked: datetime | None
) -> None:
    row = parse_row({"region": REGION, **item})
    assert (row.server_count, row.status, row.last_scanned) == (count, status, checked)
    assert row.is_legacy_format
    assert (row.unattributed or 0) == count  # no account is named, so it is kept until each one was scanned


def test_the_contracts_own_example_is_read() -> None:
    row = parse_row(
        {
            "region": REGION,
            "status": "ACTIVE",
            "serverCount": 43,
            "accounts": {
                A: {"serverCount": 40, "status": "ACTIVE", "lastChecked": "2026-11-23T05:00:07Z"},
                B: {
                    "serverCount": 3,
                    "status": "THROTTLED",
                    "lastChecked": "2026-11-23T05:00:07Z",
                    "errorMessage": "t",
                },
            },
        }
    )
    assert row.accounts == {
        A: AccountEntry(40, RegionStatus.ACTIVE, at(7)),
        B: AccountEntry(3, RegionStatus.THROTTLED, at(7), error_message="t"),
    }
    assert merge(row, REGION, [complete(A, 60, 41)]).server_count == 44


def _integers(value: object) -> list[int]:
    """Return the integers anywhere in a JSON value; packed entries hold what 64 bits do."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value] if type(value) is int else [number for each in inner for number in _integers(each)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["ACTIVE", "2026-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
malformed_entries = st.dictionaries(
    st.sampled_from(
        ["serverCount", "status", "lastChecked", "lastComplete", "errorMessage", "lookRequestedAt", "other"]
    ),
    json_values,
)
packable_entries = malformed_entries.filter(lambda entry: all(abs(each) < 2**63 for each in _integers(entry)))
malformed_rows = st.dictionaries(
    st.sampled_from(["serverCount", "status", "lastChecked", "lastUpdated", "version", "unattributedCount"]),
    json_values,
)


@given(
    attributes=malformed_rows,
    accounts=json_values | st.dictionaries(st.sampled_from(ACCOUNTS), malformed_entries | json_values),
    observations=any_observations,
)
def test_malformed_attributes_are_read_as_unknown(
    attributes: dict[str, Any], accounts: object, observations: list[Observation]
) -> None:
    row = parse_row({"region": REGION, **attributes, "accounts": accounts})
    assert row.server_count >= 0
    after = merge(row, REGION, observations)
    assert after.server_count >= last_complete_sum(observations)
    assert parse_iso(to_attributes(after, now=START)["lastUpdated"]) != row.last_updated


@given(
    mapped=json_values | st.dictionaries(st.sampled_from(ACCOUNTS), malformed_entries | json_values),
    packed=st.none() | st.text(max_size=5) | st.dictionaries(st.sampled_from(ACCOUNTS), packable_entries).map(pack),
)
def test_the_entry_of_one_account_is_the_one_that_its_row_has(mapped: object, packed: str | None) -> None:
    item = {"region": REGION, "accounts": mapped, "accountsPacked": packed}
    entries = parse_row(item).accounts
    assert {each: parse_entry_in(item, each) for each in ACCOUNTS} == {each: entries.get(each) for each in ACCOUNTS}


@pytest.mark.parametrize("accounts", [3, 300])  # mapped, packed
def test_one_entry_is_parsed_where_one_is_read(accounts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"{number:012}" for number in range(accounts)]
    row = merge(None, REGION, [complete(account_id, 60, 40) for account_id in ids])
    parsed: list[object] = []

    def parse(entry: Mapping[str, Any]) -> AccountEntry:
        parsed.append(entry)
        return AccountEntry(len(parsed))

    monkeypatch.setattr(status_rows, "parse_entry", parse)
    assert parse_entry_in({"region": REGION, **to_attributes(row, now=START)}, ids[1]) == AccountEntry(1)
    assert len(parsed) == 1


@given(
    base=st.none() | st.integers(1, 300).map(legacy),
    observations=any_observations,
    scan_requests=request_maps,
    clock_ahead_s=st.sampled_from([None, -100.0, 0.0, 100.0]),
)
def test_a_row_survives_being_written_and_read(
    base: RegionRow | None,
    observations: list[Observation],
    scan_requests: dict[str, datetime],
    clock_ahead_s: float | None,
) -> None:
    last_updated = None if clock_ahead_s is None else at(9999 + clock_ahead_s)
    row = replace(merge(base, REGION, observations, scan_requests=scan_requests), last_updated=last_updated)
    assume(row.accounts)
    attributes = to_attributes(row, now=at(9999))
    stored = {name: value for name, value in attributes.items() if value is not None}
    # Never the stored time, even if the clock of this host is behind: writers detect each other by it.
    written = at(9999) if last_updated is None or last_updated < at(9999) else last_updated + timedelta(microseconds=1)
    latest = max((each for each in (row.last_checked, row.last_scanned) if each), default=None)
    expected = replace(row, last_updated=written, last_checked=latest.replace(microsecond=0) if latest else None)
    assert parse_row({"region": REGION, **stored}) == expected


@given(
    observations=any_observations, base=st.none() | st.integers(1, 300).map(legacy), checked_s=st.integers(0, 20_000)
)
def test_marking_a_row_as_checked_moves_the_time_and_nothing_else(
    observations: list[Observation], base: RegionRow | None, checked_s: int
) -> None:
    row = merge(base, REGION, observations)
    stored = {"region": REGION} | {
        name: each for name, each in to_attributes(row, now=START).items() if each is not None
    }
    before = parse_row(stored)
    changes = checked_attributes(before, checked_at=at(checked_s), now=at(checked_s))
    after = parse_row({name: each for name, each in {**stored, **changes}.items() if each is not None})
    expected = max(each for each in (at(checked_s), before.last_checked) if each is not None)
    assert after == replace(before, last_checked=expected, last_updated=after.last_updated)
    assert after.last_updated != before.last_updated
    merged = merge(after, REGION, [failed(A, 60)])  # a scan that began earlier takes nothing back
    assert to_attributes(merged, now=START)["lastChecked"] >= changes["lastChecked"]


def test_a_row_of_another_writer_keeps_its_account_status_and_error_when_its_time_is_moved() -> None:
    stored = {"region": REGION, "serverCount": 3, "status": "SOMETHING_NEW", "accountId": A, "errorMessage": "denied"}
    written = {**stored, "lastUpdated": "2026-11-23T05:00:00+00:00"}
    changes = checked_attributes(parse_row(written), checked_at=at(600), now=at(600))
    assert changes == {
        "lastChecked": "2026-11-23T05:10:00Z",
        "lastScanned": "2026-11-23T05:00:00.000000+00:00",
        "lastUpdated": "2026-11-23T05:10:00.000000+00:00",
    }
    # Nor does the begin of a full scan, which sets every other attribute.
    marked = to_attributes(merge(parse_row(written), REGION, [], full_scan_mark=FullScanMark(START)), now=at(600))
    assert not {"accountId", "errorMessage"} & marked.keys()
    again = parse_row({**written, **changes})
    assert (again.last_scanned, again.last_checked) == (START, at(600))


def test_a_count_without_account_stays_until_every_account_was_scanned() -> None:
    both = frozenset({A, B})
    half = merge(legacy(40), REGION, [complete(A, 0, 25), failed(B, 0)], all_accounts=both)
    assert (half.server_count, half.unattributed) == (40, 40)
    assert merge(half, REGION, [failed(B, 60)], all_accounts=both).server_count == 40
    assert merge(half, REGION, [complete(A, 60, 50)], all_accounts=both).server_count == 50
    done = merge(half, REGION, [complete(B, 60, 10)], all_accounts=both)
    assert (done.server_count, done.unattributed) == (35, None)
    assert merge(done, REGION, [failed(C, 90)]).server_count == 35
    complete_row = merge(half, REGION, [], all_accounts=frozenset({A}))
    assert (complete_row.server_count, complete_row.unattributed) == (25, None)


def test_a_count_without_account_survives_two_runs_of_one_account_each() -> None:
    observations = [complete(A, 0, 0), failed(B, 0, RegionStatus.IAM_PERMISSION_DENIED)]
    together = merge(legacy(40), REGION, observations)
    apart = merge(merge(legacy(40), REGION, observations[:1]), REGION, observations[1:])
    assert together.server_count == 40
    assert apart == together


@pytest.mark.parametrize(
    ("known", "left", "count"),
    [(None, {A, B}, 12), (frozenset({A}), {A}, 5), (frozenset(), set(), 0), (frozenset({A, B, C}), {A, B}, 12)],
)
def test_entries_of_unknown_accounts_go_only_when_the_accounts_are_known(
    known: frozenset[str] | None, left: set[str], count: int
) -> None:
    row = merge(None, REGION, [complete(A, 0, 5), complete(B, 0, 7)])
    after = merge(row, REGION, [], all_accounts=known)
    assert (set(after.accounts), after.server_count) == (left, count)


@pytest.mark.parametrize(
    ("observation", "stands"),
    [
        (complete(A, 20, 3), False),
        (complete(A, 20, 0), False),
        (complete(A, 5, 3), True),  # that scan began before the request
        (failed(A, 20, RegionStatus.THROTTLED), True),
        (failed(A, 20, RegionStatus.ERROR), True),
        (failed(A, 20, RegionStatus.IAM_PERMISSION_DENIED), False),
        (failed(A, 20, RegionStatus.SCP_DENIED), False),
        (failed(A, 20, RegionStatus.REGION_NOT_OPTED_IN), False),
        (complete(B, 20, 3), True),
    ],
)
def test_a_request_for_a_scan_stays_until_it_is_fulfilled_or_denied(observation: Observation, *, stands: bool) -> None:
    row = merge(None, REGION, [], scan_requests={A: at(10)})
    assert row.accounts[A].scan_requested_at == at(10)
    assert (merge(row, REGION, [observation]).accounts[A].scan_requested_at is not None) is stands


@pytest.mark.parametrize(
    ("observation", "stands"),
    [
        (complete(A, 10, 3), False),
        (complete(A, 10, 0), False),
        (failed(A, 10, RegionStatus.IAM_PERMISSION_DENIED), True),  # it may have written items before it was denied
        (failed(A, 10, RegionStatus.ERROR), True),
    ],
)
def test_a_scan_settles_the_request_that_it_made_itself_only_when_it_was_complete(
    observation: Observation, *, stands: bool
) -> None:
    row = merge(None, REGION, [], scan_requests={A: observation.scanned_at})
    assert (merge(row, REGION, [observation]).accounts[A].scan_requested_at is not None) is stands


def test_a_request_in_the_future_outlives_earlier_scans() -> None:
    row = merge(None, REGION, [complete(A, 0, 0)], scan_requests={A: at(840)})
    assert merge(row, REGION, [complete(A, 839, 0)]).accounts[A].scan_requested_at == at(840)
    assert merge(row, REGION, [complete(A, 840, 0)]).accounts[A].scan_requested_at is None


def test_the_latest_of_several_requests_counts() -> None:
    row = merge(merge(None, REGION, [], scan_requests={A: at(30)}), REGION, [], scan_requests={A: at(10)})
    assert row.accounts[A].scan_requested_at == at(30)


@pytest.mark.parametrize(
    ("observation", "requested"),
    [
        (complete(A, 20, 3), 10.0),  # already scanned when the request is written
        (failed(A, 20, RegionStatus.IAM_PERMISSION_DENIED), 30.0),  # an earlier denial does not end a later request
    ],
)
def test_requests_and_scans_merge_alike_in_either_order(observation: Observation, requested: float) -> None:
    scan_requests = {A: at(requested)}
    scan_first = merge(merge(None, REGION, [observation]), REGION, [], scan_requests=scan_requests)
    request_first = merge(merge(None, REGION, [], scan_requests=scan_requests), REGION, [observation])
    assert scan_first == request_first


def test_old_readers_see_the_account_that_has_most_servers() -> None:
    row = merge(None, REGION, [complete(A, 0, 3), complete(B, 0, 7), failed("333333333333", 0)])
    assert to_attributes(row, now=at(1))["accountId"] == B


def test_long_messages_are_cut_and_several_are_counted() -> None:
    row = merge(None, REGION, [failed(A, 0, text="y" * 5000), failed(B, 0, text="z"), failed(C, 0, text="w")])
    assert len(row.accounts[A].error_message) == 300
    assert to_attributes(row, now=START)["errorMessage"].endswith("(and 2 more)")


DARK: Final = RegionStatus.ENDPOINT_UNREACHABLE


@pytest.mark.parametrize(
    ("observations", "unreachable"),
    [
        ([], False),
        ([complete(A, 0, 3), failed(A, 9, DARK)], True),
        ([failed(A, 0, DARK), complete(A, 9, 3)], False),
        ([complete(A, 0, 3), failed(B, 9, DARK)], True),  # the network is the same for all accounts
        ([failed(A, 0, DARK), complete(B, 9, 3)], False),
        ([failed(A, 0, DARK), failed(B, 9, RegionStatus.SCP_DENIED)], False),
        ([failed(A, 0, DARK), failed(B, 9, RegionStatus.IAM_PERMISSION_DENIED)], True),  # perhaps by STS
        ([failed(A, 0, DARK), failed(B, 9, RegionStatus.ERROR)], True),
    ],
)
def test_the_latest_scan_says_whether_a_region_can_be_reached(
    observations: list[Observation], *, unreachable: bool
) -> None:
    row = merge(None, REGION, observations)
    assert unreachable_regions([row]) == (frozenset({REGION}) if unreachable else frozenset())


def test_a_row_of_a_legacy_writer_says_it_with_its_own_status() -> None:
    assert parse_row({"region": REGION, "serverCount": 0, "status": str(DARK)}).was_unreachable
    assert not legacy().was_unreachable
