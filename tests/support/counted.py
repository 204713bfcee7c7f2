"""Text that counts how often it is compared: tells a look-up from a search, whatever the machine."""

from __future__ import annotations

__all__ = ["CountedText"]


class CountedText(str):
    """Text of which every comparison with another text counts. Looking it up in a set or mapping rarely needs one."""

    __slots__ = ()
    comparisons = 0

    def __eq__(self, other: object) -> bool:
        type(self).comparisons += 1
        return super().__eq__(other)

    __hash__ = str.__hash__
