"""Replay: a seed gives the same history in every process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.clock import run
from tests.simulation.history import HistoryResult, play

SEEDS = range(20)


def test_the_same_seed_gives_the_same_trace() -> None:
    for seed in SEEDS:
        assert play(seed) == play(seed)


def test_other_seeds_give_other_traces() -> None:
    assert len({play(seed).trace for seed in SEEDS}) == len(SEEDS)


@pytest.mark.deep
@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_another_process_plays_the_same(hash_seed: str) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--histories", "10", "--trace"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert [line.split()[1] for line in printed[:10]] == [play(seed).trace for seed in range(10)]


def test_a_broken_promise_names_its_seed_and_how_to_see_it_again() -> None:
    result = HistoryResult(17, ("a count was lost: of us-east-1",), "", ("storm",), 1, 1.0)
    with pytest.raises(AssertionError, match=r"seed 17: a count was lost(.|\n)*--seed 17 --histories 1"):
        result.check()


def test_a_deadlock_of_the_loop_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="nothing is left"):
        run(lambda _: asyncio.Event().wait())
