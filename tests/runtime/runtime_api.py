"""Simulation of the Lambda service: serves the Runtime API on loopback, and runs a function's process against it.

Per Lambda's documentation the process fetches events from /next and posts responses to /response or /error; a response
above 6,291,556 bytes is refused with 413, and its caller gets an error.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any, Final

__all__ = ["Answer", "Function", "running"]

MAX_ANSWER_BYTES: Final = 6_291_556
_PREFIX: Final = "/2018-06-01/runtime"
_WAIT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Result of one invocation. `error`: whether Lambda reports a FunctionError to its caller."""

    payload: Any
    error: bool = False


@dataclass(slots=True)
class Function:
    """A function with a running process. Invoke it from one thread."""

    _events: queue.Queue[tuple[str, bytes, float]]
    _answers: queue.Queue[tuple[str, Answer]]
    log: Path
    """Output of the process; a file, because a full pipe would block it."""
    init_errors: list[Any] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    def send(self, event: Any, *, timeout_s: float = 900.0) -> str:
        """Send an event without waiting; return its request id. `timeout_s`: the timeout setting of the function."""
        request_id = f"00000000-0000-4000-8000-{next(self._ids):012d}"
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        self._events.put((request_id, body, timeout_s))
        return request_id

    def answer(self, request_id: str) -> Answer:
        """Wait for the response to an event."""
        received, answer = self._answers.get(timeout=_WAIT_S)
        assert received == request_id
        return answer

    def is_answered(self) -> bool:
        """Whether a response has arrived that `answer` has not returned yet."""
        return not self._answers.empty()

    def invoke(self, event: Any, *, timeout_s: float = 900.0) -> Answer:
        """Invoke and wait."""
        return self.answer(self.send(event, timeout_s=timeout_s))

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal to the process and wait for its end; return its exit code and its output."""
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(timeout=_WAIT_S)
        return self.process.returncode, self.log.read_text(encoding="utf-8")


class _RuntimeApi(ThreadingHTTPServer):
    """Serves one function."""

    def __init__(self, function: Function) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.function = function
        self.stopped = threading.Event()

    def next_event(self) -> tuple[str, bytes, float] | None:
        """Wait for an event; None when the server stops."""
        while not self.stopped.is_set():
            try:
                return self.function._events.get(timeout=0.1)
            except queue.Empty:
                continue
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _RuntimeApi

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        assert self.path == f"{_PREFIX}/invocation/next", self.path
        event = self.server.next_event()
        if event is None:
            self.close_connection = True
            return
        request_id, body, timeout_s = event
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + timeout_s) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:under-test",
            "Content-Type": "application/json",
        }
        self._reply(200, body, headers)

    def do_POST(self) -> None:
        function = self.server.function
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or self._chunks()
        *_, request_id, kind = self.path.split("/")
        if kind == "error" and request_id == "init":
            function.init_errors.append(json.loads(body))
        elif kind == "response" and len(body) > MAX_ANSWER_BYTES:
            error = {"errorType": "Function.ResponseSizeTooLarge"}
            function._answers.put((request_id, Answer(error, error=True)))
            self._reply(413, b'{"errorType": "RequestEntityTooLarge"}', {})
            return
        else:
            assert kind in {"response", "error"}, self.path
            function._answers.put((request_id, Answer(json.loads(body), error=kind == "error")))
        self._reply(202, b"", {})

    def _chunks(self) -> bytes:
        body = b""
        while self.headers.get("Transfer-Encoding") == "chunked" and (size := int(self.rfile.readline(), 16)):
            body += self.rfile.read(size)
            self.rfile.readline()
        return body

    def _reply(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running(handler: str, environment: Mapping[str, str]) -> Iterator[Function]:
    """Run a handler in a process of its own under Lambda's runtime client.

    Args:
        handler: module path, dot, function, as in the Handler setting of Lambda.
        environment: the function's environment.
    """
    folder = tempfile.TemporaryDirectory()
    function = Function(queue.Queue(), queue.Queue(), Path(folder.name, "log"))
    server = _RuntimeApi(function)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    serving.start()
    try:
        with function.log.open("wb") as log:
            function.process = subprocess.Popen(
                [sys.executable, "-m", "awslambdaric", handler],
                env={
                    **environment,
                    "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_address[1]}",
                    "AWS_LAMBDA_FUNCTION_NAME": "drs-orchestration-data-management-handler-prod",
                    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
                    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                    "AWS_LAMBDA_LOG_GROUP_NAME": "group",
                    "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
                    # Since this runtime the client waits for events in another thread: the main thread gets signals.
                    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
                    "LAMBDA_TASK_ROOT": ".",
                },
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        yield function
    finally:
        server.stopped.set()
        if function.process is not None and function.process.poll() is None:
            function.process.kill()
            function.process.wait()
        server.shutdown()
        serving.join()
        server.server_close()
        folder.cleanup()
