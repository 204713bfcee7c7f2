"""External text cannot control a terminal, and a mistyped word leads to the one that was meant."""

from __future__ import annotations

import pytest

from service.text import printable, suggestion


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
