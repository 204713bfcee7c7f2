"""Targets: bounds for figures of runs and for ratios between them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.runner import Result

__all__ = ["Evaluation", "Target", "evaluate", "load"]

_FILE: Final = Path(__file__).with_name("thresholds.json")


@dataclass(frozen=True, slots=True)
class Target:
    """One target.

    Attributes:
        what: description, with its source.
        scenario, run, figure: what is measured; see `Result.figure`.
        minus: run whose figure is subtracted.
        over: run whose figure, or `over_figure`, is divided by this one: the speed-up.
        per: run by whose figure this one is divided: the relative cost.
        exactly, at_most, at_least: the bound. Exact bounds are counts, which do not depend on the machine.
        loops: what the machine may take, in calibration loops (benchmarks/calibration.py). It is added to `at_most`,
            which then is the waiting that is the same on every machine: simulated latency, rate limits.
    """

    what: str
    scenario: str
    run: str
    figure: str
    minus: str | None = None
    over: str | None = None
    over_figure: str | None = None
    per: str | None = None
    exactly: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    loops: float | None = None

    @property
    def bound(self) -> str:
        """The bound in words."""
        named = {"exactly": self.exactly, "at most": self.at_most, "at least": self.at_least}
        words = [f"{word} {value:g}" for word, value in named.items() if value is not None]
        if self.loops is not None:
            words.append(f"{'and' if words else 'at most'} {self.loops:g} loops")
        return " ".join(words)

    @property
    def depends_on_machine(self) -> bool:
        """Whether the same code can miss it on a machine that does other work: every figure but counts."""
        return self.exactly is None and not self.figure.partition("_per_")[0].endswith(("_calls", "Calls"))

    def ceiling(self, loop_s: float) -> float | None:
        """Return the most that a value may be, where a loop takes `loop_s`."""
        return self.at_most if self.loops is None else (self.at_most or 0.0) + self.loops * loop_s

    def is_met_by(self, value: float, loop_s: float) -> bool:
        """Return whether a value is within the bound, where a loop takes `loop_s`."""
        ceiling = self.ceiling(loop_s)
        return (
            (self.exactly is None or value == self.exactly)
            and (ceiling is None or value <= ceiling)
            and (self.at_least is None or value >= self.at_least)
        )


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A target and the measured value, on a machine on which a calibration loop took `loop_s`."""

    target: Target
    value: float
    met: bool
    loop_s: float

    @property
    def bound(self) -> str:
        """The bound in words; one in loops also in seconds of this machine."""
        words = self.target.bound
        return words if self.target.loops is None else f"{words}: {self.target.ceiling(self.loop_s):.3g}"


def load() -> tuple[Target, ...]:
    """Read the targets from `thresholds.json` beside this file."""
    given: list[dict[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))["targets"]
    return tuple(Target(**each) for each in given)


def evaluate(targets: Iterable[Target], results: Iterable[Result]) -> list[Evaluation]:
    """Compare results with the targets; targets without the results of their runs are left out."""
    by_run: Mapping[tuple[str, str], Result] = {(each.scenario, each.run): each for each in results}
    evaluations: list[Evaluation] = []
    for target in targets:
        names = (target.run, target.over, target.minus, target.per)
        runs = [by_run.get((target.scenario, name)) for name in names if name]
        if any(each is None for each in runs):
            continue
        value = _value(target, {each.run: each for each in runs if each is not None})
        loop_s = next(each for each in runs if each is not None).loop_s(target.figure)
        evaluations.append(Evaluation(target, value, target.is_met_by(value, loop_s), loop_s))
    return evaluations


def _value(target: Target, runs: Mapping[str, Result]) -> float:
    value = runs[target.run].figure(target.figure)
    if target.minus:
        value -= runs[target.minus].figure(target.figure)
    if target.over:
        return runs[target.over].figure(target.over_figure or target.figure) / value if value else math.inf
    if target.per:
        return value / runs[target.per].figure(target.figure)
    return value
