"""Choice of some of many tests or mutants by the commit that is checked out: each commit tries others."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar

import pytest

__all__ = ["Sample", "draw", "head"]

_MARK: Final = "one_of_many"
_ROOT: Final = Path(__file__).parents[2]
Each = TypeVar("Each")


def draw(among: Sequence[Each], count: int, seed: str) -> list[Each]:
    """Draw so many from a seed, in their order."""
    chosen = random.Random(seed).sample(range(len(among)), min(count, len(among)))  # noqa: S311 - a choice, not a secret
    return [among[number] for number in sorted(chosen)]


def head() -> str:
    """Return the id of the commit that is checked out."""
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True).stdout.strip()


class Sample:
    """Pytest plugin that runs one of every so many tests with the mark `one_of_many`, and all others."""

    def __init__(self, one_of: int, seed: str) -> None:
        self._one_of = one_of
        self._seed = seed

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        many = [item for item in items if item.get_closest_marker(_MARK)]
        kept = {id(item) for item in draw(many, -(-len(many) // self._one_of), self._seed)}
        left = [item for item in many if id(item) not in kept]
        if left:
            config.hook.pytest_deselected(items=left)
            items[:] = [item for item in items if id(item) in kept or not item.get_closest_marker(_MARK)]
