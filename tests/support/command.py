"""The command `drs-sync` as a process: `run` waits for its end, `start` does not; see `subprocess`.

A process is forked from a server (`tests.support.fork_server`) that has imported the modules of this checkout, because
the imports take most of the CPU time of a start. It has its own arguments, directory, environment, streams, session,
signal handlers and seed of `random`. Servers start when they are needed. Variables that only count when Python starts
or a module is imported (PYTHONIOENCODING, LC_ALL, HOME) choose the server: each server tells which ones its imports
have read, and a start for which no server fits gets a new one. The AWS CLI, `aws`, starts in the same way.

Use `real=True` where the start itself is tested: loading, `sitecustomize`, the end of the interpreter. Also differing:
all forks of a server share its hash seed, and warnings that an import gives are not repeated. Without Linux every
process is a real one.
"""

from __future__ import annotations

import atexit
import inspect
import json
import os
import pkgutil
import resource
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, TypedDict, Unpack, overload

import service
from tests.support.fork_server import ENDED, STARTED, receive, send

__all__ = ["CHECKOUT", "COMMAND", "children_cpu_s", "run", "start"]

_BIN: Final = Path(sys.executable).parent
COMMAND: Final = str(_BIN / "drs-sync")
CHECKOUT: Final = MappingProxyType({"PYTHONPATH": str(Path(service.__path__[0]).parent)})
"""Environment variables of a process that imports from this checkout, whatever is installed."""
_CAN_FORK: Final = sys.platform == "linux"  # elsewhere, system libraries do not expect to be used in a fork
_MAX_SERVERS: Final = 4
_AT_THE_START: Final = ("PYTHON", "LC_", "LANG", "LD_", "OPENSSL_", "SSL_CERT_")  # read by Python and its libraries
_BOOTSTRAP: Final = """
import json, sys
path, *rest = json.loads(sys.argv[1])
sys.path[:] = path
from tests.support.fork_server import main
main(*rest)
"""
_COMMAND_MODULES: Final = tuple(
    f"service.cli.{each.name}"
    for each in pkgutil.iter_modules([str(Path(service.__path__[0]) / "cli")])
    if each.name not in {"__main__", "demo", "demo_story"}
)
Program = Literal["drs-sync", "aws"]
_ENTRIES: Final[Mapping[Program, tuple[str, tuple[str, ...]]]] = {
    "drs-sync": (
        "service.cli.command_line:main",
        # Each command is imported when it is called; here, before the first one. The demonstration would import moto.
        (
            "service.cli.main",
            *_COMMAND_MODULES,
            "tests.support.preloaded_models",
            "anyio._backends._asyncio",
            "typer.rich_utils",
        ),
    ),
    "aws": ("awscli.clidriver:main", ("awscli.handlers",)),
}


class _Options(TypedDict, total=False):
    """Which program, and how it starts; then options of `subprocess.Popen`.

    The streams are pipes and stdin is empty, unless they are given. `env` is the whole environment, by default that of
    this process; code of this checkout is always imported.
    """

    program: Program
    real: bool  # a new process
    around: Sequence[str]  # a program with arguments that runs it, as a new process
    closed: Sequence[int]  # descriptors of standard streams that are closed
    stdin: Any
    stdout: Any
    stderr: Any
    cwd: str | Path
    env: Mapping[str, str]
    start_new_session: bool
    process_group: int


@overload
def start(*arguments: str, text: Literal[True] = ..., **options: Unpack[_Options]) -> subprocess.Popen[str]: ...
@overload
def start(*arguments: str, text: Literal[False], **options: Unpack[_Options]) -> subprocess.Popen[bytes]: ...
def start(*arguments: str, text: bool = True, **options: Unpack[_Options]) -> subprocess.Popen[Any]:
    """Start a program, `drs-sync` by default, without waiting. `text`: whether its streams have text or bytes."""
    values: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    values |= options
    program, around, closed = values.pop("program", "drs-sync"), values.pop("around", ()), values.pop("closed", ())
    environment = dict(values.pop("env", os.environ))
    paths = (CHECKOUT["PYTHONPATH"], *environment.get("PYTHONPATH", "").split(os.pathsep))
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, paths)))
    command = [*around, str(_BIN / program), *arguments]
    if not values.pop("real", False) and not around and _CAN_FORK:
        return _Forked(command, program=program, closed=closed, text=text, env=environment, **values)
    if closed:
        redirections = " ".join(f"{number}>&-" for number in closed)
        command = ["/bin/sh", "-c", f'exec "$@" {redirections}', "sh", *command]
    return subprocess.Popen(command, text=text, env=environment, **values)


@overload
def run(
    *arguments: str, text: Literal[True] = ..., timeout: float = ..., **options: Unpack[_Options]
) -> subprocess.CompletedProcess[str]: ...
@overload
def run(
    *arguments: str, text: Literal[False], timeout: float = ..., **options: Unpack[_Options]
) -> subprocess.CompletedProcess[bytes]: ...
def run(
    *arguments: str, text: Any = True, timeout: float = 300, **options: Unpack[_Options]
) -> subprocess.CompletedProcess[Any]:
    """Run a program to its end, as `start` does; kill it after `timeout` seconds, which is an error."""
    with start(*arguments, text=text, **options) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def children_cpu_s() -> float:
    """Return the CPU seconds of all children of this process that have ended, forked commands and servers included.

    The total only grows: take the difference of two calls.
    """
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    with _lock:
        return used.ru_utime + used.ru_stime + sum(server.cpu_s for server in _servers)


