"""Running of mutants: a copy of the tree gets the bug, and the tests that must notice run in a process of their own."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest

from tests.mutants.mutant import ROOT, Mutant

__all__ = ["Verdict", "run_mutants"]

# Imported once, in the process from which those of the mutants are forked; nothing of this project, which they change.
_PRELOADED: Final = ["boto3", "aiobotocore.session", "moto.server", "pydantic", "pytest", "rich", "typer"]
_TIMEOUT_S: Final = 300
# Without rewriting of assertions: it takes longer than most of these tests, and only makes messages better.
_OPTIONS: Final = ("-q", "--assert=plain", "-p", "no:cacheprovider", "-o", "timeout=120", "--tb=short")
_OUTCOMES: Final = "outcomes.json"
_OUTPUT: Final = "output.txt"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one mutant: the tests that did not notice it, or why it could not be tried."""

    mutant: Mutant
    unnoticed: tuple[str, ...] = ()
    invalid: str = ""
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether every named test failed."""
        return not self.unnoticed and not self.invalid


class _Outcomes:
    """Plugin that keeps the worst outcome of each test."""

    def __init__(self) -> None:
        self.failed: dict[str, bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed[report.nodeid] = self.failed.get(report.nodeid, False) or report.failed


def run_mutants(mutants: Sequence[Mutant], *, processes: int) -> Iterator[Verdict]:
    """Run mutants and yield the verdicts as they come. Uncommitted changes of the tree take part."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    with TemporaryDirectory() as folder, ThreadPoolExecutor(processes) as pool:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(processes):
            copies.put(_copied(Path(folder) / str(number)))

        def run(mutant: Mutant) -> Verdict:
            copy = copies.get()
            try:
                return _run(mutant, copy, context)
            finally:
                copies.put(copy)

        for done in as_completed([pool.submit(run, mutant) for mutant in mutants]):
            yield done.result()


def _copied(folder: Path) -> Path:
    """Copy all files that git tracks or would, and return the copy's folder."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (source := ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    return folder


def _run(mutant: Mutant, copy: Path, context: Any) -> Verdict:
    path = copy / mutant.file
    sound = path.read_text()
    started = time.monotonic()
    _write(path, mutant.planted(sound))
    (copy / _OUTCOMES).unlink(missing_ok=True)
    try:
        process = context.Process(target=_test, args=(copy, mutant.tests))
        process.start()
        process.join(_TIMEOUT_S)
        if process.is_alive():  # a bug that makes a test hang is noticed, but says nothing about the other tests
            process.kill()
            process.join()
    finally:
        _write(path, sound)
    seconds = time.monotonic() - started
    if not (copy / _OUTCOMES).exists():
        return Verdict(mutant, invalid=f"its tests did not end: {_last_lines(copy)}", seconds=seconds)
    failed: dict[str, bool] = json.loads((copy / _OUTCOMES).read_text())
    if not failed:
        return Verdict(mutant, invalid=f"no test was run: {_last_lines(copy)}", seconds=seconds)
    unnoticed = tuple(test for test in mutant.tests if not _is_noticed(test, failed))
    return Verdict(mutant, unnoticed, seconds=seconds)


def _write(path: Path, text: str) -> None:
    """Write a file with a new time, by which Python sees that its compiled form is an old one."""
    before = path.stat().st_mtime if path.exists() else 0
    path.write_text(text)
    os.utime(path, (before + 2, before + 2))


def _is_noticed(test: str, failed: Mapping[str, bool]) -> bool:
    """Return whether a named test failed, in at least one of its cases."""
    start = f"tests/{test.removesuffix('*')}"
    return any(
        has_failed and (each.startswith(start) if test.endswith("*") else each.partition("[")[0] == start)
        for each, has_failed in failed.items()
    )


def _last_lines(copy: Path) -> str:
    return "\n".join((copy / _OUTPUT).read_text(errors="replace").splitlines()[-8:])


def _test(copy: Path, tests: Sequence[str]) -> None:
    """Run tests of the copy, in a new process; write the outcomes to a file."""
    for name in [name for name in sys.modules if name.partition(".")[0] in {"tests", "service", "benchmarks"}]:
        del sys.modules[name]
    sys.path[:] = [str(copy), *(each for each in sys.path if Path(each or ".").resolve() != ROOT)]
    os.environ["PYTHONPATH"] = str(copy)
    os.chdir(copy)
    names = [f"tests/{test.removesuffix('::*')}" for test in tests]
    outcomes = _Outcomes()
    with (copy / _OUTPUT).open("w") as output, redirect_stdout(output), redirect_stderr(output):
        code = pytest.main([*_OPTIONS, *names], plugins=[outcomes])
    if code in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        (copy / _OUTCOMES).write_text(json.dumps(outcomes.failed))
    else:
        (copy / _OUTCOMES).write_text("{}")  # a test could not be imported: too large a bug to say something
