"""States of CloudWatch alarms over time, from their definitions and points of metrics, by the documented rules.

What these rules leave open is varied by `Clock`: whether periods begin at multiples of their length or at the minute of
the evaluation, and how many periods before the newest are also looked at when points are missing.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.deploy.templates import Template, of_type

__all__ = ["CLOCKS", "Clock", "Metrics", "ringing"]

STEP_S: Final = 600  # between two evaluations; every alarm about a sync has a longer period
_STATISTICS: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "Maximum": max,
    "SampleCount": len,
    "Sum": sum,
}
_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
}


@dataclass(frozen=True, slots=True)
class Clock:
    """What CloudWatch does not document of its evaluation."""

    is_aligned: bool
    further_periods: int


CLOCKS: Final = tuple(Clock(is_aligned, further) for is_aligned in (True, False) for further in (0, 2))


@dataclass(slots=True)
class Metrics:
    """Points of metrics: (namespace, name, dimensions) -> times in seconds and values, in order of time."""

    points: dict[tuple[str, str, frozenset[tuple[str, str]]], tuple[list[float], list[float]]] = field(
        default_factory=dict
    )

    def add(self, namespace: str, dimensions: Mapping[str, str], at_s: float, values: Mapping[str, float]) -> None:
        """Add one point of each metric, not before those that are there."""
        for name, value in values.items():
            times, found = self.points.setdefault((namespace, name, frozenset(dimensions.items())), ([], []))
            times.append(at_s)
            found.append(value)

    def between(self, alarm: Mapping[str, Any], start_s: float, end_s: float) -> list[float]:
        """Return the values of an alarm's metric from a time on, until before another."""
        dimensions = frozenset((each["Name"], each["Value"]) for each in alarm["Dimensions"])
        times, values = self.points.get((alarm["Namespace"], alarm["MetricName"], dimensions), ([], []))
        return values[bisect_left(times, start_s) : bisect_left(times, end_s)]


def _state(alarm: Mapping[str, Any], metrics: Metrics, now_s: float, clock: Clock, before: str) -> str:
    period, count = int(alarm["Period"]), int(alarm["EvaluationPeriods"])
    needed = int(alarm.get("DatapointsToAlarm", count))
    end_s = now_s // period * period if clock.is_aligned else now_s
    starts = [end_s - (k + 1) * period for k in range(count + clock.further_periods)]
    found = [values for start in starts if (values := metrics.between(alarm, start, start + period))]
    statistic, breaches = _STATISTICS[alarm["Statistic"]], _COMPARISONS[alarm["ComparisonOperator"]]
    results = [breaches(statistic(values), float(alarm["Threshold"])) for values in found][:count]
    missing, treatment = count - len(results), alarm["TreatMissingData"]
    if treatment == "ignore":
        if sum(results) >= needed:
            return "ALARM"
        return "OK" if len(results) - sum(results) > count - needed else before
    breaching = sum(results) + (missing if treatment == "breaching" else 0)
    return "ALARM" if breaching >= needed else "OK"


def _composite(rule: str, states: Mapping[str, str]) -> str:
    parts = re.findall(r'ALARM\("([^"]+)"\)', rule)
    assert " AND ".join(f'ALARM("{each}")' for each in parts) == rule, rule
    return "ALARM" if all(states[each] == "ALARM" for each in parts) else "OK"


def ringing(stack: Template, metrics: Metrics, times: Iterable[float], clock: Clock) -> dict[str, list[float]]:
    """Return the times at which each alarm that notifies was in state ALARM, without alarms that never were.

    Args:
        stack: a template, resolved.
        metrics: the points.
        times: of the evaluations, in order.
        clock: how CloudWatch evaluates.
    """
    alarms = dict(of_type(stack, "AWS::CloudWatch::Alarm"))
    composites = dict(of_type(stack, "AWS::CloudWatch::CompositeAlarm"))
    states = dict.fromkeys(alarms, "INSUFFICIENT_DATA")
    rang: dict[str, list[float]] = {}
    for now_s in times:
        states = {logical: _state(alarm, metrics, now_s, clock, states[logical]) for logical, alarm in alarms.items()}
        by_rule = {}
        for logical, composite in composites.items():
            rule = re.sub(r"\$\{(\w+)\}", r"\1", _text(composite["AlarmRule"]))
            by_rule[logical] = _composite(rule, states)
        for logical, state in {**states, **by_rule}.items():
            if state == "ALARM" and "AlarmActions" in {**alarms, **composites}[logical]:
                rang.setdefault(logical, []).append(now_s)
    return rang


def _text(value: Any) -> str:
    return str(value["Fn::Sub"]) if isinstance(value, dict) else str(value)