class _Server:
    """A process that forks. Its starts have the same values of the environment variables in `_names`."""

    def __init__(self, program: Program, environment: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            values = json.dumps([[str(Path(each).absolute()) for each in sys.path], number, *_ENTRIES[program]])
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BOOTSTRAP, values],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[number],
            )
        self._control = ours
        self._program = program
        self._environment = environment
        started, _ = receive(ours)
        assert started, f"the fork server of {program} ended at its start; what it says is above"
        self._names = set(started["names"])
        self.cpu_s: float = started["cpu_s"]
        """CPU seconds of the imports and of the forks that have ended."""
        self.running = 0

    def fits(self, program: Program, environment: Mapping[str, str]) -> bool:
        """Whether it has imported what a new process of a program would import in this environment."""
        return program == self._program and self._fixed(environment) == self._fixed(self._environment)

    def _fixed(self, environment: Mapping[str, str]) -> dict[str, str]:
        return {
            name: value for name, value in environment.items() if name in self._names or name.startswith(_AT_THE_START)
        }

    def fork(self, request: dict[str, Any], descriptors: Sequence[int]) -> tuple[int, int]:
        """Fork; return the process id, and the descriptor from which the report about its end is read."""
        report, reported = os.pipe()
        try:
            send(self._control, request, (reported, *descriptors))
        finally:
            os.close(reported)
        self.running += 1
        (pid,) = STARTED.unpack(os.read(report, STARTED.size))
        return pid, report

    def count(self, cpu_s: float) -> None:
        """Count a fork that has ended."""
        self.running -= 1
        self.cpu_s += cpu_s

    def end(self) -> None:
        """End the process, and what it has forked; the system then counts its CPU time as a child's."""
        self._control.close()
        self._process.wait()


_lock = threading.RLock()
_servers: list[_Server] = []  # the one used last comes last


def _server_for(program: Program, environment: Mapping[str, str]) -> _Server:
    found = next((each for each in _servers if each.fits(program, environment)), None)
    if found is not None:
        _servers.remove(found)
    elif len(idle := [each for each in _servers if not each.running]) >= _MAX_SERVERS:
        _servers.remove(idle[0])
        idle[0].end()
    _servers.append(found or _Server(program, environment))
    return _servers[-1]


@atexit.register
def _end_servers() -> None:
    while _servers:
        _servers.pop().end()


_POPEN: Final[Any] = subprocess.Popen


class _Forked(subprocess.Popen[Any]):
    """Process that a server forks instead of `subprocess`, which does the rest: pipes, time limits, signals."""

    def __init__(self, command: Sequence[str], *, program: Program, closed: Sequence[int], **options: Any) -> None:
        self._program = program
        self._closed = closed
        super().__init__(command, **options)

    def _execute_child(self, *values: Any) -> None:
        given = inspect.signature(_POPEN._execute_child).bind(self, *values).arguments
        request = {
            "arguments": [os.fsdecode(os.fsencode(word)) for word in given["args"]],
            "directory": os.fspath(given["cwd"] or Path.cwd()),
            "environment": given["env"],
            "session": given["start_new_session"],
            "group": given["process_group"],
            "closed": list(self._closed),
        }
        streams = [given["p2cread"], given["c2pwrite"], given["errwrite"]]
        inherited = [stream if stream >= 0 else number for number, stream in enumerate(streams)]
        with _lock:
            self._server = _server_for(self._program, given["env"])
            self.pid, self._report = self._server.fork(request, inherited)
        self._child_created = True
        pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(given[pipe] for pipe in pipes))  # type: ignore[attr-defined]

    def _waitpid(self, pid: int, flags: int) -> tuple[int, int]:
        """Do what `os.waitpid` does for a child of this process."""
        if not self._is_ended(0 if flags & os.WNOHANG else None):
            return 0, 0
        report = os.read(self._report, ENDED.size)
        os.close(self._report)
        assert report, "the fork server ended before this process"
        status, cpu_s = ENDED.unpack(report)
        with _lock:
            self._server.count(cpu_s)
        return pid, status

    def _is_ended(self, timeout: float | None) -> bool:
        return bool(select.select([self._report], [], [], timeout)[0])

    def _try_wait(self, flags: int) -> tuple[int, int]:
        return self._waitpid(self.pid, flags)

    def _internal_poll(self, _deadstate: int | None = None) -> int | None:
        ended: int | None = _POPEN._internal_poll(self, _deadstate, self._waitpid)
        return ended

    def _wait(self, timeout: float | None) -> int:
        if timeout is not None and self.returncode is None and not self._is_ended(max(timeout, 0)):
            raise subprocess.TimeoutExpired(self.args, timeout)
        ended: int = _POPEN._wait(self, None)
        return ended
