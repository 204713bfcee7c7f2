"""Tables and pairs as plain lines: no boxes, one line per row, ids whole, only the columns that fit. Pure.

All output in columns is made here. A console that does not wrap (`no_wrap`, for a pipe) has no width, so all is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.text import Text

from service.text import printable

__all__ = ["Column", "columns", "pairs", "table"]

_GAP: Final = 2
_MIN_CUT: Final = 8
_ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Args:
        heading: its heading.
        priority: columns with a larger number are left out first where there is no room; 0 is never left out.
        is_number: aligned right.
        can_be_cut: its texts may be cut where there is no room; ids are not.
        readable: characters to which its texts are cut, if at all, before another column is left out.
    """

    heading: str
    priority: int = 0
    is_number: bool = False
    can_be_cut: bool = False
    readable: int = 12


def table(title: str, headings: Sequence[Column], rows: Iterable[Sequence[object]], *, is_wide: bool = False) -> Group:
    """Render a title, and below it the headings and a line per row; the title alone if there is no row.

    Args:
        title: what the rows are.
        headings: the columns.
        rows: the cells; control characters are replaced.
        is_wide: show every column whole, whatever the width of the terminal.
    """
    cells = [tuple(row) for row in rows]
    return Group(Text(printable(title), style="bold"), *([_Rows(headings, cells, is_wide=is_wide)] if cells else []))


def pairs(title: str, items: Iterable[tuple[str, object]]) -> Group:
    """Render a title, and below it a line per name and value; values are aligned, and folded where a terminal ends."""
    return Group(Text(printable(title), style="bold"), _Pairs([(name, printable(value)) for name, value in items]))


class _Rows:
    """Rows in columns, for any console."""

    def __init__(self, headings: Sequence[Column], rows: Sequence[Sequence[object]], *, is_wide: bool) -> None:
        self._headings, self._rows, self._is_wide = headings, rows, is_wide

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = None if self._is_wide or options.no_wrap else options.max_width
        for number, line in enumerate(columns(self._headings, self._rows, width)):
            yield Text(line, style="" if number else "dim", no_wrap=True, overflow="ignore")


class _Pairs:
    """Names, and values beside them, for any console."""

    def __init__(self, items: Sequence[tuple[str, str]]) -> None:
        self._items = items

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max((cell_len(name) for name, _ in self._items), default=0) + _GAP
        room = max(_MIN_CUT, options.max_width - width)
        for name, value in self._items:
            text = Text(value)
            lines = [text] if options.no_wrap else [*text.wrap(console, room, overflow="fold")] or [text]
            for number, line in enumerate(lines):
                start = Text(set_cell_size("" if number else name, width))
                shown = start + line
                shown.rstrip()
                shown.no_wrap, shown.overflow = True, "ignore"
                yield shown


def columns(headings: Sequence[Column], rows: Iterable[Sequence[object]], width: int | None) -> Iterator[str]:
    """Yield a line of headings and a line per row.

    Args:
        headings: the columns.
        rows: the cells; control characters are replaced.
        width: columns of the terminal; None for no limit.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [
        max([cell_len(column.heading), *(cell_len(row[position]) for row in cells)])
        for position, column in enumerate(headings)
    ]
    shown = [*range(len(headings))]
    if width is not None:
        shown, widths = _fitting(headings, widths, width)
    yield _line([headings[position].heading for position in shown], headings, shown, widths)
    for row in cells:
        yield _line([row[position] for position in shown], headings, shown, widths)


def _fitting(headings: Sequence[Column], widths: Sequence[int], width: int) -> tuple[list[int], list[int]]:
    """Return the columns that are shown, and the widths: first what can be left out is, then what can be cut."""
    shown, fitted = [*range(len(headings))], list(widths)

    def excess() -> int:
        return sum(map(int, (fitted[position] for position in shown))) + _GAP * (len(shown) - 1) - width

    def cut(*, most: bool) -> None:
        for position in sorted(shown, key=lambda each: -fitted[each]):
            column = headings[position]
            if column.can_be_cut and excess() > 0:
                least = min(_MIN_CUT if most else column.readable, fitted[position])
                fitted[position] = max(least, fitted[position] - excess())

    while True:
        cut(most=False)
        optional = [position for position in shown if headings[position].priority]
        if excess() <= 0:
            return shown, fitted
        if not optional:
            cut(most=True)
            return shown, fitted
        shown.remove(max(optional, key=lambda each: (headings[each].priority, each)))
        fitted = [*widths]


def _line(texts: Sequence[str], headings: Sequence[Column], shown: Sequence[int], widths: Sequence[int]) -> str:
    parts = []
    for text, position in zip(texts, shown, strict=True):
        width = widths[position]
        if cell_len(text) > width and headings[position].can_be_cut:
            text = set_cell_size(text, width - 1) + _ELLIPSIS  # noqa: PLW2901 - the text that is shown
        padding = " " * (width - cell_len(text))
        parts.append(padding + text if headings[position].is_number else text + padding)
    return (" " * _GAP).join(parts).rstrip()
