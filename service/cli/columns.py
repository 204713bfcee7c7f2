"""Plain columns of text: one line per row, no boxes, whole ids, and only the columns for which there is room. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, set_cell_size

from service.text import printable

__all__ = ["Column", "columns"]

_GAP: Final = 2
_MIN_CUT: Final = 8
_READABLE: Final = 12  # to which texts are cut before a column is left out
_ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Args:
        heading: its heading.
        priority: columns with a larger number are left out first where there is no room; 0 is never left out.
        is_number: aligned right.
        can_be_cut: its texts may be cut where there is no room; ids are not.
    """

    heading: str
    priority: int = 0
    is_number: bool = False
    can_be_cut: bool = False


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

    def cut(floor: int) -> None:
        for position in sorted(shown, key=lambda each: -fitted[each]):
            if headings[position].can_be_cut and excess() > 0:
                fitted[position] = max(min(floor, fitted[position]), fitted[position] - excess())

    while True:
        cut(_READABLE)
        optional = [position for position in shown if headings[position].priority]
        if excess() <= 0:
            return shown, fitted
        if not optional:
            cut(_MIN_CUT)
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
