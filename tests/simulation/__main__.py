"""Command that plays many histories: `python -m tests.simulation --histories 1000000 --seed 0`."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.simulation.failback_history import play_failback
from tests.simulation.history import play

_MAX_SHOWN = 5


def main() -> int:
    """Play the histories and print those that broke a promise; return the exit code, 1 when one did."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--histories", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="the first of them (default: 0)")
    parser.add_argument("--failback", action="store_true", help="those of one lineage and its failback")
    parser.add_argument("--trace", action="store_true", help="print the trace of each")
    options = parser.parse_args()
    began, calls, days, broken = time.process_time(), 0, 0.0, Counter[str]()
    for seed in range(options.seed, options.seed + options.histories):
        result = play_failback(seed) if options.failback else play(seed)
        calls, days = calls + result.calls, days + result.seconds / 86_400
        if options.trace:
            print(seed, result.trace, result.calls, " / ".join(result.events))  # noqa: T201 - what a command is for
        if result.broken:
            broken[result.broken[0].partition(":")[0]] += 1
            if broken.total() <= _MAX_SHOWN:
                try:
                    result.check()
                except AssertionError as error:
                    print(error, file=sys.stderr)  # noqa: T201
    took = time.process_time() - began
    rate = f"{options.histories / took * 60:.0f} histories a minute and core, {days:.1f} simulated days, {calls} calls"
    print(f"{broken.total()} of {options.histories} histories broke a promise {dict(broken)}; {rate}")  # noqa: T201
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
