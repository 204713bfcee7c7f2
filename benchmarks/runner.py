"""Runner of the scenarios: each contestant in a process of its own, against a simulated AWS in another one."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.aws_process import COMMAND, AwsProcess, AwsProcessError, opened
from benchmarks.calibration import LoopTime, time_loop
from benchmarks.runs import Run, Scenario

__all__ = ["Result", "percentile", "play"]


@dataclass(frozen=True, slots=True)
class Result:
    """Measurements of one contestant at one job.

    Attributes:
        wall_s: seconds from start to end of its process.
        seconds: seconds of the work, without the start of the process; one value for each repetition.
        cpu_seconds: CPU seconds of the work, for contestants that report them.
        cpu_s: CPU seconds of the process, user and system.
        peak_mb: peak resident memory; at least that of this process, because Linux passes it on to a child.
        loop: the slower of two calibration loops, before and after the run.
        calls: requests that the simulated AWS received, by "service:Operation".
        facts: numbers and texts that the contestant reported.
    """

    scenario: str
    run: str
    contestant: str
    wall_s: float
    seconds: tuple[float, ...]
    cpu_s: float
    peak_mb: float
    loop: LoopTime
    calls: Mapping[str, int]
    facts: Mapping[str, Any] = field(default_factory=dict)
    cpu_seconds: tuple[float, ...] = ()

    def figure(self, name: str) -> float:
        """Return a figure by name.

        work_s, work_cpu_s and p95_s measure the work; best_s and best_cpu_s are its minimum, because other load on the
        machine only adds time; start_s the rest of the process, wall_s, cpu_s and peak_mb the
        whole process; <service>_calls counts calls; any other name is a number that the contestant reported, or
        <figure>_per_<figure>.

        Raises:
            KeyError: there is no such figure.
        """
        measured: dict[str, Callable[[], float]] = {
            "work_s": lambda: percentile(self.seconds, 0.5),
            "work_cpu_s": lambda: percentile(self.cpu_seconds, 0.5),
            "best_s": lambda: min(self.seconds),
            "best_cpu_s": lambda: min(self.cpu_seconds),
            "start_s": lambda: self.wall_s - sum(self.seconds),
            "p95_s": lambda: percentile(self.seconds[1:] or self.seconds, 0.95),  # the first repetition is a cold start
        }
        if name in measured:
            return measured[name]()
        if name in {"wall_s", "cpu_s", "peak_mb"}:
            return float(getattr(self, name))
        if name.endswith("_calls"):
            service = name.removesuffix("_calls")
            return sum(count for call, count in self.calls.items() if call.split(":")[0] == service)
        of, per, other = name.partition("_per_")
        if per and name not in self.facts:
            return self.figure(of) / self.figure(other)
        return float(self.facts[name])

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON members."""
        return {**asdict(self), "loop": self.loop._asdict()}

    def loop_s(self, figure: str) -> float:
        """Return the seconds of a loop that go with a figure: CPU seconds for one of CPU, else those of wall time."""
        return self.loop.cpu_s if figure.endswith("cpu_s") else self.loop.wall_s


def percentile(values: Sequence[float], share: float) -> float:
    """Return the percentile by nearest rank: the value that a share of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def play(scenario: Scenario, *, quick: bool, progress: Callable[[str], None]) -> Iterator[Result]:
    """Run a scenario and yield the result of each run.

    Args:
        scenario: the scenario.
        quick: use its small fleet.
        progress: called with a line before each step.

    Raises:
        AwsProcessError: the simulated AWS did not start, or a contestant failed.
    """
    with ExitStack() as stack:
        aws: AwsProcess | None = None
        for run in scenario.runs:
            if aws is None or run.fresh or run.fleet is not None:
                stack.close()
                progress(f"{scenario.name}: preparing")
                aws = stack.enter_context(_prepared(scenario, run, quick=quick))
            progress(f"{scenario.name}: {run.name}")
            yield _measured(scenario, run, aws)


@contextmanager
def _prepared(scenario: Scenario, run: Run, *, quick: bool) -> Iterator[AwsProcess]:
    with opened(scenario.quick_fleet if quick else run.fleet or scenario.fleet) as aws:
        for command in scenario.prepare:
            aws.prepare(command)
        aws.set_faults(scenario.faults)
        yield aws


def _words(run: Run) -> list[str]:
    if run.contestant == "drs_sync":
        return [COMMAND, *run.job.split(), "--output", "json"]
    options = [word for name, value in run.options.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", f"benchmarks.contestants.{run.contestant}", run.job, *options]


def _measured(scenario: Scenario, run: Run, aws: AwsProcess) -> Result:
    aws.reset_calls()
    before = time_loop()
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        began = time.perf_counter()
        process = subprocess.Popen(_words(run), env=aws.environment, stdout=stdout, stderr=stderr)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        stdout.seek(0)
        stderr.seek(0)
        if process.returncode:
            text = stderr.read()[-3000:].decode(errors="replace")
            raise AwsProcessError(f"{scenario.name}: {run.name} ended with exit code {process.returncode}\n{text}")
        answer: dict[str, Any] = json.loads(stdout.read())
    after = time_loop()
    seconds = answer.pop("seconds", None) or [answer["durationSeconds"]]
    cpu_seconds = answer.pop("cpu_seconds", ())
    return Result(
        scenario.name,
        run.name,
        run.contestant,
        wall_s=wall,
        seconds=tuple(seconds),
        cpu_s=used.ru_utime + used.ru_stime,
        peak_mb=used.ru_maxrss / 1024,
        loop=LoopTime(max(before.cpu_s, after.cpu_s), max(before.wall_s, after.wall_s)),
        calls={f"{service}:{operation}": count for (service, operation), count in sorted(aws.calls().items())},
        facts={name: value for name, value in answer.items() if isinstance(value, (int, float, str))},
        cpu_seconds=tuple(cpu_seconds),
    )
