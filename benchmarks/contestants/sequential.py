"""The plain way, one thing after the other."""

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
    found = (plain.extended_of(each, region) for each in plain.accounts() for region in plain.REGIONS)
    return {"servers": sum(map(len, found))}


_JOBS: Final[dict[str, Callable[[int], dict[str, Any]]]] = {
    "inventory": _inventory,
    "extended": _extended,
    "staging": lambda sample: plain.extend_all(plain.accounts(), sample=sample),
    "tags": lambda sample: plain.tag_all(plain.accounts(), sample=sample),
}


def main() -> None:
    """Do one job; print the seconds it took, and what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=_JOBS)
    parser.add_argument("--sample", type=int, default=40, help="how many servers to act on; the rest is reckoned")
    asked = parser.parse_args()
    began = time.perf_counter()
    said = _JOBS[asked.job](asked.sample)
    print(json.dumps({"seconds": [said.get("reckoned_s", time.perf_counter() - began)], **said, "complete": True}))


if __name__ == "__main__":
    main()
