"""A table of texts, which each format renders in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["PageTable"]


class PageTable(NamedTuple):
    """A table of texts: its id, title, caption, headings and rows, and what is shown instead of no rows."""

    id: str
    title: str
    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    empty: str
