"""Process that has imported a program's modules and forks for each start; see `tests.support.command` for its use.

It has one thread. A fork gets the arguments, directory, environment and streams of its request, and then runs the entry
point of the program. It ends as the interpreter does, but leaves its modules to the operating system, which
saves a quarter of a second.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NoReturn, TextIO

__all__ = ["ENDED", "LENGTH", "STARTED", "main", "receive", "send"]

LENGTH: Final = struct.Struct("!Q")
STARTED: Final = struct.Struct("!i")
"""First report about a start: the process id."""
ENDED: Final = struct.Struct("!id")
"""Last report: the status as `os.wait4` gives it, and the CPU seconds of the process and its children."""
_MAX_DESCRIPTORS: Final = 4
_STDERR: Final = 2
_OUTPUT_LOST: Final = 120  # exit code of Python when it cannot flush stdout at its end


def send(control: socket.socket, message: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
    """Send a message with open files."""
    data = json.dumps(message).encode()
    header = LENGTH.pack(len(data))
    socket.send_fds(control, [header], descriptors) if descriptors else control.sendall(header)
    control.sendall(data)


def receive(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Receive a message and its open files; both empty when the other side has ended."""
    header, descriptors, _, _ = socket.recv_fds(control, LENGTH.size, _MAX_DESCRIPTORS)
    if not header:
        return {}, []
    left, data = LENGTH.unpack(header)[0], b""
    while len(data) < left:
        data += control.recv(left - len(data))
    message: dict[str, Any] = json.loads(data)
    return message, list(descriptors)


@contextmanager
def _recorded_names() -> Iterator[set[str]]:
    """Record the names of the environment variables that are read."""
    names: set[str] = set()
    kind: Any = type(os.environ)
    read = kind.__getitem__

    def record(self: Any, name: str) -> str:
        names.add(name)
        value: str = read(self, name)
        return value

    kind.__getitem__ = record
    try:
        yield names
    finally:
        kind.__getitem__ = read


class _Server:
    """Forks, and reports the end of each fork. `serve` returns in a fork, with its request."""

    def __init__(self, control: socket.socket, set_by_imports: dict[str, str]) -> None:
        self._control = control
        self._set_by_imports = set_by_imports
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._running: dict[int, tuple[int, int]] = {}  # by the descriptor that tells its end: process id, report
        # Not ignored: a fork must get what arrives before it has handlers of its own. The terminal sends it to us too.
        self._on_interrupt = signal.signal(signal.SIGINT, lambda *_: None)

    def serve(self) -> dict[str, Any]:
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._running:
                    self._report_end(descriptor)
                elif request := self._start():
                    return request

    def _report_end(self, descriptor: int) -> None:
        pid, report = self._running.pop(descriptor)
        self._poll.unregister(descriptor)
        os.close(descriptor)
        _, status, used = os.wait4(pid, 0)
        with suppress(BrokenPipeError):  # nobody waits any more
            os.write(report, ENDED.pack(status, used.ru_utime + used.ru_stime))
        os.close(report)

    def _start(self) -> dict[str, Any] | None:
        request, descriptors = receive(self._control)
        if not request:
            self._end()
        before = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
        pid = os.fork()
        if not pid:
            self._control.detach()  # its number gets another meaning
            _become(request, descriptors)
            os.environ.update(self._set_by_imports)
            signal.signal(signal.SIGINT, self._on_interrupt)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            return request
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        report, *streams = descriptors
        for stream in streams:
            os.close(stream)
        end = os.pidfd_open(pid)
        self._running[end] = pid, report
        self._poll.register(end, select.POLLIN)
        os.write(report, STARTED.pack(pid))
        return None

    def _end(self) -> NoReturn:
        """End with the process that made the requests, and with what it left behind."""
        for pid, _ in self._running.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os._exit(0)


def _become(request: dict[str, Any], descriptors: list[int]) -> None:
    """Give a fork the session, files, environment and arguments of its request, as a new process has them."""
    if request["session"]:
        os.setsid()
    if request["group"] >= 0:
        os.setpgid(0, request["group"])
    for number, descriptor in enumerate(descriptors[1:]):
        os.dup2(descriptor, number)
    os.closerange(len(descriptors) - 1, os.sysconf("SC_OPEN_MAX"))
    for number in request["closed"]:
        os.close(number)
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    sys.argv = request["arguments"]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = _standard_stream(number, getattr(sys, name))
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    gc.enable()


def _standard_stream(number: int, model: TextIO) -> TextIO | None:
    """Open a standard stream as Python does at its start, in the encoding of this process's one."""
    try:
        os.fstat(number)
    except OSError:  # closed
        return None
    unbuffered = number > 0 and bool(os.environ.get("PYTHONUNBUFFERED"))
    buffer = open(number, "wb" if number else "rb", 0 if unbuffered else -1, closefd=False)  # noqa: SIM115
    lines = not unbuffered and (number == _STDERR or buffer.isatty())
    return io.TextIOWrapper(buffer, model.encoding, model.errors, "\n", lines, unbuffered)


def _run(entry: Callable[[], object]) -> NoReturn:
    """Call an entry point, then end with the exit code and the messages with which the interpreter ends."""
    code = 0
    try:
        entry()
    except SystemExit as ended:
        if ended.code is not None and not isinstance(ended.code, int):
            sys.stderr.write(f"{ended.code}\n")
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except KeyboardInterrupt:
        sys.excepthook(*sys.exc_info())
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()  # tells of tasks and coroutines that nobody waited for
    os._exit(code & 0xFF if _is_flushed() else _OUTPUT_LOST)


def _is_flushed() -> bool:
    """Flush stdout and stderr; tell of an error on stdout."""
    try:
        if sys.stdout is not None and not sys.stdout.closed:
            sys.stdout.flush()
    except OSError:
        sys.stderr.write(f"Exception ignored in: {sys.stdout!r}\n")
        traceback.print_exc(limit=0)
        return False
    try:
        if sys.stderr is not None and not sys.stderr.closed:
            sys.stderr.flush()
    except OSError:
        return False
    return True


def main(control_descriptor: int, entry: str, modules: list[str]) -> None:
    """Import the modules, tell which environment variables that depends on, and serve.

    Args:
        control_descriptor: of the socket for requests.
        entry: the entry point, `module:function`.
        modules: those that the program imports later than with its entry point.
    """
    control = socket.socket(fileno=control_descriptor)
    gc.disable()
    entry_module, _, function = entry.partition(":")
    before = dict(os.environ)
    with _recorded_names() as names:
        for module in (entry_module, *modules):
            importlib.import_module(module)
    set_by_imports = dict(os.environ.items() - before.items())  # as the AWS CLI does with AWS_DATA_PATH
    gc.collect()
    gc.freeze()  # what a collection does not visit stays shared between the processes
    threads = len(list(Path("/proc/self/task").iterdir()))
    assert threads == 1, f"a fork would lack {threads - 1} threads that the imports have started"
    send(control, {"names": sorted(names), "cpu_s": time.process_time()})
    _Server(control, set_by_imports).serve()
    _run(lambda: sys.exit(getattr(sys.modules[entry_module], function)()))
