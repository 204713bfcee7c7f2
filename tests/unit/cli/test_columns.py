"""Plain columns: one line per row whatever the width, ids whole, the less important columns left out first."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, RenderableType

from service.cli.columns import Column, columns, pairs, table

COLUMNS = (Column("name", can_be_cut=True), Column("id"), Column("n", 1, is_number=True), Column("where", 2))
ROW = ("retail-web-0001-with-a-long-name", "s-0123456789abcdef0", 7, "us-west-2")


def lines(width: int | None, *rows: tuple[object, ...]) -> list[str]:
    return list(columns(COLUMNS, rows or (ROW,), width))


def test_without_a_limit_everything_is_shown() -> None:
    assert lines(None) == [
        "name                              id                   n  where",
        "retail-web-0001-with-a-long-name  s-0123456789abcdef0  7  us-west-2",
    ]


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (80, "retail-web-0001-with-a-long-name  s-0123456789abcdef0  7  us-west-2"),
        (60, "retail-web-0001-with-a-l…  s-0123456789abcdef0  7  us-west-2"),
        (45, "retail-web-0001-with…  s-0123456789abcdef0  7"),
        (35, "retail-web-00…  s-0123456789abcdef0"),
        (10, "retail-…  s-0123456789abcdef0"),
    ],
)
def test_names_are_cut_a_little_then_columns_are_left_out_and_ids_stay_whole(width: int, shown: str) -> None:
    assert lines(width)[1] == shown


@given(
    st.lists(st.tuples(st.text(max_size=40), st.just("s-0123456789abcdef0"), st.integers(), st.text(max_size=20))),
    st.integers(30, 200),
)
def test_there_is_one_line_per_row_and_none_is_wider_than_the_terminal(
    rows: list[tuple[str, str, int, str]], width: int
) -> None:
    shown = list(columns(COLUMNS, rows, width))
    assert len(shown) == len(rows) + 1
    assert all(cell_len(line) <= max(width, 29) and "\n" not in line for line in shown)
    assert all(row[1] in line for row, line in zip(rows, shown[1:], strict=True))


def printed(shown: RenderableType, width: int, *, is_pipe: bool = False) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=width).print(shown, crop=False, soft_wrap=is_pipe)
    return text.getvalue().splitlines()


def test_a_table_has_a_title_and_is_as_wide_as_the_console() -> None:
    assert printed(table("servers", COLUMNS, [ROW]), 45) == ["servers", *lines(45)]
    assert printed(table("servers", COLUMNS, [ROW], is_wide=True), 45) == ["servers", *lines(None)]
    assert printed(table("servers", COLUMNS, [ROW]), 45, is_pipe=True) == ["servers", *lines(None)]


def test_a_table_without_rows_is_its_title_alone() -> None:
    assert printed(table("0 servers", COLUMNS, []), 80) == ["0 servers"]


def test_wide_characters_are_aligned_by_cells() -> None:
    shown = printed(table("t", COLUMNS, [("srv-東京-01", "s-1", 1, "x"), ("srv-a", "s-2", 10, "x")]), 80)
    assert len({cell_len(line[: line.index("s-")]) for line in shown[2:]}) == 1
    assert len(set(map(cell_len, shown[2:]))) == 1


def test_pairs_are_aligned_and_their_values_folded_where_a_terminal_ends() -> None:
    shown = pairs("an account", [("id", "111122223333"), ("role", "arn:aws:iam::111122223333:role/Role \x1b[2J")])
    assert printed(shown, 30) == [
        "an account",
        "id    111122223333",
        "role  arn:aws:iam::11112222333",
        "      3:role/Role \N{REPLACEMENT CHARACTER}[2J",
    ]
    assert printed(shown, 30, is_pipe=True)[2:] == [
        "role  arn:aws:iam::111122223333:role/Role \N{REPLACEMENT CHARACTER}[2J"
    ]
    assert printed(pairs("none", [("name", "")]), 30) == ["none", "name"]


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (70, "s-1  STALLED AGENT_NOT_SEEN  111122223333"),
        (40, "s-1  STALLED AGENT_NOT_SEEN"),
        (20, "s-1  STALLED AGENT_…"),
    ],
)
def test_a_text_that_matters_is_cut_after_other_columns_are_left_out(width: int, shown: str) -> None:
    headings = (Column("id"), Column("state", can_be_cut=True, readable=30), Column("account", 1))
    assert list(columns(headings, [("s-1", "STALLED AGENT_NOT_SEEN", "111122223333")], width))[1] == shown
