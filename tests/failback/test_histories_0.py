"""Random histories of a lineage (see `tests.simulation.failback_history`); in two files, so that workers share them."""

from __future__ import annotations

import pytest

from tests.simulation.failback_history import play_failback

pytestmark = pytest.mark.deep

FIRST = 0 * 75


@pytest.mark.parametrize("seed", range(FIRST, FIRST + 75, 25))
def test_originals_survive_any_history_and_every_name_leads_to_them(seed: int) -> None:
    for each in range(seed, seed + 25):
        play_failback(each).check()
