"""Rows of the region status table: any shape is read, and looks may come in any order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from service.models import RegionStatus, parse_iso
from service.regions.rows import AccountEntry, Note, RegionRow, fold, parse_row, to_attributes

REGION: Final = "us-west-2"
ACCOUNTS: Final = ("111122223333", "444455556666", "777788889999")
A, B, C = ACCOUNTS
START: Final = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
SETTLING: Final = (RegionStatus.ACTIVE, RegionStatus.NOT_INITIALIZED)
FAILURES: Final = tuple(status for status in RegionStatus if status not in SETTLING)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def complete(account: str, seconds: float, count: int) -> Note:
    return Note(account, RegionStatus.ACTIVE, at(seconds), count)


def failed(account: str, seconds: float, status: RegionStatus = RegionStatus.THROTTLED, text: str = "x") -> Note:
    return Note(account, status, at(seconds), None, text)


def legacy(count: int = 40, **more: Any) -> RegionRow:
    return parse_row({"region": REGION, "serverCount": count, "status": "ACTIVE", **more})


moments = (st.integers(0, 4) | st.floats(0, 7200)).map(lambda seconds: at(round(seconds, 6)))  # some of them equal
completes = st.builds(Note, st.sampled_from(ACCOUNTS), st.just(RegionStatus.ACTIVE), moments, st.integers(0, 300))
uninitialised = st.builds(
    Note, st.sampled_from(ACCOUNTS), st.just(RegionStatus.NOT_INITIALIZED), moments, st.just(0), st.just("")
)
failures = st.builds(
    Note, st.sampled_from(ACCOUNTS), st.sampled_from(FAILURES), moments, st.none(), st.text(max_size=400)
)


def several(notes: st.SearchStrategy[Note]) -> st.SearchStrategy[list[Note]]:
    return st.lists(notes, max_size=9)


any_notes = several(completes | uninitialised | failures)
request_maps = st.dictionaries(st.sampled_from(ACCOUNTS), moments)
rows_of_any_age = st.builds(
    lambda base, notes: fold(base, REGION, notes) if notes else base,
    st.none() | st.integers(0, 300).map(legacy),
    any_notes,
)


def last_complete_sum(notes: Sequence[Note]) -> int:
    """Add up, account by account, what the last look that brought a count brought."""
    latest: dict[str, tuple[datetime, int]] = {}
    for note in notes:
        if note.server_count is not None:
            found = (note.looked_at, note.server_count)  # of two looks of one instant the one that saw more
            latest[note.account_id] = max(found, latest.get(note.account_id, found))
    return sum(count for _, count in latest.values())


@given(row=rows_of_any_age, notes=any_notes, data=st.data())
def test_looks_fold_alike_in_any_order(row: RegionRow | None, notes: list[Note], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(notes))
    assert fold(row, REGION, shuffled) == fold(row, REGION, notes)


@given(row=rows_of_any_age, notes=any_notes, cut=st.integers(0, 9), data=st.data())
def test_looks_fold_alike_in_any_split(row: RegionRow | None, notes: list[Note], cut: int, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(notes))
    twice = fold(fold(row, REGION, shuffled[:cut]), REGION, shuffled[cut:])
    assert twice == fold(row, REGION, notes)


@given(row=rows_of_any_age, notes=any_notes)
def test_looks_folded_again_change_nothing(row: RegionRow | None, notes: list[Note]) -> None:
    once = fold(row, REGION, notes)
    assert fold(once, REGION, notes) == once


def test_two_looks_of_the_same_instant_fold_alike_in_either_order() -> None:
    two = [complete(A, 0, 5), complete(A, 0, 3)]
    assert fold(None, REGION, two) == fold(None, REGION, two[::-1])


@given(
    looks=several(completes | failures.filter(lambda note: note.status.passes)), requests=request_maps, data=st.data()
)
def test_requests_fold_alike_before_between_and_after_looks(
    looks: list[Note], requests: dict[str, datetime], data: st.DataObject
) -> None:
    first = fold(fold(None, REGION, [], requests=requests), REGION, looks)
    cut = data.draw(st.integers(0, len(looks)))
    between = fold(fold(None, REGION, looks[:cut], requests=requests), REGION, looks[cut:])
    last = fold(fold(None, REGION, looks), REGION, [], requests=requests)
    assert first == between == last


@given(notes=any_notes)
def test_the_count_is_the_sum_of_each_accounts_last_complete_look(notes: list[Note]) -> None:
    row = fold(None, REGION, notes)
    assert row.server_count == last_complete_sum(notes)
    assert set(row.accounts) == {note.account_id for note in notes}


@given(
    row=rows_of_any_age,
    notes=several(failures),
    known=st.none() | st.just(frozenset(ACCOUNTS)),
)
def test_a_failed_look_changes_no_count(row: RegionRow | None, notes: list[Note], known: frozenset[str] | None) -> None:
    before = fold(row, REGION, [], everyone=known)
    after = fold(row, REGION, notes, everyone=known)
    assert after.server_count == before.server_count
    for account_id, entry in before.accounts.items():
        assert after.accounts[account_id].server_count == entry.server_count
        assert after.accounts[account_id].last_complete == entry.last_complete


@given(earlier=several(completes | failures), status=st.sampled_from(FAILURES))
def test_a_failed_look_is_told_and_a_good_one_clears_it(earlier: list[Note], status: RegionStatus) -> None:
    row = fold(None, REGION, [*earlier, failed(A, 8000, status, "AccessDenied: no")])
    assert (row.accounts[A].status, row.accounts[A].error_message) == (status, "AccessDenied: no")
    assert to_attributes(row, now=START)["errorMessage"] is not None
    mended = fold(row, REGION, [complete(account, 9000, 1) for account in ACCOUNTS])
    assert to_attributes(mended, now=START)["errorMessage"] is None
    assert (mended.status, mended.last_checked) == (RegionStatus.ACTIVE, at(9000))


def test_every_look_moves_last_checked_the_failed_ones_too() -> None:
    row = fold(None, REGION, [complete(A, 0, 4), failed(B, 60)])
    attributes = to_attributes(row, now=at(99))
    assert attributes["lastChecked"] == "2026-11-23T05:01:00Z"
    assert attributes["lastUpdated"] == "2026-11-23T05:01:39.000000+00:00"
    assert attributes["accountId"] == A  # the one with most servers, whoever came last
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
def test_every_shape_a_row_ever_had_is_read(
    item: dict[str, Any], count: int, status: RegionStatus | None, checked: datetime | None
) -> None:
    row = parse_row({"region": REGION, **item})
    assert (row.server_count, row.status, row.last_checked) == (count, status, checked)
    assert row.is_old_shape


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
    assert fold(row, REGION, [complete(A, 60, 41)]).server_count == 44


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["ACTIVE", "2026-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
junk_entries = st.dictionaries(
    st.sampled_from(
        ["serverCount", "status", "lastChecked", "lastComplete", "errorMessage", "lookRequestedAt", "other"]
    ),
    json_values,
)
junk_rows = st.dictionaries(
    st.sampled_from(["serverCount", "status", "lastChecked", "lastUpdated", "version", "unattributedCount"]),
    json_values,
)


@given(
    attributes=junk_rows,
    accounts=json_values | st.dictionaries(st.sampled_from(ACCOUNTS), junk_entries | json_values),
    notes=any_notes,
)
def test_junk_is_read_as_not_known(attributes: dict[str, Any], accounts: object, notes: list[Note]) -> None:
    row = parse_row({"region": REGION, **attributes, "accounts": accounts})
    assert row.server_count >= 0
    after = fold(row, REGION, notes)
    assert after.server_count >= last_complete_sum(notes)
    assert parse_iso(to_attributes(after, now=START)["lastUpdated"]) != row.last_updated


@given(
    base=st.none() | st.integers(1, 300).map(legacy),
    notes=any_notes,
    requests=request_maps,
    prefetch=st.sampled_from([None, -100.0, 0.0, 100.0]),
)
def test_a_row_survives_being_written_and_read(
    base: RegionRow | None, notes: list[Note], requests: dict[str, datetime], prefetch: float | None
) -> None:
    held = None if prefetch is None else at(9999 + prefetch)
    row = replace(fold(base, REGION, notes, requests=requests), last_updated=held)
    assume(row.accounts)
    attributes = to_attributes(row, now=at(9999))
    stored = {name: value for name, value in attributes.items() if value is not None}
    # Never the time that was found, be the clock of this host behind: writers hold each other off by it.
    written = at(9999) if held is None or held < at(9999) else held + timedelta(microseconds=1)
    whole_seconds = row.last_checked.replace(microsecond=0) if row.last_checked else None
    expected = replace(
        row,
        last_updated=written,
        # A row that was never looked at falls back to the time it was written.
        last_checked=whole_seconds or written,
    )
    assert parse_row({"region": REGION, **stored}) == expected


def test_a_count_without_owner_stands_until_every_account_has_answered() -> None:
    both = frozenset({A, B})
    half = fold(legacy(40), REGION, [complete(A, 0, 25), failed(B, 0)], everyone=both)
    assert (half.server_count, half.unattributed) == (40, 40)
    assert fold(half, REGION, [failed(B, 60)], everyone=both).server_count == 40
    assert fold(half, REGION, [complete(A, 60, 50)], everyone=both).server_count == 50
    done = fold(half, REGION, [complete(B, 60, 10)], everyone=both)
    assert (done.server_count, done.unattributed) == (35, None)
    assert fold(done, REGION, [failed(C, 90)]).server_count == 35
    gone = fold(half, REGION, [], everyone=frozenset({A}))
    assert (gone.server_count, gone.unattributed) == (25, None)


def test_a_count_without_owner_survives_two_runs_of_one_account_each() -> None:
    notes = [complete(A, 0, 0), failed(B, 0, RegionStatus.IAM_PERMISSION_DENIED)]
    together = fold(legacy(40), REGION, notes)
    apart = fold(fold(legacy(40), REGION, notes[:1]), REGION, notes[1:])
    assert together.server_count == 40
    assert apart == together


@pytest.mark.parametrize(
    ("known", "left", "count"),
    [(None, {A, B}, 12), (frozenset({A}), {A}, 5), (frozenset(), set(), 0), (frozenset({A, B, C}), {A, B}, 12)],
)
def test_entries_of_unknown_accounts_go_only_when_the_accounts_are_known(
    known: frozenset[str] | None, left: set[str], count: int
) -> None:
    row = fold(None, REGION, [complete(A, 0, 5), complete(B, 0, 7)])
    after = fold(row, REGION, [], everyone=known)
    assert (set(after.accounts), after.server_count) == (left, count)


@pytest.mark.parametrize(
    ("note", "stands"),
    [
        (complete(A, 20, 3), False),
        (complete(A, 20, 0), False),
        (complete(A, 5, 3), True),  # that look began before the request
        (failed(A, 20, RegionStatus.THROTTLED), True),
        (failed(A, 20, RegionStatus.ERROR), True),
        (failed(A, 20, RegionStatus.IAM_PERMISSION_DENIED), False),
        (failed(A, 20, RegionStatus.SCP_DENIED), False),
        (failed(A, 20, RegionStatus.REGION_NOT_OPTED_IN), False),
        (complete(B, 20, 3), True),
    ],
)
def test_a_request_for_a_look_stands_until_it_is_answered_or_refused(note: Note, *, stands: bool) -> None:
    row = fold(None, REGION, [], requests={A: at(10)})
    assert row.accounts[A].requested_at == at(10)
    assert (fold(row, REGION, [note]).accounts[A].requested_at is not None) is stands


def test_the_latest_of_several_requests_counts() -> None:
    row = fold(fold(None, REGION, [], requests={A: at(30)}), REGION, [], requests={A: at(10)})
    assert row.accounts[A].requested_at == at(30)


@pytest.mark.parametrize(
    ("note", "requested"),
    [
        (complete(A, 20, 3), 10.0),  # already answered when the request is written down
        (failed(A, 20, RegionStatus.IAM_PERMISSION_DENIED), 30.0),  # a refusal answers no later request
    ],
)
def test_requests_and_looks_fold_alike_in_either_order(note: Note, requested: float) -> None:
    asked = {A: at(requested)}
    look_first = fold(fold(None, REGION, [note]), REGION, [], requests=asked)
    request_first = fold(fold(None, REGION, [], requests=asked), REGION, [note])
    assert look_first == request_first


def test_old_readers_are_told_the_account_that_has_most_servers() -> None:
    row = fold(None, REGION, [complete(A, 0, 3), complete(B, 0, 7), failed("333333333333", 0)])
    assert to_attributes(row, now=at(1))["accountId"] == B


def test_long_messages_are_cut_and_several_are_counted() -> None:
    row = fold(None, REGION, [failed(A, 0, text="y" * 5000), failed(B, 0, text="z"), failed(C, 0, text="w")])
    assert len(row.accounts[A].error_message) == 300
    assert to_attributes(row, now=START)["errorMessage"].endswith("(and 2 more)")
