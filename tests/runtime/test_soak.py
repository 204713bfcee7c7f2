"""Soak test of both functions under faults, as long as the checks allow; `make soak` runs it for longer."""

from __future__ import annotations

import pytest

from tests.runtime.soak import NOISE, Resources, growth_of, growth_of_both, soaking

pytestmark = pytest.mark.deep

SAMPLES = 8
ROUNDS_BETWEEN = 3
STEADY = Resources(sockets=13, threads=2, kilobytes=98_000, blocks=600_000, tasks=0)


@pytest.mark.timeout(300)
def test_two_warm_functions_in_injected_faults_lose_nothing_and_do_not_grow() -> None:
    with soaking(seed=11) as soak:
        for _ in range(2 * ROUNDS_BETWEEN):
            soak.round()
        samples = []
        for _ in range(SAMPLES):
            for _ in range(ROUNDS_BETWEEN):
                soak.round()
            samples.append(soak.resources())
    assert soak.failures == []
    assert growth_of_both(samples) == []
    assert {"complete run", "partial run"} <= set(soak.statuses)


@pytest.mark.timeout(300)
def test_planted_leaks_are_reported() -> None:
    with soaking(seed=11, PLANTED_LEAKS="memory sockets tasks") as soak:
        samples = []
        for _ in range(SAMPLES):
            for _ in range(ROUNDS_BETWEEN):
                soak.writing.invoke({"operation": "sync_staging_accounts"})
            samples.append(soak.resources())
    growth = growth_of_both(samples)
    assert [each.split(": ")[:2] for each in growth] == [
        ["data management", "sockets"],
        ["data management", "blocks"],
        ["data management", "tasks"],
    ]


@pytest.mark.parametrize("member", ["sockets", "threads", "kilobytes", "blocks", "tasks"])
def test_growth_above_noise_is_reported_and_a_peak_is_not(member: str) -> None:
    def resources(more: int) -> Resources:
        return Resources(
            **{name: getattr(STEADY, name) + (more if name == member else 0) for name in Resources.__slots__}
        )

    noise = getattr(NOISE, member)
    assert growth_of([resources(0)] * 8) == []
    assert growth_of([resources(0)] * 4 + [resources(noise)] * 4) == []
    assert growth_of([resources(0)] * 6 + [resources(noise * 10 + 1)] + [resources(0)]) == []
    assert len(growth_of([resources(0)] * 4 + [resources(noise + 1)] * 4)) == 1
