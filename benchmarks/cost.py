"""Cost per month of the measured inventory syncs, with the prices and the write units of the cost model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from benchmarks.runner import Result
from benchmarks.runs import Scenario
from benchmarks.scale.model import monthly_dollars

__all__ = ["monthly_costs"]

_CONTESTANTS: Final = ("drs_sync", "drs_sync_job")
_RUNS: Final = ("again", "warm", "full_scan")  # a first sync happens once, and not every quarter of an hour


def monthly_costs(scenarios: Iterable[Scenario], results: Sequence[Result]) -> list[tuple[Result, dict[str, float]]]:
    """Return what each repeated inventory sync would cost in dollars per month, every 15 minutes in a function of 1 GB.

    DynamoDB is the model's for the estate: what a scan of a region without servers adds is a few empty reads. DRS, EC2
    and STS calls are free of charge, so that a full scan costs time, calls that are throttled, and Lambda.
    """
    sizes = {scenario.name: scenario.size for scenario in scenarios if scenario.size is not None}
    return [
        (result, monthly_dollars(sizes[result.scenario], result.figure("work_s")))
        for result in results
        if result.scenario in sizes and result.contestant in _CONTESTANTS and result.run in _RUNS
    ]
