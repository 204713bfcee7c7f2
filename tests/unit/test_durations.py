"""Durations as people read and write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.durations import human_duration, parse_duration_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("15 min", 900),
        ("4h", 14_400),
        ("30d", 2_592_000),
        ("2w", 1_209_600),
        (" 15M ", 900),
        ("PT15M", 900),
        ("P1DT1H", 90_000),
        ("p0d", 0),
        ("15", None),
        ("m", None),
        ("P", None),
        ("PT", None),
        ("-5m", None),
        ("1.5h", None),
        ("", None),
    ],
)
def test_a_duration_is_parsed(text: str, seconds: int | None) -> None:
    assert parse_duration_s(text) == seconds


@given(st.text())
def test_any_other_text_is_none(text: str) -> None:
    seconds = parse_duration_s(text)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (840, "14 min"),
        (7199, "119 min"),
        (90_000, "25 h"),
        (518_400, "6 d"),
    ],
)
def test_a_duration_is_written_in_the_largest_unit_of_which_there_are_two(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text
