"""Both functions on real sockets in bad weather, for as long as the checks allow; `make soak` goes on for longer."""

from __future__ import annotations

import pytest

from tests.runtime.soak import NOISE, Held, grown, grown_of_both, soaking

SAMPLES = 8
ROUNDS_BETWEEN = 3
STEADY = Held(sockets=13, threads=2, kilobytes=98_000, blocks=600_000, tasks=0)


@pytest.mark.timeout(300)
def test_two_warm_functions_in_bad_weather_lose_nothing_and_do_not_grow() -> None:
    with soaking(seed=11) as soak:
        for _ in range(2 * ROUNDS_BETWEEN):
            soak.round()
        samples = []
        for _ in range(SAMPLES):
            for _ in range(ROUNDS_BETWEEN):
                soak.round()
            samples.append(soak.held())
    assert soak.wrong == []
    assert grown_of_both(samples) == []
    assert {"complete run", "partial run"} <= set(soak.seen)


@pytest.mark.timeout(300)
def test_what_leaks_is_noticed() -> None:
    with soaking(seed=11, PLANTED_LEAKS="memory sockets tasks") as soak:
        samples = []
        for _ in range(SAMPLES):
            for _ in range(ROUNDS_BETWEEN):
                soak.writing.invoke({"operation": "sync_staging_accounts"})
            samples.append(soak.held())
    found = grown_of_both(samples)
    assert [each.split(": ")[:2] for each in found] == [
        ["data management", "sockets"],
        ["data management", "blocks"],
        ["data management", "tasks"],
    ]


@pytest.mark.parametrize("member", ["sockets", "threads", "kilobytes", "blocks", "tasks"])
def test_growth_above_noise_is_told_and_a_peak_is_not(member: str) -> None:
    def held(more: int) -> Held:
        return Held(**{name: getattr(STEADY, name) + (more if name == member else 0) for name in Held.__slots__})

    noise = getattr(NOISE, member)
    assert grown([held(0)] * 8) == []
    assert grown([held(0)] * 4 + [held(noise)] * 4) == []
    assert grown([held(0)] * 6 + [held(noise * 10 + 1)] + [held(0)]) == []
    assert len(grown([held(0)] * 4 + [held(noise + 1)] * 4)) == 1
