"""Lists what a deployment is made of: each pinned run-time dependency with its licence, as docs/security.md shows it.

`python deploy/licences.py` prints it; a test holds the page to it, and each licence to those that are allowed.
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
"""Licences under which a dependency may come; MPL-2.0 asks only that changes to its own files are shown."""

# Words that packages use for them, where they do not use the SPDX identifier.
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
    """Give the pinned version of each run-time dependency of a Linux deployment, by name."""
    lines = RUNTIME.read_text(encoding="utf-8").splitlines()
    named = (line.split("#")[0].split(";")[0].strip() for line in lines if "win32" not in line)
    return dict(line.split("==") for line in named if line)


def licence_of(known: PackageMetadata) -> str:
    """Give the licence that a package declares, by SPDX identifiers; empty where it declares none."""
    classifiers = [
        each.rpartition(" :: ")[2] for each in known.get_all("Classifier") or () if each.startswith("License")
    ]
    declared = [*(known.get_all("License-Expression") or ()), *(known.get_all("License") or ())]
    licence = next(filter(None, declared), " AND ".join(classifiers))
    return _SPDX.get(licence, licence)


def identifiers(licence: str) -> set[str]:
    """Give the identifiers of an expression."""
    return set(re.split(r"[\s()]+", licence)) - {"", "AND", "OR", "WITH"}


def table(names: Iterable[str]) -> str:
    """Write the table."""
    rows = [f"| {name} | {metadata(name)['Version']} | {licence_of(metadata(name))} |" for name in sorted(names)]
    return "\n".join(["| package | version | licence |", "|---|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table(pinned()))
