"""Random histories of a lineage (see `tests.simulation.failback_history`); `test_histories_1.py` plays more of them."""

from __future__ import annotations

import pytest

from tests.simulation.failback_history import play_failback

pytestmark = pytest.mark.deep


@pytest.mark.parametrize("seed", range(0, 75, 25))
def test_originals_survive_any_history_and_every_name_leads_to_them(seed: int) -> None:
    for each in range(seed, seed + 25):
        play_failback(each).check()
