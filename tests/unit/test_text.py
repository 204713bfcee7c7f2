"""External text cannot control a terminal, and a mistyped word leads to the one that was meant."""

from __future__ import annotations

import pytest

from service.text import printable, spreadsheet_cell, suggestion


@pytest.mark.parametrize("character", "\x00\x07\n\r\x1b\x7f\x9b\u2028\u2029\u202e\u2066")
def test_a_control_character_is_replaced(character: str) -> None:
    assert printable(f"a{character}b") == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("value", ["web-01 [bold]", "ÄÖ 中文 🙂", "", 5, None])
def test_other_text_stays_as_it_is(value: object) -> None:
    assert printable(value) == str(value)


@pytest.mark.parametrize(
    ("value", "similar"),
    [("STALED", "STALLED"), ("staled", "STALLED"), ("continous", "CONTINUOUS"), ("mars", ""), ("", "")],
)
def test_the_most_similar_word_is_suggested(value: str, similar: str) -> None:
    assert suggestion(value, ("CONTINUOUS", "PAUSED", "STALLED")) == similar


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", " =1", "\ufeff=1", "\u200b=1", "\uff1d1", "'x"])
def test_a_cell_that_a_spreadsheet_would_run_begins_with_an_apostrophe(text: str) -> None:
    assert spreadsheet_cell(text).startswith("'")


@pytest.mark.parametrize("text", ["app-web-01", "", "a=b", "1-2"])
def test_any_other_cell_is_as_it_is(text: str) -> None:
    assert spreadsheet_cell(text) == text
