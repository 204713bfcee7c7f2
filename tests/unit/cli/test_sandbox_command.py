"""The environment of a command in the sandbox, and the file for a shell."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import pytest

from service.cli.sandbox_command import (
    CommandError,
    SandboxFileError,
    environment_file,
    environment_text,
    run_within,
)

SANDBOX: Final = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "PROJECT_NAME": "it's $HOME"}


def test_a_shell_reads_the_file_as_it_was_meant() -> None:
    shown = 'printf "%s|%s|%s" "$AWS_ENDPOINT_URL" "$PROJECT_NAME" "${AWS_PROFILE-none}"'
    script = f"AWS_PROFILE=prod\n{environment_text(SANDBOX)}{shown}"
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "http://127.0.0.1:1|it's $HOME|none"


def test_the_file_is_there_while_the_sandbox_serves(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.env"
    for _ in range(2):
        with environment_file(path, SANDBOX):
            assert path.read_text() == environment_text(SANDBOX)
            assert list(tmp_path.iterdir()) == [path]
        assert not path.exists()
    path.write_text(environment_text({}))  # what a sandbox that was killed leaves
    with environment_file(path, SANDBOX):
        assert path.read_text() == environment_text(SANDBOX)


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "profile"
    path.write_text("export PATH=/bin\n")
    with pytest.raises(SandboxFileError, match="Fix: name another file"), environment_file(path, SANDBOX):
        pass
    assert path.read_text() == "export PATH=/bin\n"
    with pytest.raises(SandboxFileError, match="cannot write"), environment_file(tmp_path / "no" / "x", SANDBOX):
        pass


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -TERM $$", 143), ('test -n "$PROJECT_NAME"', 0)])
def test_the_exit_code_is_that_of_the_command(script: str, code: int) -> None:
    assert run_within(["/bin/sh", "-c", script], SANDBOX) == code


def test_a_command_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("x")
    for path, code in ((str(tmp_path / "none"), 127), (str(plain), 126)):
        with pytest.raises(CommandError, match=path) as caught:
            run_within([path], SANDBOX)
        assert caught.value.exit_code == code
