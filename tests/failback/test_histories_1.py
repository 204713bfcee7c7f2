"""More random histories of a lineage than `test_histories_0.py` plays."""

from __future__ import annotations

import pytest

from tests.simulation.failback_history import play_failback

pytestmark = [pytest.mark.deep, pytest.mark.one_of_many]


@pytest.mark.parametrize("seed", range(75, 475, 25))
def test_originals_survive_any_history_and_every_name_leads_to_them(seed: int) -> None:
    for each in range(seed, seed + 25):
        play_failback(each).check()
