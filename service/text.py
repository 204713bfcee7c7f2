"""Text that comes from elsewhere: made safe to print on a terminal, and compared with the words that are accepted."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Final

__all__ = ["printable", "shortened", "spreadsheet_cell", "suggestion"]

# C0 and C1 control characters; line and paragraph separators; marks that change the direction of what follows.
_CONTROL_CHARACTERS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(value: object) -> str:
    """Return a value as one line of text, each control character replaced by U+FFFD."""
    return _CONTROL_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", str(value))


_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "'")
_INVISIBLE: Final = " \N{ZERO WIDTH SPACE}\N{ZERO WIDTH NO-BREAK SPACE}"


def spreadsheet_cell(text: str) -> str:
    """Return a text for a cell of CSV: one that a spreadsheet would run as a formula begins with an apostrophe."""
    # Some spreadsheets drop what is invisible at the start, and read full-width signs as the plain ones.
    start = unicodedata.normalize("NFKC", text).lstrip(_INVISIBLE)
    return f"'{printable(text)}" if text.startswith(_FORMULA) or start.startswith(_FORMULA) else printable(text)


def suggestion(value: str, accepted: Collection[str], *, cutoff: float = 0.6) -> str:
    """Return the accepted word that a mistyped value most likely stands for; empty when none is similar.

    `cutoff` is how similar it has to be, from 0 to 1 (see `difflib.SequenceMatcher.ratio`).
    """
    by_folded = {word.casefold(): word for word in accepted}
    return next((by_folded[match] for match in get_close_matches(value.casefold(), by_folded, 1, cutoff)), "")


def shortened(words: Sequence[str], most: int = 20) -> str:
    """Return words separated by commas, no more than `most` of them, or "none"."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return (", ".join(words[:most]) or "none") + more
