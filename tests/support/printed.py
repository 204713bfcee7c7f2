"""What a terminal shows of a renderable, for tests."""

from __future__ import annotations

import io
from typing import Final

from rich.console import Console, RenderableType

__all__ = ["SHOWN", "WHY", "joined", "printed"]

WHY: Final = "a reason that is longer than the terminal is wide, and that nobody may cut off before its \x1b[2J end"
SHOWN: Final = WHY.replace("\x1b", "\N{REPLACEMENT CHARACTER}")
"""The reason as it may be shown."""


def printed(shown: RenderableType, width: int = 60) -> list[str]:
    """Return the lines that a terminal shows, without blanks at their end."""
    text = io.StringIO()
    Console(file=text, width=width).print(shown, crop=False)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def joined(lines: list[str]) -> str:
    """Return folded lines as one."""
    return " ".join(line.strip() for line in lines)
