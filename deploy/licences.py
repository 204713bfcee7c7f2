"""List of the pinned run-time dependencies with their licences, as shown in docs/security.md.

`python deploy/licences.py` prints it; a test compares it with the page and with the allowed licences.
"""

# ruff: noqa: INP001 - a script

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageMetadata, metadata
from pathlib import Path
from typing import Final

RUNTIME: Final = Path(__file__).parents[1] / "requirements" / "runtime.txt"
ALLOWED: Final = frozenset({"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSD", "ISC", "MIT", "MPL-2.0", "PSF-2.0"})
"""Allowed licences of dependencies; MPL-2.0 only requires that changes to its own files are published."""

# Names that packages use instead of SPDX identifiers.
_SPDX: Final[Mapping[str, str]] = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "Dual License": "Apache-2.0 OR BSD",
    "ISC License": "ISC",
    "MIT License": "MIT",
}


def pinned() -> dict[str, str]:
    """Return the pinned version of each run-time dependency of a Linux deployment, by name."""
    lines = RUNTIME.read_text(encoding="utf-8").splitlines()
    named = (line.split("#")[0].split(";")[0].strip() for line in lines if "win32" not in line)
    return dict(line.split("==") for line in named if line)


def licence_of(known: PackageMetadata) -> str:
    """Return the licence that a package declares, as SPDX identifiers; empty if it declares none."""
    classifiers = [
        each.rpartition(" :: ")[2] for each in known.get_all("Classifier") or () if each.startswith("License")
    ]
    declared = [*(known.get_all("License-Expression") or ()), *(known.get_all("License") or ())]
    licence = next(filter(None, declared), " AND ".join(classifiers))
    return _SPDX.get(licence, licence)


def identifiers(licence: str) -> set[str]:
    """Return the identifiers in a licence expression."""
    return set(re.split(r"[\s()]+", licence)) - {"", "AND", "OR", "WITH"}


def table(names: Iterable[str]) -> str:
    """Return the table as Markdown."""
    rows = [f"| {name} | {metadata(name)['Version']} | {licence_of(metadata(name))} |" for name in sorted(names)]
    return "\n".join(["| package | version | licence |", "|---|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table(pinned()))
