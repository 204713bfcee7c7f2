"""Choice of some of many tests or mutants by the commit that is checked out: each commit tries others."""

from __future__ import annotations

import random
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, TypeVar

import pytest

__all__ = ["Kind", "Sample", "draw", "head", "left_out"]

_ROOT: Final = Path(__file__).parents[2]
Each = TypeVar("Each")
Kind = Literal["many", "long", "short"]


def draw(among: Sequence[Each], count: int, seed: str) -> list[Each]:
    """Draw so many from a seed, in their order."""
    chosen = random.Random(seed).sample(range(len(among)), min(count, len(among)))  # noqa: S311 - a choice, not a secret
    return [among[number] for number in sorted(chosen)]


def head() -> str:
    """Return the id of the commit that is checked out."""
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True).stdout.strip()


def left_out(tests: Sequence[tuple[str, Kind]], one_of: int, one_of_files: int, seed: str) -> set[int]:
    """Return the positions of the tests that do not run: of each file's `many`, and of the files with `long` ones."""
    many: defaultdict[str, list[int]] = defaultdict(list)
    long: defaultdict[str, list[int]] = defaultdict(list)
    for position, (file, kind) in enumerate(tests):
        if kind != "short":
            (many if kind == "many" else long)[file].append(position)
    kept = {each for file, among in many.items() for each in _one_of(one_of, among, seed + file)}
    kept |= {each for file in _one_of(one_of_files, sorted(long), seed) for each in long[file]}
    return {each for among in (*many.values(), *long.values()) for each in among} - kept


def _one_of(number: int, among: Sequence[Each], seed: str) -> list[Each]:
    return draw(among, -(-len(among) // number), seed)


class Sample:
    """Pytest plugin that leaves out some long tests.

    Of the tests of each file with the mark `one_of_many`, one of `one_of` runs. Of the files that have other long tests
    (`deep`), one of `one_of_files` runs these. Every test that is neither runs.
    """

    def __init__(self, one_of: int, one_of_files: int, seed: str) -> None:
        self._one_of = one_of
        self._one_of_files = one_of_files
        self._seed = seed

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Deselect what is not drawn."""
        tests = [(item.nodeid.partition("::")[0], _kind(item)) for item in items]
        if left := left_out(tests, self._one_of, self._one_of_files, self._seed):
            config.hook.pytest_deselected(items=[items[position] for position in sorted(left)])
            items[:] = [item for position, item in enumerate(items) if position not in left]


def _kind(item: pytest.Item) -> Kind:
    return "many" if item.get_closest_marker("one_of_many") else "long" if item.get_closest_marker("deep") else "short"
