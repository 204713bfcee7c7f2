"""Server of the live pages: uvicorn on one socket, until a signal."""

from __future__ import annotations

import socket
from contextlib import nullcontext
from typing import Any, Final

import uvicorn

from service.web.guard import ASGIApp

__all__ = ["PageServer", "listen", "url_of"]

_MAX_CONNECTIONS: Final = 100
_GRACE_S: Final = 5


class PageServer(uvicorn.Server):
    """Serves an application. It leaves signals to its caller, who calls `stop`."""

    def __init__(self, app: ASGIApp) -> None:
        asgi: Any = app  # uvicorn's own types of messages are narrower
        super().__init__(
            uvicorn.Config(
                asgi,
                loop="none",
                http="h11",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=_MAX_CONNECTIONS,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )

    def stop(self) -> None:
        """End the server once it has answered what it is answering."""
        self.should_exit = True

    def capture_signals(self) -> Any:  # noqa: ANN401 - a type of contextlib that is private
        """Install no handler of signals."""
        return nullcontext()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 picks a free one. Raises OSError."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = addresses[0]
    server = socket.create_server((str(address[0]), int(address[1])), family=family)
    server.setblocking(False)  # noqa: FBT003 - the signature of a socket
    return server


def url_of(server: socket.socket) -> str:
    """Return the address of a socket that listens."""
    host, port = server.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
