"""The targets: figures of runs, and ratios between them, each with what it may be at most or must be at least."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.runner import Result

__all__ = ["Judged", "Target", "judge", "load"]

_FILE: Final = Path(__file__).with_name("thresholds.json")


@dataclass(frozen=True, slots=True)
class Target:
    """One target.

    Attributes:
        what: in words, with where it comes from.
        scenario, run, figure: what is measured; see `Result.figure`.
        minus: the run whose same figure is taken away from it.
        over: the run whose same figure, or `over_figure`, is divided by it: how many times better it is.
        per: the run by whose same figure it is divided: how many times it costs as much.
        exactly, at_most, at_least: the bound. Exact ones are counts, and hold on any machine.
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

    @property
    def bound(self) -> str:
        """The bound in words."""
        named = {"exactly": self.exactly, "at most": self.at_most, "at least": self.at_least}
        return ", ".join(f"{word} {value:g}" for word, value in named.items() if value is not None)

    def is_met_by(self, value: float) -> bool:
        """Tell whether a value keeps the bound."""
        return (
            (self.exactly is None or value == self.exactly)
            and (self.at_most is None or value <= self.at_most)
            and (self.at_least is None or value >= self.at_least)
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """A target and what was measured."""

    target: Target
    value: float
    met: bool


def load() -> tuple[Target, ...]:
    """Read the targets from `thresholds.json` beside this file."""
    given: list[dict[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))["targets"]
    return tuple(Target(**each) for each in given)


def judge(targets: Iterable[Target], results: Iterable[Result]) -> list[Judged]:
    """Hold the targets against results; those whose runs were not played are left out."""
    by_run: Mapping[tuple[str, str], Result] = {(each.scenario, each.run): each for each in results}
    judged: list[Judged] = []
    for target in targets:
        names = (target.run, target.over, target.minus, target.per)
        found = [by_run.get((target.scenario, name)) for name in names if name]
        if any(each is None for each in found):
            continue
        value = _value(target, {each.run: each for each in found if each is not None})
        judged.append(Judged(target, value, target.is_met_by(value)))
    return judged


def _value(target: Target, runs: Mapping[str, Result]) -> float:
    value = runs[target.run].figure(target.figure)
    if target.minus:
        value -= runs[target.minus].figure(target.figure)
    if target.over:
        return runs[target.over].figure(target.over_figure or target.figure) / value if value else math.inf
    if target.per:
        return value / runs[target.per].figure(target.figure)
    return value
