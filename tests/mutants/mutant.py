"""One planted bug, and what the pages promise about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

__all__ = ["ROOT", "Mutant", "promised_tests"]

ROOT: Final = Path(__file__).parents[2]
_ROW: Final = re.compile(r"^\| ([RG]\d+(?:\.\d+)?) \|(.*)\|$", re.MULTILINE)
_TEST: Final = re.compile(r"`([\w/]+\.py::(?:\*|\w+))`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A bug that is planted by replacing one text of one file.

    `breaks`: numbers of the criteria in docs/requirements.md and guarantees in docs/guarantees.md that it takes away.
    `file`: path from the root of the project. `before` occurs exactly once in it. `tests`: those that must fail, below
    `tests/`, as the pages write them (`unit/test_text.py::test_a` or `unit/test_text.py::*`, of which one must fail).
    """

    name: str
    breaks: tuple[str, ...]
    file: str
    before: str
    after: str
    tests: tuple[str, ...]

    def planted(self, text: str) -> str:
        """Return the text of the file with the bug.

        Raises:
            ValueError: `before` does not occur exactly once.
        """
        if (count := text.count(self.before)) != 1:
            raise ValueError(
                f"the text to replace occurs {count} times in {self.file}. "
                f"Fix: give the mutant {self.name!r} the text as it is now, as much as is there once: {self.before!r}"
            )
        return text.replace(self.before, self.after)


def promised_tests() -> Mapping[str, frozenset[str]]:
    """Return the tests that the pages name, by the number of the criterion or guarantee."""
    rows: dict[str, frozenset[str]] = {}
    for page in ("requirements.md", "guarantees.md"):
        for number, cells in _ROW.findall((ROOT / "docs" / page).read_text()):
            rows[number] = frozenset(_TEST.findall(cells))
    return MappingProxyType(rows)
