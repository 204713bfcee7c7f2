"""Fault-injecting TCP relay in front of the simulated AWS: spoils chosen responses, byte by byte."""

from __future__ import annotations

import http.client
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

__all__ = ["SILENT", "SPOILERS", "Relay", "Request", "Spoiler", "relaying"]

_ANSWER_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_DRIP_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `service` and `region` are those of its signature."""

    service: str
    region: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def is_for(self, service: str, *, region: str = "", text: str = "") -> bool:
        """Whether it is signed for a service and region, and has a text in its path, target or body."""
        searched = f"{self.path} {self.headers.get('x-amz-target', '')} {self.body.decode('utf-8', 'replace')}"
        return self.service == service and region in self.region and text in searched


class Wire:
    """Connection of one client, for a spoiler to respond on; `body` is the body of the real response."""

    def __init__(self, connection: socket.socket, body: bytes, ended: threading.Event) -> None:
        self._connection = connection
        self._ended = ended
        self.body = body

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._connection.sendall(data)

    def head(self, length: int) -> None:
        """Send the head of a successful response with this Content-Length."""
        self.send(_ANSWER_HEAD % length)

    def wait(self) -> None:
        """Send nothing until the client closes the connection."""
        self._connection.settimeout(0.2)
        while not self._ended.is_set():
            try:
                if not self._connection.recv(1):
                    return
            except TimeoutError:
                continue

    def drip(self) -> None:
        """Send spaces, which JSON ignores, one at a time until the client closes the connection."""
        while not self._ended.wait(_DRIP_S):
            self.send(b" ")

    def reset(self) -> None:
        """Close so that the client gets a connection reset."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


Spoiler = Callable[[Wire], None]
"""Responds instead of AWS; the connection is closed when it returns."""


def _silent(wire: Wire) -> None:
    wire.wait()


def _silent_in_mid_body(wire: Wire) -> None:
    wire.head(len(wire.body))
    wire.send(wire.body[: len(wire.body) // 2])
    wire.wait()


def _dripping(wire: Wire) -> None:
    wire.head(10_000_000)
    wire.drip()


def _cut_in_mid_body(wire: Wire) -> None:
    wire.head(len(wire.body))
    wire.send(wire.body[: len(wire.body) // 2])


def _cut_in_mid_head(wire: Wire) -> None:
    wire.send((_ANSWER_HEAD % len(wire.body))[:30])


def _length_too_great(wire: Wire) -> None:
    wire.head(len(wire.body) + 7)
    wire.send(wire.body)
    wire.wait()


def _length_too_small(wire: Wire) -> None:
    wire.head(len(wire.body) // 3)
    wire.send(wire.body)


def _broken_chunks(wire: Wire) -> None:
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    wire.send(b"%x\r\n%s\r\nno length\r\n" % (len(wire.body), wire.body))


def _malformed(wire: Wire) -> None:
    spoilt = b"{" + wire.body[: len(wire.body) // 2] + b"}"
    wire.head(len(spoilt))
    wire.send(spoilt)


def _a_page_of_a_proxy(wire: Wire) -> None:
    page = b"<html><body>Sign in to continue</body></html>"
    wire.head(len(page))
    wire.send(page)


def _no_http(wire: Wire) -> None:
    wire.send(b"220 smtp.example.com ESMTP ready\r\n")


def _hung_up(wire: Wire) -> None:
    del wire


def _reset(wire: Wire) -> None:
    wire.reset()


def _reset_in_mid_body(wire: Wire) -> None:
    wire.head(len(wire.body))
    wire.send(wire.body[: len(wire.body) // 2])
    wire.reset()


SPOILERS: Final[dict[str, Spoiler]] = {
    "silent": _silent,
    "silent in mid-body": _silent_in_mid_body,
    "dripping": _dripping,
    "cut in mid-body": _cut_in_mid_body,
    "cut in mid-head": _cut_in_mid_head,
    "length too great": _length_too_great,
    "length too small": _length_too_small,
    "broken chunks": _broken_chunks,
    "malformed": _malformed,
    "a page of a proxy": _a_page_of_a_proxy,
    "no HTTP": _no_http,
    "hung up": _hung_up,
    "reset": _reset,
    "reset in mid-body": _reset_in_mid_body,
}
SILENT: Final = frozenset({"silent", "silent in mid-body", "dripping", "length too great", "broken chunks"})
"""Spoilers that a client can only notice by a timeout."""


@dataclass(slots=True)
class Relay:
    """State of the relay: the spoiler, the requests it applies to (`matches`; None for none), and counters."""

    upstream: int
    port: int = 0
    matches: Callable[[Request], bool] | None = None
    spoiler: Spoiler | None = None
    spoiled_count: int = 0
    requests: int = 0
    real_bodies: list[bytes] = field(default_factory=list)  # the responses that the client did not get
    ended: threading.Event = field(default_factory=threading.Event)
    live: dict[socket.socket, None] = field(default_factory=dict)
    """Open connections of clients, oldest first."""

    def hang_up(self, *, reset: bool = False) -> int:
        """Close all open client connections, as AWS does with idle ones; return their number."""
        ended = list(self.live)
        for connection in ended:
            with suppress(OSError):  # the client has closed it already
                if reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.shutdown(socket.SHUT_RDWR)
        return len(ended)

    @contextmanager
    def spoiling(self, name: str, matches: Callable[[Request], bool]) -> Iterator[None]:
        """Spoil the responses to matching requests; fail if there was none."""
        self.spoiler, self.matches, self.spoiled_count = SPOILERS[name], matches, 0
        self.real_bodies.clear()
        try:
            yield
        finally:
            self.matches = None
        assert self.spoiled_count, "no request matched"


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, relay: Relay) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.relay = relay


class _Handler(socketserver.StreamRequestHandler):
    server: _Listener

    def handle(self) -> None:
        relay = self.server.relay
        relay.live[self.connection] = None
        try:
            while (request := self._read()) is not None:
                relay.requests += 1
                status, headers, body = _forwarded(relay.upstream, request)
                if relay.matches is not None and relay.matches(request):
                    relay.spoiled_count += 1
                    relay.real_bodies.append(body)
                    assert relay.spoiler is not None
                    relay.spoiler(Wire(self.connection, body, relay.ended))
                    return
                lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers)]
                self.wfile.write("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body)
        except ConnectionError:
            return  # the client closed the connection
        finally:
            del relay.live[self.connection]

    def _read(self) -> Request | None:
        first = self.rfile.readline().decode().split()
        if not first:
            return None
        headers: dict[str, str] = {}
        while (line := self.rfile.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("expect") == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.rfile.read(int(headers.get("content-length", "0")))
        credential_scope = headers["authorization"].partition("Credential=")[2].partition(",")[0].split("/")
        return Request(credential_scope[3], credential_scope[2], first[0], first[1], headers, body)


def _forwarded(port: int, request: Request) -> tuple[int, list[tuple[str, str]], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        kept = {name: value for name, value in request.headers.items() if name not in {"expect", "connection"}}
        connection.request(request.method, request.path, request.body, kept)
        answer = connection.getresponse()
        dropped = {"connection", "content-length", "transfer-encoding"}
        return answer.status, [pair for pair in answer.getheaders() if pair[0].lower() not in dropped], answer.read()
    finally:
        connection.close()


@contextmanager
def relaying(upstream: int) -> Iterator[Relay]:
    """Run a relay in front of a local port."""
    relay = Relay(upstream)
    with _Listener(relay) as listener:
        relay.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield relay
        finally:
            relay.ended.set()
            listener.shutdown()
            thread.join()
