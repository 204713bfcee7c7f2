"""Indented text: every line on a terminal, one whole line in a pipe."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from service.cli.indented import Indented


@pytest.mark.parametrize(
    ("is_pipe", "shown"),
    [
        (False, ["  one two", "  three", "  four\N{REPLACEMENT CHARACTER}"]),
        (True, ["  one two three four\N{REPLACEMENT CHARACTER}"]),
    ],
)
def test_lines_are_indented(shown: list[str], *, is_pipe: bool) -> None:
    text = io.StringIO()
    Console(file=text, width=10).print(Indented("one two three four\x1b", 2), soft_wrap=is_pipe)
    assert [line.rstrip() for line in text.getvalue().splitlines()] == shown
