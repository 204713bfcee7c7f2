"""Command that plays many odd answers: `python -m tests.odd --answers 100000 --seed 0`."""

from __future__ import annotations

import argparse
import logging
import sys
import time

from tests.odd.jobs import JOBS
from tests.odd.runs import rounds

_MAX_SHOWN = 5


def main() -> int:
    """Play answers and print the promises that they broke; return the exit code, 1 when they did."""
    parser = argparse.ArgumentParser(prog="python -m tests.odd", description=__doc__)
    parser.add_argument("--answers", type=int, default=10_000, help="how many at least (default: 10000)")
    parser.add_argument("--seed", type=int, default=0, help="decides which ones (default: 0)")
    parser.add_argument("--job", choices=[*JOBS], help="only the runs of one kind (default: all)")
    options = parser.parse_args()
    logging.getLogger("service").propagate = False
    began, answers, broken = time.process_time(), 0, list[str]()
    jobs = {name: rounds(name, options.seed) for name in ([options.job] if options.job else JOBS)}
    while answers < options.answers:
        for played in jobs.values():
            outcome = next(played)
            answers += outcome.answers
            broken += outcome.broken
    took = time.process_time() - began
    print(*broken[:_MAX_SHOWN], sep="\n", file=sys.stderr)  # noqa: T201 - what a command is for
    print(f"{len(broken)} promises broken by {answers} answers; {answers / took:.0f} a second and core")  # noqa: T201
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
