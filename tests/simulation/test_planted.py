"""Each planted bug breaks a promise in one of a few histories; without it, those histories break none."""

from __future__ import annotations

import pytest

from tests.simulation.history import play
from tests.simulation.planted import BUGS

pytestmark = [pytest.mark.deep, pytest.mark.one_of_many]

MAX_SEEDS = 2000  # one of the bugs shows in a history of five hundred only


@pytest.mark.parametrize("name", BUGS)
def test_the_simulation_finds_a_planted_bug(name: str) -> None:
    with BUGS[name]():
        seed = next((seed for seed in range(MAX_SEEDS) if play(seed).broken), None)
    assert seed is not None, f"{MAX_SEEDS} histories did not find it"
    assert not play(seed).broken, "this history breaks a promise without the bug as well"
