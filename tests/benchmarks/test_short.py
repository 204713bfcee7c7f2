"""The short form of the benchmarks and every threshold: a figure that regresses misses it, a busy machine does not."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import table
from benchmarks.__main__ import main
from benchmarks.calibration import LoopTime
from benchmarks.cost import monthly_costs
from benchmarks.runner import Result
from benchmarks.scale import facts
from benchmarks.scale.model import Estate as Size
from benchmarks.scale.model import monthly_dollars, plan
from benchmarks.scenarios import SCENARIOS
from benchmarks.short import SHORT
from benchmarks.targets import Target, evaluate, load

LOOP = LoopTime(cpu_s=0.1, wall_s=0.2)
OTHER = 100.0  # figure of the run with which one is compared
SHORT_TARGETS = [each for each in load() if each.scenario.startswith("short_")]


def _result(scenario: str, run: str, figure: str, value: float, **more: Any) -> Result:
    """Return a result of which one figure has a value."""
    members: dict[str, Any] = {"wall_s": 1.0, "seconds": (1.0,), "cpu_s": 1.0, "peak_mb": 50.0, "loop": LOOP}
    members |= {"contestant": "drs_sync", "calls": {}, "facts": {}} | more
    match figure:
        case "wall_s" | "cpu_s" | "peak_mb":
            members[figure] = value
        case "work_s" | "best_s" | "p95_s":
            members["seconds"] = (value,)
        case "work_cpu_s" | "best_cpu_s":
            members["cpu_seconds"] = (value,)
        case _ if "_calls_per_" in figure:
            calls, _, fact = figure.partition("_per_")
            members |= {"calls": {f"{calls.removesuffix('_calls')}:Any": value}, "facts": {fact: 1}}
        case _ if figure.endswith("_calls"):
            members["calls"] = {f"{figure.removesuffix('_calls')}:Any": value}
        case _:
            members["facts"] = {figure: value}
    return Result(scenario, run, **members)


def _is_met(target: Target, value: float, loop: LoopTime = LOOP) -> bool:
    """Return whether a target is met by results that make it compare `value` with its bound."""
    other = target.over or target.minus or target.per
    own = value
    if target.over:
        own = OTHER / value
    if target.minus:
        own = OTHER + value
    if target.per:
        own = OTHER * value
    results = [_result(target.scenario, target.run, target.figure, own, loop=loop)]
    if other:
        figure = (target.over_figure if target.over else None) or target.figure
        results.append(_result(target.scenario, other, figure, OTHER, loop=loop))
    [evaluation] = evaluate([target], results)
    return evaluation.met


@pytest.mark.parametrize("target", load(), ids=lambda each: f"{each.scenario}-{each.run}-{each.figure}")
def test_a_figure_that_regresses_misses_its_threshold(target: Target) -> None:
    if target.exactly is not None:
        assert _is_met(target, target.exactly)
        assert not _is_met(target, target.exactly + 1)
        assert target.exactly == 0 or not _is_met(target, target.exactly - 1)
    elif target.at_least is not None:
        assert _is_met(target, target.at_least * 1.001)
        assert not _is_met(target, target.at_least * 0.99)
    else:
        ceiling = target.ceiling(LOOP.cpu_s if target.figure.endswith("cpu_s") else LOOP.wall_s)
        assert ceiling is not None
        assert _is_met(target, ceiling * 0.999)
        assert not _is_met(target, ceiling * 1.01)


def test_a_ceiling_in_loops_is_as_much_higher_as_the_machine_is_slower() -> None:
    target = Target("w", "s", "run", "best_s", at_most=1, loops=10)
    quiet, busy = LoopTime(cpu_s=0.1, wall_s=0.1), LoopTime(cpu_s=0.1, wall_s=0.4)
    assert [_is_met(target, seconds, quiet) for seconds in (1.9, 2.1)] == [True, False]
    assert [_is_met(target, seconds, busy) for seconds in (4.9, 5.1)] == [True, False]
    cpu = Target("w", "s", "run", "best_cpu_s", loops=10)
    assert [_is_met(cpu, 1.1, loop) for loop in (quiet, busy)] == [False, False]  # waiting for a core is no CPU time


def test_the_bound_in_loops_shows_also_what_it_is_on_this_machine() -> None:
    [shown] = evaluate(
        [Target("w", "s", "run", "best_s", at_most=1, loops=10)], [_result("s", "run", "best_s", 3.5, loop=LOOP)]
    )
    assert (shown.bound, shown.met) == ("at most 1 and 10 loops: 3", False)


@pytest.mark.parametrize("target", SHORT_TARGETS, ids=lambda each: f"{each.run}-{each.figure}")
def test_no_target_of_the_short_form_is_seconds_alone(target: Target) -> None:
    is_ratio = bool(target.over or target.per) or target.figure.startswith("over_")
    assert not target.depends_on_machine or is_ratio or target.loops


def test_the_short_form_has_every_kind_of_target_and_a_target_of_every_run_but_the_references() -> None:
    said = " ".join(each.what for each in SHORT_TARGETS)
    assert [name for name in ("R3.4", "R9.5", "R10.1", "R12.6", "R14.12") if name not in said] == []
    in_loops = {name for each in SHORT_TARGETS if each.loops for name in ("R3.4", "R9.5") if name in each.what}
    assert in_loops == {"R3.4", "R9.5"}
    assert any(each.per == "floor" and each.figure.endswith("cpu_s") for each in SHORT_TARGETS)
    assert any(each.per == "floor" and not each.figure.endswith("cpu_s") for each in SHORT_TARGETS)
    assert any(each.over == "full_scan" for each in SHORT_TARGETS)
    runs = {(scenario.name, run.name) for scenario in SHORT for run in scenario.runs}
    bound = {(each.scenario, each.run) for each in SHORT_TARGETS}
    compared = {(each.scenario, each.per) for each in SHORT_TARGETS if each.per}
    assert runs == bound | compared


def test_names_of_scenarios_differ() -> None:
    names = [scenario.name for scenario in (*SCENARIOS, *SHORT)]
    assert len(names) == len(set(names))


class _Machine:
    """Plays no scenario, and returns the given DRS calls and seconds for its run, one after another."""

    def __init__(self, *values: tuple[float, float]) -> None:
        self.left = list(values)

    def play(self, scenario: Any, **_: Any) -> list[Result]:
        calls, seconds = self.left.pop(0)
        return [_result(scenario.name, "warm", "best_s", seconds, calls={"drs:Any": calls})]


BOUNDS = (
    Target("time", "short_floor", "warm", "best_s", at_most=0, loops=10),
    Target("calls", "short_floor", "warm", "drs_calls", exactly=5),
)


@pytest.mark.parametrize(
    ("values", "code", "left"),
    [
        ([(5, 1.0), (5, 1.0)], 0, 1),
        ([(5, 9.0), (5, 1.0)], 0, 0),  # too slow once: other work on the machine
        ([(5, 9.0), (5, 9.0)], 1, 0),  # too slow twice: a regression
        ([(6, 1.0), (5, 1.0)], 1, 1),  # a call too many is never chance
        ([(5, 9.0), (6, 1.0)], 1, 0),
    ],
)
def test_a_missed_time_is_measured_again_and_a_missed_count_is_not(
    values: list[tuple[float, float]], code: int, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = _Machine(*values)
    monkeypatch.setattr("benchmarks.__main__.play", machine.play)
    monkeypatch.setattr("benchmarks.__main__.load", lambda: BOUNDS)
    assert main(["--short", "--check", "short_floor"]) == code
    assert len(machine.left) == left


def test_the_measured_seconds_of_a_sync_are_priced_with_the_models_prices() -> None:
    size = Size(accounts=1, regions=3, servers=200)
    dollars = monthly_dollars(size, 10.0)
    runs = size.per_hour * facts.HOURS_PER_MONTH
    assert dollars["Lambda"] == pytest.approx(runs * (10 * facts.LAMBDA_GB_S + facts.LAMBDA_REQUEST))
    assert {**dollars, "Lambda": 0} == {**plan(size).dollars, "Lambda": 0}


def test_the_filtered_and_the_unfiltered_sync_are_priced_and_a_slower_one_costs_more() -> None:
    results = [
        _result("short_floor", "warm", "work_s", 0.3, contestant="drs_sync_job"),
        _result("short_floor", "full_scan", "work_s", 2.0, contestant="drs_sync_job"),
        _result("short_floor", "floor", "work_s", 0.2, contestant="floor"),
        _result("short_calls", "again", "work_s", 2.0),  # no size
    ]
    [(warm, cheap), (full, dear)] = monthly_costs(SHORT, results)
    assert (warm.run, full.run) == ("warm", "full_scan")
    assert sum(cheap.values()) < sum(dear.values())
    text = table.render_costs([(warm, cheap), (full, dear)])
    assert f"{sum(dear.values()):.2f}" in text.splitlines()[-1]
    assert table.render_costs([]) == ""
