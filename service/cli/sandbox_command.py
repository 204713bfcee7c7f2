"""A command that runs in the environment of the sandbox, and the file that gives a shell this environment."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final

from service.client_environment import OVERRIDING, merged
from service.errors import DrsSyncError

__all__ = [
    "CommandError",
    "SandboxFileError",
    "environment_file",
    "environment_text",
    "export_file",
    "run_within",
]

_HEADER: Final = "# Written by drs-sync sandbox: the environment of a simulated AWS."
_NOT_FOUND: Final = 127  # as shells say it
_NOT_EXECUTABLE: Final = 126
_SIGNALLED: Final = 128


class CommandError(DrsSyncError):
    """The command cannot be started; `exit_code` is what a shell would end with."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class SandboxFileError(DrsSyncError):
    """The file of the environment, or of the export, cannot be written."""


def run_within(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command to its end in the environment of the sandbox; return its exit code, 128 + n after signal n.

    Ctrl-C reaches the command from the terminal itself, and SIGTERM is passed on to it; both leave the sandbox serving
    until the command has ended.

    Raises:
        CommandError: it cannot be started.
    """
    try:
        process = subprocess.Popen(command, env=merged(os.environ, environment))  # noqa: S603 - the user's own command
    except FileNotFoundError:
        message = f"cannot run {command[0]}: there is no such command. Fix: check its name, or give its path"
        raise CommandError(message, _NOT_FOUND) from None
    except OSError as error:
        message = f"cannot run {command[0]}: {error.strerror}. Fix: make it executable, or name its interpreter first"
        raise CommandError(message, _NOT_EXECUTABLE) from None
    with process, _signals_for(process):
        code = process.wait()
    return code if code >= 0 else _SIGNALLED - code


@contextmanager
def _signals_for(process: subprocess.Popen[bytes]) -> Iterator[None]:
    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    previous = {signal.SIGINT: signal.getsignal(signal.SIGINT), signal.SIGTERM: signal.getsignal(signal.SIGTERM)}
    signal.signal(signal.SIGINT, lambda _number, _frame: None)
    signal.signal(signal.SIGTERM, pass_on)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def environment_text(environment: Mapping[str, str]) -> str:
    """Write an environment as lines that a POSIX shell can source. Pure."""
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
    return f"{_HEADER}\nunset {' '.join(OVERRIDING)}\n{exports}"


@contextmanager
def environment_file(path: Path | None, environment: Mapping[str, str]) -> Iterator[None]:
    """Write the environment to a file while the sandbox serves, and remove it at the end. No path: no file.

    The file appears whole, so that a script can wait for it.

    Raises:
        SandboxFileError: it cannot be written, or there is a file that the sandbox has not written.
    """
    if path is None:
        yield
        return
    try:
        if path.exists() and not path.read_bytes().startswith(_HEADER.encode()):
            raise SandboxFileError(f"{path} exists, and the sandbox has not written it. Fix: name another file")
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            file.write(environment_text(environment))
        Path(file.name).replace(path)
    except OSError as error:
        raise SandboxFileError(f"cannot write {path}: {error.strerror}. Fix: name a file that can be") from None
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()


@contextmanager
def export_file(path: Path | None, export: Callable[[], Mapping[str, Any]]) -> Iterator[None]:
    """Write what an export returns at the end to a file, whole, in place of an earlier one. No path: no file.

    Raises:
        SandboxFileError: it cannot be written; a folder that does not exist shows at the start.
    """
    if path is None:
        yield
        return
    if not path.parent.is_dir():
        raise SandboxFileError(f"cannot write {path}: there is no folder {path.parent}. Fix: create it")
    yield
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            json.dump(export(), file, indent=1)
        Path(file.name).replace(path)
    except OSError as error:
        raise SandboxFileError(f"cannot write {path}: {error.strerror}. Fix: name a file that can be") from None
