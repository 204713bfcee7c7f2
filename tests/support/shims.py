"""The programs `drs-sync` and `aws` for a shell: executable files that let `tests.support.command` fork the program."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self, get_args

from tests.support.command import Program, start
from tests.support.fork_server import receive

__all__ = ["Shims"]

_CODE: Final = struct.Struct("!i")
# Without the site packages and other modules it starts in 15 ms. It has the form of a message of the fork server.
_SHIM: Final = """\
#!{python} -IS
import json, os, signal, socket, struct, sys
control = socket.socket(socket.AF_UNIX)
control.connect({address!r})
request = [{program!r}, sys.argv[1:], os.getcwd(), dict(os.environ)]
data = json.dumps({{"start": request}}).encode()
socket.send_fds(control, [struct.pack("!Q", len(data))], [0, 1, 2])
control.sendall(data)
(code,) = struct.unpack("!i", control.recv(4))
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


class Shims:
    """A folder of executable files while the context lasts."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name)
        address = str(self.path / "socket")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen()
        self._running: set[subprocess.Popen[str]] = set()
        for program in get_args(Program):
            file = self.path / program
            file.write_text(_SHIM.format(python=sys.executable, address=address, program=program))
            file.chmod(0o755)
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for process in list(self._running):
            process.kill()
        self._thread.join()
        self._listener.close()
        self._folder.cleanup()

    def _serve(self) -> None:
        threads = []
        with suppress(OSError):  # of the end
            while True:
                connection, _ = self._listener.accept()
                threads.append(threading.Thread(target=self._run, args=(connection,)))
                threads[-1].start()
        for thread in threads:
            thread.join()

    def _run(self, connection: socket.socket) -> None:
        with connection:
            request, descriptors = receive(connection)
            program, arguments, folder, environment = request["start"]
            stdin, stdout, stderr = descriptors
            process = start(
                *arguments, program=program, cwd=folder, env=environment, stdin=stdin, stdout=stdout, stderr=stderr
            )
            for descriptor in descriptors:
                os.close(descriptor)
            self._running.add(process)
            code = process.wait()
            self._running.discard(process)
            with suppress(BrokenPipeError):  # the shell was killed
                connection.sendall(_CODE.pack(code))
