"""Times in all stored forms, denied statuses, account ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.models import Problem, RegionStatus, is_account_id, iso, parse_iso

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=zones))  # noqa: DTZ001 - zones are drawn
def test_a_time_survives_being_written_and_read(moment: datetime) -> None:
    assert parse_iso(iso(moment)) == moment
    assert parse_iso(iso(moment) + "Z") == moment
    assert parse_iso(iso(moment).replace("+00:00", "Z")) == moment


@example(first=datetime(2026, 1, 1, 5, 0, 0, tzinfo=UTC), second=datetime(2026, 1, 1, 5, 0, 0, 500, tzinfo=UTC))
@given(first=st.datetimes(timezones=st.just(UTC)), second=st.datetimes(timezones=st.just(UTC)))
def test_written_times_compare_as_text(first: datetime, second: datetime) -> None:
    assert (iso(first) < iso(second)) == (first < second)
    assert len(iso(first)) == len(iso(second)) == 32


@given(st.none() | st.integers() | st.text() | st.lists(st.text()))
def test_what_is_no_time_is_none_or_a_time_in_utc(value: object) -> None:
    moment = parse_iso(value)
    assert moment is None or moment.utcoffset() == timedelta(0)


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_beyond_the_calendar_is_none(value: str) -> None:
    assert parse_iso(value) is None


def test_a_problem_is_reported_without_its_empty_members() -> None:
    problem = Problem("C", "m", RegionStatus.ERROR, region="us-east-1")
    assert problem.as_json() == {"region": "us-east-1", "code": "C", "status": "ERROR", "message": "m"}


def test_denied_is_what_iam_or_the_organisation_refuses() -> None:
    assert {status for status in RegionStatus if status.is_denied} == {
        RegionStatus.IAM_PERMISSION_DENIED,
        RegionStatus.SCP_DENIED,
    }


@pytest.mark.parametrize(
    ("value", "valid"),
    [
        ("000000000012", True),
        ("00000000001", False),
        ("0000000000123", False),
        ("000000000012\n", False),
        ("00000000001a", False),
        ("１" * 12, False),  # noqa: RUF001 - digits, but not of ASCII
        (123456789012, False),
        (None, False),
        ("", False),
    ],
)
def test_an_account_id_is_twelve_ascii_digits(value: object, *, valid: bool) -> None:
    assert is_account_id(value) is valid
