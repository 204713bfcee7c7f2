"""The choice of some tests of many: each is run for some commit, and those that are not alike always."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.support.draw import Kind, Sample, draw, left_out

FILES: Final = 6
KINDS: Final[tuple[Kind, ...]] = ("many",) * 8 + ("long",) * 2 + ("short",)
TESTS: Final = [(f"test_{number}.py", kind) for number in range(FILES) for kind in KINDS]


def test_what_is_drawn_follows_the_seed_and_keeps_its_order() -> None:
    first = draw(range(100), 5, "0" * 40)
    assert first == draw(range(100), 5, "0" * 40) == sorted(first)
    assert {number for seed in range(200) for number in draw(range(100), 5, str(seed))} == set(range(100))
    assert draw(range(3), 5, "0" * 40) == [0, 1, 2]


@pytest.mark.parametrize(
    ("one_of", "one_of_files", "many", "long"),
    [(1, 1, 48, 12), (4, 1, 12, 12), (3, 1, 18, 12), (100, 1, 6, 12), (4, 2, 12, 6), (1, 4, 48, 4), (1, 100, 48, 2)],
)
def test_one_of_so_many_of_each_file_and_one_of_so_many_files(
    one_of: int, one_of_files: int, many: int, long: int
) -> None:
    left = left_out(TESTS, one_of, one_of_files, "0" * 40)
    run = Counter(test for position, test in enumerate(TESTS) if position not in left)
    assert sum(count for (_, kind), count in run.items() if kind == "many") == many
    assert {count for (_, kind), count in run.items() if kind == "many"} == {many // FILES}
    assert sum(count for (_, kind), count in run.items() if kind == "long") == long
    assert {count for (_, kind), count in run.items() if kind == "long"} == {2}, "a file was drawn in part"
    assert sum(count for (_, kind), count in run.items() if kind == "short") == FILES


def test_every_test_is_drawn_for_some_commit() -> None:
    left = [left_out(TESTS, 4, 3, f"{number:040}") for number in range(100)]
    assert set.intersection(*left) == set()
    assert len({frozenset(each) for each in left}) == len(left), "commits draw differently"


def test_every_file_with_a_long_test_is_one_that_the_makefile_finds() -> None:
    """It looks for the text, since collecting all tests takes each worker many seconds."""
    root = Path(__file__).parents[2]
    (pattern,) = re.findall(r"grep -rl --include='test_\*\.py' '(.*)' tests", (root / "Makefile").read_text())
    assert pattern == r"mark\.deep"
    for path in (root / "tests").rglob("test_*.py"):
        text = path.read_text()
        if "deep" in text and not re.search(pattern, text):
            names = {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}
            assert "deep" not in names, path


FILE: Final = """
import pytest
@pytest.mark.deep
@pytest.mark.one_of_many
@pytest.mark.parametrize("number", range(8))
def test_many(number): pass
@pytest.mark.deep
def test_long(): pass
def test_short(): pass
"""


def test_what_is_not_drawn_is_deselected(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_a=FILE, test_b=FILE)
    pytester.makeini("[pytest]\nmarkers =\n one_of_many\n deep\nasyncio_default_fixture_loop_scope = function")
    result = pytester.inline_run("-p", "no:cacheprovider", plugins=[Sample(4, 2, "0" * 40)])
    result.assertoutcome(passed=2 * (2 + 1) + 1)
