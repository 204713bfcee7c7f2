"""Pytest plugin that measures the CPU time of each test, and holds each directory to its budget.

CPU time is that of the process which runs the test, of the programs it started and waited for, and of the commands that
it forked. Seconds of different machines are not the same, so budgets are in loops: one loop is a fixed piece of Python
(benchmarks/calibration.py) that each worker times before its first and after its last test. tests/budgets.toml has the
budgets, about twice what a directory took. One that is over its budget is named at the end of the run; with
`--check-budgets`, one that is over it by half as much again fails the run. Loops are not enough to fail for less: a
busy machine slows down memory, processes and computing differently, and a test by up to twice as much as a loop.
"""

from __future__ import annotations

import statistics
import time
import tomllib
from collections import defaultdict
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from benchmarks.calibration import time_loop
from tests.support.command import children_cpu_s

__all__ = ["FAILS_AT", "Costs", "OverBudget", "over_budget"]

SLOWEST: Final = 10
FAILS_AT: Final = 1.5
"""Times its budget that a directory may take before the run fails."""
BUDGETS: Final = Path(__file__).parents[1] / "budgets.toml"


def cpu_s() -> float:
    """Return the CPU seconds of this process, of its children that have ended, and of the commands that it forked."""
    return time.process_time() + children_cpu_s()


class OverBudget(NamedTuple):
    """A directory that is over its budget, or has none; `fails`: by so much that it is not the machine."""

    message: str
    fails: bool


def over_budget(spent: Mapping[str, float], budgets: Mapping[str, float]) -> list[OverBudget]:
    """Return the directories that took more loops than their budget, or have none."""
    found = []
    for name, loops in sorted(spent.items()):
        if name not in budgets:
            message = f"tests/{name} has no budget. Fix: give it one in tests/budgets.toml; it took {loops:.0f} loops"
            found.append(OverBudget(message, fails=True))
        elif loops > budgets[name]:
            most = FAILS_AT * budgets[name]
            message = (
                f"tests/{name} took {loops:.0f} loops of CPU, its budget is {budgets[name]:g}, and more than {most:g} "
                "fail. Fix: make its tests cheaper (docs/testing.md says how), or raise the budget in "
                "tests/budgets.toml to twice what a quiet machine takes and say why"
            )
            found.append(OverBudget(message, fails=loops > most))
    return found


class Costs:
    """Collects what tests cost. With workers, that of each worker measures, and that of the first process adds up."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._mark = 0.0
        self._loops: list[float] = []
        self._tests: defaultdict[str, float] = defaultdict(float)
        self._measures = hasattr(config, "workerinput") or config.getoption("numprocesses", None) is None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> None:
        if self._measures:
            self._loops.append(time_loop().cpu_s)
        self._mark = cpu_s()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        mark = cpu_s()
        report.__dict__["cpu_s"] = mark - self._mark  # reports keep their attributes between processes
        self._mark = mark
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._tests[report.nodeid] += getattr(report, "cpu_s", 0.0)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._measures and self._loops:
            self._loops.append(time_loop().cpu_s)
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput["loops"] = self._loops
        elif session.exitstatus == pytest.ExitCode.OK and any(each.fails for each in self._over_budget()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._loops += getattr(node, "workeroutput", {}).get("loops", [])

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the ten most expensive tests, and what each directory took of its budget."""
        if not self._tests or not self._loops:
            return
        write = terminalreporter.write_line
        terminalreporter.section(
            f"CPU time: {sum(self._tests.values()):.0f} s; one loop is {statistics.median(self._loops):.3f} s"
        )
        for name, seconds in sorted(self._tests.items(), key=lambda each: -each[1])[:SLOWEST]:
            write(f"{seconds:8.2f} s  {name}")
        budgets = self._budgets()
        for name, loops in sorted(self._spent().items(), key=lambda each: -each[1]):
            write(f"{loops:8.0f} loops of {budgets.get(name, 0):5g}  tests/{name}")
        for over in self._over_budget():
            write(f"BUDGET {'FAILED' if over.fails else 'WARNING'} {over.message}")

    def _spent(self) -> dict[str, float]:
        """Return the loops that each directory took."""
        loop_s = statistics.median(self._loops)
        spent: defaultdict[str, float] = defaultdict(float)
        for name, seconds in self._tests.items():
            spent[name.split("/")[1]] += seconds / loop_s
        return spent

    def _budgets(self) -> Mapping[str, float]:
        part = "deep" if self._config.getoption("markexpr") == "deep" else "test"
        budgets: Mapping[str, float] = tomllib.loads(BUDGETS.read_text())[part]
        return budgets

    def _over_budget(self) -> list[OverBudget]:
        """Return what is over its budget, if that is asked for and a loop was timed."""
        if not self._loops or not self._config.getoption("check_budgets"):
            return []
        return over_budget(self._spent(), self._budgets())
