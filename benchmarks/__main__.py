"""`python -m benchmarks`: plays the scenarios, prints a table, and writes results and a page."""

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
from benchmarks.runner import Result, play
from benchmarks.scenarios import SCENARIOS
from benchmarks.targets import Judged, judge, load
from benchmarks.world import WorldError


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO", help=f"which to play; default: all of {', '.join(names)}"
    )
    parser.add_argument("--quick", action="store_true", help="small fleets: shows that it works, measures nothing")
    parser.add_argument("--check", action="store_true", help="exit code 1 when a target is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write them as a page that needs nothing else")
    asked = parser.parse_args(words)
    if unknown := sorted(set(asked.scenarios) - set(names)):
        parser.error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(names)}")
    return asked


def _machine() -> dict[str, Any]:
    return {
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "arch": platform.machine(),
    }


def main(words: Sequence[str] | None = None) -> int:
    """Play, print, write; gives the exit code."""
    asked = _parse(words)
    machine, results = _machine(), list[Result]()
    try:
        for scenario in SCENARIOS:
            if not asked.scenarios or scenario.name in asked.scenarios:
                results += play(scenario, quick=asked.quick, tell=lambda text: print(text, file=sys.stderr, flush=True))
    except WorldError as error:
        print(error, file=sys.stderr)
        return 1
    judged = [] if asked.quick else judge(load(), results)
    print(table.render(results, judged))
    document = _document(machine, results, judged)
    if asked.json:
        asked.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if asked.html:
        asked.html.write_text(page.render(document), encoding="utf-8")
    return int(asked.check and not all(each.met for each in judged))


def _document(machine: dict[str, Any], results: Sequence[Result], judged: Sequence[Judged]) -> dict[str, Any]:
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
            for each in judged
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
