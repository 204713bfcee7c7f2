"""Indented text for a terminal and for a pipe. Pure."""

from __future__ import annotations

from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from service.text import printable

__all__ = ["Indented"]

_MIN_ROOM: Final = 8


class Indented:
    """One sanitized text, of which every line is indented. A console that does not wrap shows it as one whole line."""

    def __init__(self, text: str, columns: int) -> None:
        self._text, self._columns = printable(text), columns

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        text, room = Text(self._text), max(_MIN_ROOM, options.max_width - self._columns)
        for line in [text] if options.no_wrap else text.wrap(console, room):
            line.rstrip()
            yield Text(" " * self._columns + line.plain, no_wrap=True, overflow="ignore")
