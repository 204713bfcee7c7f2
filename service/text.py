"""Text that comes from elsewhere, made safe to print on a terminal."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["printable"]

# C0 and C1 control characters; line and paragraph separators; marks that change the direction of what follows.
_CONTROL_CHARACTERS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(value: object) -> str:
    """Return a value as one line of text, each control character replaced by U+FFFD."""
    return _CONTROL_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", str(value))
