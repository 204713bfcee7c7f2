"""Four hundred random histories of a server; see tests.support.histories. In two files, so that workers share them."""

from __future__ import annotations

import pytest

from tests.support.histories import play

FIRST = 1 * 400


@pytest.mark.parametrize("seed", range(FIRST, FIRST + 400, 25))
async def test_originals_survive_any_history_and_every_name_leads_to_them(seed: int) -> None:
    for each in range(seed, seed + 25):
        await play(each)
