"""Guard of region status: what one scan may settle depends on the row as it is when the scan is recorded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.models import RegionStatus
from service.regions.status_entry import AccountEntry
from service.regions.status_guard import admissible
from service.regions.status_rows import Observation, RegionRow

A: Final = "111122223333"
AT: Final = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
LATER: Final = AT + timedelta(minutes=14)
CLOSED: Final = Observation(A, RegionStatus.NOT_INITIALIZED, AT, 0)
NONE_LISTED: Final = Observation(A, RegionStatus.ACTIVE, AT, 0)


def row(**members: object) -> RegionRow:
    return RegionRow("us-west-2", accounts={A: AccountEntry(**members)})  # type: ignore[arg-type]


@pytest.mark.parametrize("stored", [None, row(), row(server_count=0), row(scan_requested_at=LATER)])
def test_not_initialized_settles_where_no_servers_are_known(stored: RegionRow | None) -> None:
    assert admissible(stored, [CLOSED]) == [CLOSED]


def test_not_initialized_waits_where_another_run_has_found_servers_meanwhile() -> None:
    (waiting,) = admissible(row(server_count=2), [CLOSED])
    assert (waiting.status, waiting.server_count, waiting.is_unconfirmed_empty) == (RegionStatus.ERROR, None, True)
    assert "UninitializedAccountException" in waiting.error_message


@pytest.mark.parametrize(("count", "limit", "known"), [(0, 0, 1), (0, 0, 40), (2, 4, 5)])
def test_a_list_that_the_run_had_no_reason_to_doubt_settles_nothing_where_more_servers_are_known(
    count: int, limit: int, known: int
) -> None:
    listed = Observation(A, RegionStatus.ACTIVE, AT, count, believed_up_to=limit)
    (doubted,) = admissible(row(server_count=known, last_complete=AT - timedelta(minutes=15)), [listed])
    assert (doubted.status, doubted.server_count) == (RegionStatus.ERROR, None)
    assert f"listed {count} servers where {known} are known" in doubted.error_message
    for repeated in (None, known):
        believed = Observation(A, RegionStatus.ACTIVE, AT, count, believed_up_to=repeated)
        assert admissible(row(server_count=known), [believed]) == [believed]
    outdated = row(server_count=known, last_complete=LATER)  # merged by time, so it changes no count
    assert admissible(outdated, [listed]) == [listed]


def test_not_initialized_that_was_confirmed_settles() -> None:
    confirmed = Observation(A, RegionStatus.NOT_INITIALIZED, AT, 0, is_confirmed_empty=True)
    assert admissible(row(server_count=2, empty_seen_at=AT), [confirmed]) == [confirmed]


@pytest.mark.parametrize("found", [CLOSED, NONE_LISTED], ids=["not initialized", "an empty list"])
@pytest.mark.parametrize("doubt", [{"server_count": 2}, {"scan_requested_at": LATER}, {"empty_seen_at": AT}])
def test_a_sync_that_reads_no_items_settles_no_scope_in_which_a_scan_is_due(
    found: Observation, doubt: dict[str, object]
) -> None:
    tags = Observation(found.account_id, found.status, found.scanned_at, 0, reads_items=False)
    assert admissible(row(**doubt), [tags]) == []
    assert admissible(row(server_count=0), [tags]) == admissible(None, [tags]) == [tags]


def test_a_sync_that_reads_no_items_raises_a_count_and_never_lowers_it() -> None:
    fewer, more = (Observation(A, RegionStatus.ACTIVE, AT, count, reads_items=False) for count in (3, 9))
    assert admissible(row(server_count=5), [fewer, more]) == [more]


@given(
    count=st.none() | st.integers(1, 9),
    status=st.sampled_from([each for each in RegionStatus if each is not RegionStatus.NOT_INITIALIZED]),
    reads_items=st.booleans(),
    known=st.none() | st.integers(0, 1),
)
def test_a_count_of_servers_and_a_failure_are_merged_as_they_are(
    *, count: int | None, status: RegionStatus, reads_items: bool, known: int | None
) -> None:
    found = Observation(A, status, AT, count, reads_items=reads_items)
    assert admissible(row(server_count=known, scan_requested_at=LATER), [found]) == [found]
