"""Threaded HTTP/1.1 server with keep-alive; werkzeug's own server closes the connection after each response."""

from __future__ import annotations

import io
import selectors
import socket
import threading
from typing import Any, Final

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

from service.sandbox.aws_protocols import Application, forward

__all__ = ["Listener", "ListenerError"]

_NO_BODY_STATUSES: Final = frozenset({204, 304})
_OWN_HEADERS: Final = frozenset({"connection", "content-length", "date", "server", "transfer-encoding"})
_CLOSE_TIMEOUT_S: Final = 2.0
_BACKLOG: Final = 512


class ListenerError(RuntimeError):
    """The address cannot be bound."""


class _Handler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body go out in one packet: sent apart, Nagle's algorithm and delayed ACKs cost 40 ms per call.
    wbufsize = -1
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        """Serve one request and keep the connection open for the next one."""
        environ = self.make_environ()
        # Always read the whole body: an unread rest would be parsed as the next request.
        body = self._read_body(environ)
        response = forward(self.server.app, environ, body)
        self.send_response(response.status, response.reason)
        for name, value in response.headers:
            if name.lower() not in _OWN_HEADERS:
                self.send_header(name, value)
        if response.status not in _NO_BODY_STATUSES:
            self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and response.status not in _NO_BODY_STATUSES:
            self.wfile.write(response.body)
        self.wfile.flush()

    def _read_body(self, environ: dict[str, Any]) -> bytes:
        stream = environ["wsgi.input"]
        if environ.pop("HTTP_TRANSFER_ENCODING", ""):
            return bytes(io.BufferedReader(stream).read())
        return bytes(stream.read(int(environ.get("CONTENT_LENGTH") or 0)))

    def handle_expect_100(self) -> bool:
        """Send `100 Continue` at once to a client that waits for it before sending its body."""
        continues = bool(super().handle_expect_100())
        self.wfile.flush()
        return continues

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: calls are counted instead."""


class Listener(ThreadedWSGIServer):
    """HTTP server of a WSGI application; its socket is bound when the constructor returns.

    Raises:
        ListenerError: the port is in use, or the host is no address of this machine.
    """

    request_queue_size = _BACKLOG
    timeout = 0  # `handle_request` waits no longer: it is called for a connection that is there

    def __init__(self, host: str, port: int, application: Application) -> None:
        self._open: set[socket.socket] = set()
        self._all_closed = threading.Condition()
        try:
            with socket.create_server((host, port), backlog=_BACKLOG) as bound_socket:
                super().__init__(host, port, application, _Handler, fd=bound_socket.fileno())
        except OSError as error:
            raise ListenerError(
                f"cannot listen on {host} port {port}: {error.strerror}. "
                "Fix: end the program that uses the port, or choose another one (0 takes any free port)"
            ) from error
        self._awaken, self._awakened = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="sandbox", daemon=True)

    def start(self) -> None:
        """Serve requests in a background thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop serving, and close the connections that clients keep open."""
        self._awaken.close()
        self._thread.join()
        with self._all_closed:
            for connection in self._open:
                _shut_down(connection)
            self._all_closed.wait_for(lambda: not self._open, timeout=_CLOSE_TIMEOUT_S)

    def _serve(self) -> None:
        """Accept connections until `close` is called, at once: `serve_forever` asks only from time to time."""
        with self, self._awakened, selectors.DefaultSelector() as selector:
            selector.register(self, selectors.EVENT_READ)
            selector.register(self._awakened, selectors.EVENT_READ)
            while all(key.fileobj is self for key, _ in selector.select()):
                self.handle_request()

    def process_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
        """Register a new connection."""
        with self._all_closed:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        """Unregister a closed connection."""
        super().shutdown_request(request)
        with self._all_closed:
            self._open.discard(request)
            self._all_closed.notify_all()


def _shut_down(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the client has closed it already
