"""Calibration loop: a fixed piece of Python, by whose time limits of CPU and wall time are given.

Seconds of different machines are not the same, and neither are those of a quiet and a busy one. Loops nearly are. The
budgets of the tests (tests/budgets.toml) and the ceilings of the benchmarks (benchmarks/thresholds.json) use this loop.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any, Final, NamedTuple

__all__ = ["LoopTime", "time_loop"]

_ROUNDS: Final = 20_000


class LoopTime(NamedTuple):
    """Seconds of one loop. On a machine whose cores are all busy, wall time is more than CPU time."""

    cpu_s: float
    wall_s: float


def time_loop() -> LoopTime:
    """Time one loop: what this project does most, i.e. JSON, hashes, dictionaries and calls; about 0.1 s."""
    wall, cpu = time.perf_counter(), time.process_time()
    table: dict[str, Any] = {}
    for number in range(_ROUNDS):
        key = hashlib.sha256(str(number % 500).encode()).hexdigest()
        table[key] = json.loads(json.dumps({"id": key, "tags": {"Name": key[:8]}, "counts": [number, number + 1]}))
    return LoopTime(time.process_time() - cpu, time.perf_counter() - wall)
