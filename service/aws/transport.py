"""The HTTP layer under every client: one TLS context, one pool of connections, and certificates checked by name.

aiobotocore before 3.9 builds its TLS context without `check_hostname`, so a valid certificate for *any* name is
accepted; and it builds one context (36 ms, 0.7 MB) and one pool per client. The class made here mends both. It leans
on two methods of `AIOHTTPSession`, which is why the version is pinned and why `tests/aws/test_transport.py` proves,
for each service, that a wrong name is refused.
"""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Self

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession

__all__ = ["SharedTransport"]


class SharedTransport:
    """Owns the connection pools of all clients of one door. Use within one event loop; close it after the clients."""

    def __init__(self, *, max_connections: int) -> None:
        self._max_connections = max_connections
        self._connectors: dict[tuple[str | None, str, str | None], aiohttp.TCPConnector] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        for connector in self._connectors.values():
            await connector.close()
        self._connectors.clear()

    def connector(self, session: AIOHTTPSession, proxy_url: str | None) -> aiohttp.TCPConnector:
        """Give the one pool for clients that trust and present the same certificates."""
        key = (proxy_url, str(session._verify), session._cert_file)  # noqa: SLF001 - the pinned class keeps them there
        found = self._connectors.get(key)
        if found is None or found.closed:
            found = self._connectors[key] = session.build_connector(proxy_url, limit=self._max_connections)
        return found

    def http_session_class(self) -> type[AIOHTTPSession]:
        """Make the class to hand to `AioConfig(http_session_cls=...)`."""
        transport = self

        class HardenedSession(_HardenedSession):
            def _create_connector(self, proxy_url: str | None) -> aiohttp.TCPConnector:
                return transport.connector(self, proxy_url)

        return HardenedSession


class _HardenedSession(AIOHTTPSession):
    """One client's view of the shared pool: its own time-outs, nobody's own connections."""

    def _get_ssl_context(self) -> ssl.SSLContext:
        context: ssl.SSLContext = super()._get_ssl_context()
        context.check_hostname = True
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def build_connector(self, proxy_url: str | None, *, limit: int) -> aiohttp.TCPConnector:
        """Build a pool the way the SDK does, once for all, and refuse to do it without verification."""
        if not self._verify:
            raise ssl.SSLError("refusing to talk to AWS without verifying certificates")
        self._max_pool_connections = limit
        connector: aiohttp.TCPConnector = AIOHTTPSession._create_connector(self, proxy_url)  # noqa: SLF001
        return connector

    async def _get_session(self, proxy_url: str | None) -> aiohttp.ClientSession:
        session: aiohttp.ClientSession | None = self._sessions.get(proxy_url)
        if session is None or session.closed:
            session = aiohttp.ClientSession(
                connector=self._create_connector(proxy_url),
                connector_owner=False,  # the pool outlives the client
                timeout=self._timeout,
                skip_auto_headers={"CONTENT-TYPE"},
                auto_decompress=False,
            )
            self._sessions[proxy_url] = session
        return session

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for session in self._sessions.values():
            await session.close()
        await super().__aexit__(exc_type, exc, traceback)
