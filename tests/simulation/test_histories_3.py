"""2,500 histories with faults of every kind (see `tests.simulation.history`); in four files for four workers."""

from __future__ import annotations

import pytest

from tests.simulation.history import play

pytestmark = [pytest.mark.deep, pytest.mark.one_of_many]

FIRST = 3 * 2500


@pytest.mark.parametrize("seed", range(FIRST, FIRST + 2500, 125))
def test_every_promise_holds_whatever_happens(seed: int) -> None:
    for each in range(seed, seed + 125):
        play(each).check()
