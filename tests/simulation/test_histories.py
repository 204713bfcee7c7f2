"""The first hundred histories; the others, in `test_histories_0` to `_3`, take minutes."""

from __future__ import annotations

import pytest

from tests.simulation.history import play

COUNT = 100


@pytest.mark.parametrize("seed", range(0, COUNT, 25))
def test_every_promise_holds_in_the_first_histories(seed: int) -> None:
    for each in range(seed, seed + 25):
        play(each).check()
