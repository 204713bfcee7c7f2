"""The staging sync of one target and region: what is known of it so far, and what became of it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from service.models import Coverage, Problem, Scope
from service.sync.engine.outcome import Visit, is_switched_off
from service.sync.engine.report import Looked
from service.sync.extensions import Extension

__all__ = ["StagingScan"]


@dataclass(slots=True)
class StagingScan:
    """One target and region under way; stays true when it breaks off."""

    scope: Scope
    entered: bool = False
    readable: int = 0
    unreadable: int = 0
    planned: int = 0
    left_over: int = 0
    extensions: list[Extension] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def counts(self, *, dry_run: bool) -> Counter[str]:
        """Count by the report's names; what was planned and has no fate yet is held back, unless nothing was to be."""
        counts = Counter({"serversPlanned": self.planned})
        for each in self.extensions:
            counts.update(each.counts)
        if not dry_run:
            counts["serversHeldBack"] += self.planned - (counts.total() - self.planned)
        return counts

    @property
    def extended(self) -> int:
        """How many servers this run has extended here."""
        return sum(each.extended for each in self.extensions)

    def all_problems(self) -> list[Problem]:
        """Name the troubles in the order of their coming."""
        return [*self.problems, *(problem for each in self.extensions for problem in each.problems)]

    def judged(self, counts: Mapping[str, int], failure: Problem | None, *, known: bool, seconds: float) -> Visit:
        """Say what became of the place.

        Args:
            counts: as `counts` gave them.
            failure: what broke it off, if something did.
            known: servers were known there before.
            seconds: how long it took.
        """
        if failure is not None and is_switched_off(failure) and not known:
            return Visit(Looked(self.scope, Coverage.SKIPPED, seconds=seconds, warnings=(failure,)), switched_off=True)
        problems = [*self.all_problems(), *([failure] if failure is not None else ())]
        if not problems:
            coverage = Coverage.COMPLETE
        else:
            coverage = Coverage.PARTIAL if self.readable or self.extended else Coverage.FAILED
        looked = Looked(
            self.scope,
            coverage,
            servers=self.planned,
            counts=dict(counts),
            seconds=seconds,
            problems=tuple(problems),
            warnings=tuple(self.warnings),
        )
        return Visit(looked)
