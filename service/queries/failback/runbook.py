"""Runbook: the decision with its preconditions and steps, every value filled in. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from service.queries.failback.decision import Way, decide, is_failed_back
from service.queries.failback.facts import Facts
from service.queries.failback.install_steps import InstallSteps
from service.queries.failback.recovery_steps import RecoverySteps
from service.queries.failback.reversal_steps import ReversalSteps
from service.queries.failback.steps import Progress, Step

__all__ = ["Runbook", "write_runbook"]


@dataclass(frozen=True, slots=True)
class Runbook:
    """What to do for one server. `preconditions` must hold before the first step; `otherwise` is the way out."""

    way: Way
    reasons: tuple[str, ...]
    preconditions: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    otherwise: tuple[str, ...] = ()


def write_runbook(facts: Facts) -> Runbook:
    """Write the runbook of the method that applies."""
    decision = decide(facts)
    way, reasons = decision.way, decision.reasons
    reversal, installation = ReversalSteps(facts), InstallSteps(facts)
    if way is Way.REVERSE:
        return _write_reversal(facts, reasons, reversal)
    if way is Way.REINSTALL:
        conditions = (*installation.installer_preconditions(), *reversal.region_preconditions())
        return Runbook(way, reasons, conditions, (*installation.reinstall(), *_postponed(reversal.steps())))
    if way is Way.FRESH:
        conditions = (*installation.installer_preconditions(), *installation.fresh_preconditions())
        return Runbook(way, reasons, conditions, installation.fresh())
    if way is Way.CLIENT:
        return Runbook(way, reasons, installation.client_preconditions(), installation.client())
    recovery = RecoverySteps(facts)
    steps_of = {Way.RECOVER: recovery.recover, Way.UNKNOWN: recovery.find_origin}
    return Runbook(way, reasons, steps=steps_of[way]() if way in steps_of else ())


def _write_reversal(facts: Facts, reasons: tuple[str, ...], reversal: ReversalSteps) -> Runbook:
    """Write what is left of a reversal: all of it, what follows the launch, or only the cleanup."""
    if is_failed_back(facts):
        return Runbook(Way.REVERSE, reasons, steps=reversal.steps())
    if facts.recovered is not None and facts.recovered.is_gone:  # it was launched back before
        return Runbook(Way.REVERSE, reasons, reversal.region_preconditions(), reversal.steps())
    conditions = (*reversal.preconditions(), *reversal.region_preconditions())
    return Runbook(Way.REVERSE, reasons, conditions, reversal.steps(), reversal.otherwise())


def _postponed(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Mark no step as the next one, because other steps come before."""
    return tuple(replace(step, progress=Progress.LATER) if step.progress is Progress.NEXT else step for step in steps)
