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
from benchmarks.runner import Result, play
from benchmarks.scenarios import SCENARIOS
from benchmarks.targets import Evaluation, evaluate, load


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO", help=f"which to run; default: all of {', '.join(names)}"
    )
    parser.add_argument(
        "--quick", action="store_true", help="small fleets: checks that the benchmarks run, measures nothing"
    )
    parser.add_argument("--check", action="store_true", help="exit code 1 when a target is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the results as a self-contained HTML page")
    options = parser.parse_args(words)
    if unknown := sorted(set(options.scenarios) - set(names)):
        parser.error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(names)}")
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
    machine, results = _machine(), list[Result]()
    try:
        for scenario in SCENARIOS:
            if not options.scenarios or scenario.name in options.scenarios:
                results += play(scenario, quick=options.quick, progress=_report_progress)
    except AwsProcessError as error:
        print(error, file=sys.stderr)
        return 1
    evaluations = [] if options.quick else evaluate(load(), results)
    print(table.render(results, evaluations))
    document = _document(machine, results, evaluations)
    if options.json:
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if options.html:
        options.html.write_text(page.render(document), encoding="utf-8")
    return int(options.check and not all(each.met for each in evaluations))


def _document(machine: dict[str, Any], results: Sequence[Result], evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    return {
        "machine": machine,
        "results": [result.as_json() for result in results],
        "targets": [
            {
                "what": each.target.what,
                "scenario": each.target.scenario,
                "bound": each.target.bound,
                "value": each.value,
                "met": each.met,
            }
            for each in evaluations
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
