"""Guard of the live pages: which requests are answered at all, and the headers of every response. Pure decisions."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any, Final

__all__ = ["ASGIApp", "Guard", "is_allowed_host", "is_loopback"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Message, Receive, Send], Awaitable[None]]

_METHODS: Final = frozenset({"GET", "HEAD"})
_LOCAL: Final = "localhost"


def is_loopback(host: str) -> bool:
    """Whether a host to listen on can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == _LOCAL


def is_allowed_host(header: str, names: Collection[str], *, is_remote: bool) -> bool:
    """Whether a Host header may be answered.

    A page of another site can make a browser send requests here under a name that it has bound to this address. So only
    known names are answered, and addresses: those of loopback, or any if other machines may connect.
    """
    host = header.strip().lower()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    if host == _LOCAL or host in names:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return is_remote or address.is_loopback


class Guard:
    """ASGI middleware that checks method and Host, and sets the security headers of every response."""

    def __init__(self, app: ASGIApp, *, policy: str, names: Collection[str] = (), is_remote: bool = False) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in names)
        self._is_remote = is_remote
        self._headers = [
            (b"content-security-policy", policy.encode("ascii")),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cache-control", b"no-store"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"x-frame-options", b"DENY"),
        ]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in self._headers}
                kept = [pair for pair in message.get("headers", ()) if pair[0].lower() not in names]
                message = {**message, "headers": [*kept, *self._headers]}
            await send(message)

        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not is_allowed_host(hosts[0], self._names, is_remote=self._is_remote):
            text = (
                "This name is not one of this server. Fix: use 127.0.0.1, or give the name: drs-sync serve --name NAME"
            )
            await _refuse(send_guarded, 421, text)
        elif scope["method"] not in _METHODS:
            await _refuse(send_guarded, 405, "This server only reads. Fix: use GET or HEAD", (b"allow", b"GET, HEAD"))
        else:
            await self._app(scope, receive, send_guarded)


async def _refuse(send: Send, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
    body = f"{text}\n".encode()
    length = (b"content-length", str(len(body)).encode())
    kind = (b"content-type", b"text/plain; charset=utf-8")
    await send({"type": "http.response.start", "status": status, "headers": [kind, length, *headers]})
    await send({"type": "http.response.body", "body": body})
