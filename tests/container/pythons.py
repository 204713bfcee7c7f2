"""Finding a Python of the image's version on this machine, and running it as if it had just been installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

__all__ = ["REQUIRED", "CleanPython", "Found", "clean_python", "find", "not_tried"]

REQUIRED = "REQUIRE_IMAGE_PYTHON"
"""Variable: 1 makes a missing Python of the image's version a failure, as .ci/run has it."""
_CHOSEN = "IMAGE_PYTHON"
_ASK = "import sys; print(sys.executable); print('%d.%d %d' % sys.version_info[:3])"


class Found(NamedTuple):
    """A Python interpreter: path, version such as "3.13", and patch number."""

    path: Path
    version: str
    patch: int


def _places(version: str, environment: Mapping[str, str]) -> Iterator[Path]:
    for each in environment.get("PATH", os.defpath).split(os.pathsep):
        yield from (Path(each, name) for name in (f"python{version}", "python3"))
    home = Path(environment.get("HOME", "/nonexistent"))
    folders = {
        Path(environment.get("PYENV_ROOT", home / ".pyenv")) / "versions": f"{version}.*",
        Path(environment.get("RUNNER_TOOL_CACHE", "/opt/hostedtoolcache")) / "Python": f"{version}.*/*",
        Path(environment.get("UV_PYTHON_INSTALL_DIR", home / ".local/share/uv/python")): f"cpython-{version}.*",
    }
    for folder, pattern in folders.items():
        yield from (each / "bin" / "python3" for each in folder.glob(pattern))


def _ask(path: Path) -> Found | None:
    """Return what an interpreter says of itself; None if it does not run."""
    if not os.access(path, os.X_OK):
        return None
    completed = subprocess.run([str(path), "-I", "-c", _ASK], check=False, capture_output=True, text=True)
    if completed.returncode != 0:
        return None  # a launcher whose version is not installed
    executable, release = completed.stdout.splitlines()
    version, patch = release.split()
    return Found(Path(executable), version, int(patch))


def find(version: str, environment: Mapping[str, str] = os.environ) -> Found | None:
    """Return the newest Python of a version; None if this machine has none.

    Looks at IMAGE_PYTHON alone if that is set, else on the PATH and where pyenv, uv and GitHub's runners install them.
    """
    chosen = environment.get(_CHOSEN)
    places = [Path(chosen)] if chosen else dict.fromkeys(_places(version, environment))
    found = [each for each in map(_ask, places) if each is not None and each.version == version]
    return max(found, key=lambda each: each.patch, default=None)


def not_tried(version: str) -> str:
    """Return what a machine without a Python of the image's version did not try, and how to get one."""
    return (
        f"NOT TRIED: the image's installation with Python {version}, its base's version; this machine has none. "
        f"Fix: install one (pyenv install {version}, uv python install {version}) or set {_CHOSEN} to its path"
    )


@dataclass(frozen=True, slots=True)
class CleanPython:
    """A Python with pip and nothing else installed, and the variables to run it with."""

    found: Found
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables of a new machine: the PATH, and how pip reaches its index from here."""
        wanted = re.compile(r"PIP_\w+|\w+_proxy|SSL_CERT_\w+", re.IGNORECASE)
        kept = {name: value for name, value in os.environ.items() if wanted.fullmatch(name)}
        return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PATH": f"{self.folder}/bin:{os.defpath}"}

    def run(self, *command: str, cwd: str | Path = "/", **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command with the clean variables and some more; this Python is its python3."""
        environment = {**self.environment, **more}
        first = shutil.which(command[0], path=environment["PATH"])
        assert first is not None
        command = (first, *command[1:])
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=cwd)


def clean_python(found: Found, folder: Path) -> CleanPython:
    """Make a clean Python in a folder."""
    subprocess.run([str(found.path), "-I", "-m", "venv", str(folder)], check=True)
    return CleanPython(found, folder)
