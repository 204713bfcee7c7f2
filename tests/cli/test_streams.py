"""Commands whose stdout or stderr is closed, full or a broken pipe: run as separate processes by a shell."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.support.estate import Estate

COMMAND = [sys.executable, "-m", "service.cli"]


def run_in_shell(*arguments: str, redirection: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in a shell, with a redirection."""
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, *arguments],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


MESSAGE = "drs-sync: cannot write to stdout: {}; completed work is kept"


@pytest.mark.parametrize("output", ["json", "table"])
@pytest.mark.parametrize("command", [("regions",), ("sync", "inventory")])
def test_output_to_a_full_disk_is_one_line_and_exit_code_1(
    estate: Estate, command: tuple[str, ...], output: str
) -> None:
    done = run_in_shell(*command, "--output", output, redirection="> /dev/full")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, MESSAGE.format("No space left on device"))
    assert "Traceback" not in done.stderr
    assert bool(estate.items()) is (command[0] == "sync"), "the sync is done nevertheless"


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("sync", "--help"), ("regions", "surplus"), ()])
def test_help_and_error_documents_to_a_full_disk_are_one_line_and_exit_code_1(arguments: tuple[str, ...]) -> None:
    done = run_in_shell(*arguments, redirection="> /dev/full")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, MESSAGE.format("No space left on device"))
    assert "Traceback" not in done.stderr


def test_output_to_a_broken_pipe_is_one_line_and_exit_code_1(estate: Estate) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*COMMAND, "regions"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=300
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, MESSAGE.format("Broken pipe"))
    assert "Traceback" not in done.stderr
    assert estate.status() == {}


def test_with_stdout_closed_the_work_is_done_and_the_exit_code_shows(estate: Estate) -> None:
    done = run_in_shell("sync", "inventory", redirection=">&-")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert len(estate.items()) == 11
    wrong = run_in_shell("regions", "surplus", redirection=">&-")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("drs-sync: ")


def test_with_stderr_closed_the_output_is_there(estate: Estate) -> None:
    done = run_in_shell("sync", "inventory", redirection="2>&-")
    assert (done.returncode, json.loads(done.stdout)["serversSynced"]) == (0, 11)
    wrong = run_in_shell("regions", "surplus", redirection="2>&-")
    assert (wrong.returncode, json.loads(wrong.stdout)["error"]) == (2, "Usage")
    assert run_in_shell("regions", redirection=">&- 2>&-").returncode == 0
    assert estate.status()
