"""What a scenario is, and runs that scenarios of the long and of the short form have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from benchmarks.endpoint.estate import Estate
from benchmarks.fleets import Fleet
from benchmarks.scale.model import Estate as Size

__all__ = ["LATENCY", "LATENCY_MS", "Run", "Scenario", "beside_floor", "first_sync", "process_cost"]

# DRS's latency is not published; the targets are stated for 80 ms. The others are typical within one region.
LATENCY_MS: Final = MappingProxyType({"drs": 80, "sts": 30, "ec2": 40, "dynamodb": 5})
LATENCY: Final = MappingProxyType({"latency_ms": dict(LATENCY_MS)})


@dataclass(frozen=True, slots=True)
class Run:
    """One contestant at one job.

    Attributes:
        name: name of the result.
        contestant: module in `benchmarks.contestants`.
        job: argument of the contestant: a command, an operation or a job.
        fresh: start a new simulated AWS instead of using the one of the previous run.
        options: further options of the contestant, by long name.
        fleet: replaces the scenario's fleet, in a new simulated AWS.
    """

    name: str
    contestant: str
    job: str
    fresh: bool = False
    options: Mapping[str, int] = field(default_factory=dict)
    fleet: Fleet | Estate | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario.

    Attributes:
        name: for the command line and the thresholds.
        title: one line for the report.
        fleet, quick_fleet: the fleet, and a small one for a test run.
        prepare: commands of drs-sync that run first, without faults and unmeasured.
        runs: the runs, in order.
        faults: faults of the sandbox during the runs.
        size: the same fleet as the cost model has it; inventory syncs are then priced (benchmarks/cost.py).
        on_request: runs only when it is named, because it takes long.
    """

    name: str
    title: str
    fleet: Fleet | Estate
    quick_fleet: Fleet | Estate
    runs: tuple[Run, ...]
    prepare: tuple[str, ...] = ("sync inventory",)
    faults: Mapping[str, Any] = field(default_factory=lambda: LATENCY)
    size: Size | None = None
    on_request: bool = False


def beside_floor(times: int) -> tuple[Run, Run]:
    """Return the inventory sync in its steady state in a warm process, and its floor."""
    options = {"times": times}
    return (
        Run("warm", "drs_sync_job", "inventory", options=options),
        Run("floor", "floor", "inventory", options=options),
    )


def first_sync(*sizes: Estate) -> tuple[Run, ...]:
    """Return the first inventory sync of estates of which nothing is known, each beside its floor."""
    runs: list[Run] = []
    for size in sizes:
        count = size.targets * size.regions * size.servers
        runs.append(Run(f"first_{count}", "drs_sync_job", "inventory", fleet=size, options={"times": 1}))
        runs.append(Run(f"first_{count}_floor", "floor_first", "inventory", fleet=size))
    return tuple(runs)


def process_cost(times: int) -> tuple[Run, ...]:
    """Return what a process costs before its work: the command line, imports, the first request of each handler."""
    return tuple(Run(job, "process", job, options={"times": times}) for job in ("command", "imports", "first_requests"))
