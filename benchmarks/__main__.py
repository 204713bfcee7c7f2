"""`python -m benchmarks`: runs the scenarios, prints a table, and writes the results as JSON and HTML."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import page, table
from benchmarks.aws_process import AwsProcessError
from benchmarks.cost import monthly_costs
from benchmarks.runner import Result, play
from benchmarks.runs import Scenario
from benchmarks.scenarios import SCENARIOS
from benchmarks.short import SHORT
from benchmarks.targets import Evaluation, evaluate, load


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [scenario.name for scenario in SCENARIOS]
    usual = [scenario.name for scenario in SCENARIOS if not scenario.on_request]
    long = [scenario.name for scenario in SCENARIOS if scenario.on_request]
    short = [scenario.name for scenario in SHORT]
    parser.add_argument(
        "scenarios",
        nargs="*",
        metavar="SCENARIO",
        help=f"which to run; default: all of {', '.join(usual)}; with --short: {', '.join(short)}; only when named: "
        f"{', '.join(long)}",
    )
    parser.add_argument(
        "--short", action="store_true", help="the short form of every change: calls, ratios, ceilings in loops"
    )
    parser.add_argument(
        "--quick", action="store_true", help="small fleets: checks that the benchmarks run, measures nothing"
    )
    parser.add_argument("--check", action="store_true", help="exit code 1 when a target is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the results as a self-contained HTML page")
    options = parser.parse_args(words)
    there = short if options.short else names
    if unknown := sorted(set(options.scenarios) - set(there)):
        parser.error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(there)}")
    return options


def _machine() -> dict[str, Any]:
    return {
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "arch": platform.machine(),
    }


def _report_progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """Run the scenarios, print and write the results, and return the exit code."""
    options = _parse(words)
    machine, results, evaluations = _machine(), list[Result](), list[Evaluation]()
    scenarios = [
        each
        for each in (SHORT if options.short else SCENARIOS)
        if (each.name in options.scenarios if options.scenarios else not each.on_request)
    ]
    try:
        for scenario in scenarios:
            played = list(play(scenario, quick=options.quick, progress=_report_progress))
            evaluated = [] if options.quick else evaluate(load(), played)
            if options.short and _may_be_noise(evaluated):
                played, evaluated = _repeated(scenario, evaluated)
            results += played
            evaluations += evaluated
    except AwsProcessError as error:
        print(error, file=sys.stderr)
        return 1
    print(table.render(results, evaluations))
    if costs := monthly_costs(scenarios, results):
        print(f"\n{table.render_costs(costs)}")
    document = _document(machine, results, evaluations)
    if options.json:
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if options.html:
        options.html.write_text(page.render(document), encoding="utf-8")
    return int(options.check and not all(each.met for each in evaluations))


def _may_be_noise(evaluations: Sequence[Evaluation]) -> bool:
    """Whether targets are missed, and all of those depend on what else the machine does."""
    missed = [each.target for each in evaluations if not each.met]
    return bool(missed) and all(each.depends_on_machine for each in missed)


def _repeated(scenario: Scenario, first: Sequence[Evaluation]) -> tuple[list[Result], list[Evaluation]]:
    """Play a scenario once more: a regression misses its target again, other work on the machine hardly ever does."""
    for each in first:
        if not each.met:
            _report_progress(f"{scenario.name}: {each.target.what}: {each.value:.3g}, bound: {each.bound}; once more")
    played = list(play(scenario, quick=False, progress=_report_progress))
    return played, evaluate(load(), played)


def _document(machine: dict[str, Any], results: Sequence[Result], evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    return {
        "machine": machine,
        "results": [result.as_json() for result in results],
        "targets": [
            {
                "what": each.target.what,
                "scenario": each.target.scenario,
                "bound": each.bound,
                "value": each.value,
                "met": each.met,
            }
            for each in evaluations
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
