"""dynalite process: installed from the lock file on first use, with a LevelDB that is removed after the tests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.dynalite.transactions import Transactions
from tests.support import npm

__all__ = ["Dynalite", "installed", "running"]

_HERE: Final = Path(__file__).parent
_FILES: Final = ("package.json", "package-lock.json", "serve.cjs")


@dataclass(slots=True)
class Dynalite:
    """Running dynalite: its port on loopback, the number of calls forwarded to it, and its transactions."""

    port: int
    calls: int = 0
    transactions: Transactions = field(default_factory=Transactions)


def installed() -> Path:
    """Return the directory where `npm ci` installed dynalite."""
    return npm.installed("dynalite", _HERE, _FILES)


@contextmanager
def running(data: Path) -> Iterator[Dynalite]:
    """Run dynalite with its data in a directory."""
    process = subprocess.Popen(
        [npm.NODE, installed() / "serve.cjs", data],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        try:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("dynalite ended before it had a port; its stderr says why")
            yield Dynalite(int(line))
        finally:
            process.stdin.close()
            process.wait()
