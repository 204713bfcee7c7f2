"""The choice of some tests of many: each is run for some commit, and those that are not alike always."""

from __future__ import annotations

import pytest

from tests.support.draw import Sample, draw

MANY = """
import pytest
@pytest.mark.one_of_many
@pytest.mark.parametrize("number", range(8))
def test_many(number): pass
def test_single(): pass
"""


def test_what_is_drawn_follows_the_seed_and_keeps_its_order() -> None:
    first = draw(range(100), 5, "0" * 40)
    assert first == draw(range(100), 5, "0" * 40) == sorted(first)
    assert {number for seed in range(200) for number in draw(range(100), 5, str(seed))} == set(range(100))
    assert draw(range(3), 5, "0" * 40) == [0, 1, 2]


@pytest.mark.parametrize(("one_of", "passed"), [(1, 9), (4, 3), (3, 4), (100, 2)])
def test_one_of_so_many_runs_and_every_other_test(pytester: pytest.Pytester, one_of: int, passed: int) -> None:
    pytester.makepyfile(MANY)
    pytester.makeini("[pytest]\nmarkers = one_of_many\nasyncio_default_fixture_loop_scope = function")
    result = pytester.inline_run("-p", "no:cacheprovider", plugins=[Sample(one_of, "0" * 40)])
    result.assertoutcome(passed=passed)
