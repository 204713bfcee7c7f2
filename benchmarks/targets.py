"""The targets: figures of runs, and ratios between them, each with what it may be at most or must be at least."""

from __future__ import annotations

import json
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
        over: the run whose same figure, or `over_figure`, is divided by it; None: the figure itself counts.
        exactly, at_most, at_least: the bound. Exact ones are counts, and hold on any machine.
    """

    what: str
    scenario: str
    run: str
    figure: str
    minus: str | None = None
    over: str | None = None
    over_figure: str | None = None
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
        own = by_run.get((target.scenario, target.run))
        other = by_run.get((target.scenario, target.over)) if target.over else None
        less = by_run.get((target.scenario, target.minus)) if target.minus else None
        if own is None or (target.over and other is None) or (target.minus and less is None):
            continue
        value = own.figure(target.figure) - (less.figure(target.figure) if less else 0)
        if other is not None:
            value = other.figure(target.over_figure or target.figure) / value if value else float("inf")
        judged.append(Judged(target, value, target.is_met_by(value)))
    return judged
