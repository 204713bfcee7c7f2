"""Indented text for a terminal and for a pipe. Pure."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.text import Text

from service.text import printable

__all__ = ["Indented"]


class Indented:
    """One sanitized text, of which every line is indented. A console that does not wrap shows it as one whole line."""

    def __init__(self, text: str, columns: int) -> None:
        self._text, self._columns = printable(text), columns

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.no_wrap:  # a Padding would cut the text at the width that a pipe does not have
            yield Text(" " * self._columns + self._text)
        else:
            yield Padding(Text(self._text), (0, 0, 0, self._columns))
