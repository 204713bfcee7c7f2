"""The patch that adds DRS to the pinned moto, and moto's conventions run on a copy of moto that has it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

import moto

from service.sandbox.moto_drs import models
from tests.moto_upstream.five_files import five_files

__all__ = ["CheckError", "apply_patch", "build_patch", "check"]

_PACKAGE: Final = Path(models.__file__).parent
_TESTS: Final = {"test_drs.py": "drs_tests.py", "test_server.py": "server_tests.py"}
_UPSTREAM_TESTS: Final = Path(__file__).parent / "upstream"
# moto's own settings (pyproject.toml and setup.cfg of its repository), which its wheel does not have.
_RUFF: Final = """
target-version = "py310"
[lint]
ignore = ["B019", "B024", "B027", "B904", "E501", "UP007", "UP045"]
extend-select = ["B", "C4", "E", "F", "G", "I", "T", "UP", "W"]
[lint.isort]
known-first-party = ["moto"]
"""
_MYPY: Final = """
[mypy]
disallow_any_generics = True
disallow_subclassing_any = True
disallow_untyped_calls = True
disallow_untyped_defs = True
disallow_incomplete_defs = True
check_untyped_defs = True
disallow_untyped_decorators = True
no_implicit_optional = True
strict_optional = True
warn_redundant_casts = True
disable_error_code = abstract
follow_imports = silent
ignore_missing_imports = True
"""
_LITERAL: Final = """    "Literal['drs']",\n"""
_OVERLOAD: Final = """@overload
def get_backend(name: "Literal['drs']") -> "BackendDict[DRSBackend]": ...
"""


class CheckError(AssertionError):
    """A check of moto fails on the patched copy; the message has its output."""


def build_patch(work: Path) -> str:
    """Build the patch against the installed moto, in a folder that is empty or does not exist.

    Raises:
        MergeError: the modules cannot be merged.
        CheckError: moto's formatter or linter cannot handle the result.
    """
    before, after = work / "before", work / "after"
    original = Path(moto.__file__).parent
    for side in (before, after):
        (side / "moto").mkdir(parents=True)
        for name in ("backends.py", "backend_index.py"):
            shutil.copy(original / name, side / "moto" / name)
    (after / "moto" / "drs").mkdir()
    for name, text in five_files(_PACKAGE).items():
        (after / "moto" / "drs" / name).write_text(text, encoding="utf-8")
    tests = after / "tests" / "test_drs"
    tests.mkdir(parents=True)
    (tests / "__init__.py").touch()
    for name, source in _TESTS.items():
        shutil.copy(_UPSTREAM_TESTS / source, tests / name)
    _register(after / "moto")
    _lint(after, fix=True)
    differences = _run(["git", "diff", "--no-index", "--no-color", "before", "after"], work, codes=(0, 1))
    return re.sub(r"(?<=[ab]/)(?:before|after)/", "", differences)


def _register(package: Path) -> None:
    """Enter DRS into moto's index of backends and into the types of `get_backend`, in alphabetical order."""
    index = package / "backend_index.py"
    urls = [
        '    ("drs", re.compile("https?://drs(-fips)?\\\\.(.+)\\\\.amazonaws\\\\.com")),\n',
        '    ("drs", re.compile("https?://drs(-fips)?\\\\.(.+)\\\\.api\\\\.aws")),\n',
    ]
    _insert(index, before='    ("ds", ', lines="".join(urls))
    backends = package / "backends.py"
    _insert(backends, before="    from moto.ds.models", lines="    from moto.drs.models import DRSBackend\n")
    _insert(backends, before="    \"Literal['ds']\",", lines=_LITERAL)
    _insert(backends, before="@overload\ndef get_backend(name: \"Literal['ds']\")", lines=_OVERLOAD)


def _insert(path: Path, *, before: str, lines: str) -> None:
    text = path.read_text(encoding="utf-8")
    if text.count(before) != 1:
        message = f"{path.name} of this moto has {before!r} {text.count(before)} times, not once"
        raise CheckError(f"{message}. Fix: adapt the place in {__file__}")
    path.write_text(text.replace(before, lines + before), encoding="utf-8")


def _lint(root: Path, *, fix: bool = False) -> None:
    """Run moto's formatter and linter over the files of the patch; `fix` lets them change what they can."""
    settings = root.parent / "ruff.toml"
    settings.write_text(_RUFF, encoding="utf-8")
    places = ["moto/drs", "tests/test_drs"]
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--config", str(settings), "--no-cache"]
    if fix:
        _run([*ruff, "check", *options, "--fix", *places], root)
    _run([*ruff, "format", *options, *([] if fix else ["--check"]), *places], root)
    _run([*ruff, "check", *options, *places], root)


def apply_patch(patch: str, root: Path) -> None:
    """Apply the patch to a copy of the installed moto in a folder. Raises CheckError when it does not apply."""
    shutil.copytree(Path(moto.__file__).parent, root / "moto", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "drs.patch").write_text(patch, encoding="utf-8")
    _run(["git", "apply", "--verbose", "drs.patch"], root)


def check(root: Path) -> None:
    """Run moto's conventions on a patched copy: format, lint, types, tests in decorator mode and in server mode.

    Raises:
        CheckError: one of them fails.
    """
    _lint(root)
    (root / "mypy.ini").write_text(_MYPY, encoding="utf-8")
    _run([sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--cache-dir", os.devnull, "moto/drs"], root)
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "tests/test_drs"]
    _run(pytest, root)
    with _moto_server(root) as endpoint:
        _run(pytest, root, TEST_SERVER_MODE="true", TEST_SERVER_MODE_ENDPOINT=endpoint)


@contextmanager
def _moto_server(root: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    with subprocess.Popen(command, cwd=root, env=_environment(root), stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(endpoint, process)
            yield endpoint
        finally:
            process.terminate()


def _wait_for(endpoint: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            with urlopen(f"{endpoint}/moto-api/", timeout=10):  # noqa: S310 - our own loopback
                return
        except URLError:
            time.sleep(0.1)
    raise CheckError(f"the server of the patched moto ended with {process.returncode}")


def _environment(root: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", "AWS_EC2_METADATA_DISABLED": "true"}


def _run(command: Sequence[str], folder: Path, *, codes: Sequence[int] = (0,), **variables: str) -> str:
    environment = {**_environment(folder), **variables}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in codes:
        raise CheckError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout
