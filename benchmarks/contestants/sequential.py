"""The simple script, sequentially."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any, Final

from benchmarks.contestants import plain


def _inventory(_: int) -> dict[str, Any]:
    return {"servers": sum(plain.inventory_of(each, region) for each in plain.accounts() for region in plain.REGIONS)}


def _extended(_: int) -> dict[str, Any]:
    servers = (plain.extended_of(each, region) for each in plain.accounts() for region in plain.REGIONS)
    return {"servers": sum(map(len, servers))}


_JOBS: Final[dict[str, Callable[[int], dict[str, Any]]]] = {
    "inventory": _inventory,
    "extended": _extended,
    "staging": lambda sample: plain.extend_all(plain.accounts(), sample=sample),
    "tags": lambda sample: plain.tag_all(plain.accounts(), sample=sample),
}


def main() -> None:
    """Run one job; print its seconds and figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=_JOBS)
    parser.add_argument("--sample", type=int, default=40, help="how many servers to process; the rest is extrapolated")
    options = parser.parse_args()
    began = time.perf_counter()
    figures = _JOBS[options.job](options.sample)
    print(
        json.dumps(
            {"seconds": [figures.get("extrapolated_s", time.perf_counter() - began)], **figures, "complete": True}
        )
    )


if __name__ == "__main__":
    main()
