"""Commands whose stdout or stderr is closed, full or a broken pipe: as separate processes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.support import command
from tests.support.sandbox import EngineSandbox


@pytest.fixture
def full_disk() -> Iterator[int]:
    """Open a file of which no write succeeds."""
    descriptor = os.open("/dev/full", os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


MESSAGE = "drs-sync: cannot write to stdout: {}; completed work is kept"


@pytest.mark.parametrize("output", ["json", "table"])
@pytest.mark.parametrize("words", [("regions",), ("sync", "inventory")])
def test_output_to_a_full_disk_is_one_line_and_exit_code_1(
    sandbox: EngineSandbox, full_disk: int, words: tuple[str, ...], output: str
) -> None:
    done = command.run(*words, "--output", output, stdout=full_disk)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, MESSAGE.format("No space left on device"))
    assert "Traceback" not in done.stderr
    assert bool(sandbox.items()) is (words[0] == "sync"), "the sync is done nevertheless"


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("sync", "--help"), ("regions", "surplus"), ()])
def test_help_and_error_documents_to_a_full_disk_are_one_line_and_exit_code_1(
    full_disk: int, arguments: tuple[str, ...]
) -> None:
    done = command.run(*arguments, stdout=full_disk)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, MESSAGE.format("No space left on device"))
    assert "Traceback" not in done.stderr


def test_output_to_a_broken_pipe_is_one_line_and_exit_code_1(sandbox: EngineSandbox) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = command.run("regions", stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, MESSAGE.format("Broken pipe"))
    assert "Traceback" not in done.stderr
    assert sandbox.status() == {}


def test_with_stdout_closed_the_work_is_done_and_the_exit_code_shows(sandbox: EngineSandbox) -> None:
    done = command.run("sync", "inventory", closed=(1,))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert len(sandbox.items()) == 11
    wrong = command.run("regions", "surplus", closed=(1,))
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("drs-sync: ")


def test_with_stderr_closed_the_output_is_there(sandbox: EngineSandbox) -> None:
    done = command.run("sync", "inventory", closed=(2,))
    assert (done.returncode, json.loads(done.stdout)["serversSynced"]) == (0, 11)
    wrong = command.run("regions", "surplus", closed=(2,))
    assert (wrong.returncode, json.loads(wrong.stdout)["error"]) == (2, "Usage")
    assert command.run("regions", closed=(1, 2)).returncode == 0
    assert sandbox.status()
