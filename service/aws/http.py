"""HTTP transport of all SDK clients: one shared connection pool and TLS context, always with certificate checks.

aiobotocore builds a pool and a TLS context (36 ms, 0.7 MB) per client; here all clients share one. This overrides two
private methods of `AIOHTTPSession`, so its version is pinned, and `tests/aws/test_http.py` checks for each service that
a certificate for another host name is rejected, which aiobotocore before 3.9 did not do.
"""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Self

import aiohttp
import anyio
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.httpxsession import HttpxSession
from botocore.parsers import ResponseParserError

from service.aws.sdk_errors import translating_config_errors

__all__ = ["HttpSessionClass", "SharedTransport"]

HttpSessionClass = type[AIOHTTPSession] | type[HttpxSession]
"""A class for `AioConfig(http_session_cls=...)`."""


class SharedTransport:
    """Connection pools shared by all SDK clients. Use in one event loop; close it after the clients."""

    def __init__(self, *, max_connections: int) -> None:
        self._max_connections = max_connections
        self._connectors: dict[tuple[str | None, str, str | None], aiohttp.TCPConnector] = {}
        self._building = anyio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        for connector in self._connectors.values():
            await connector.close()
        self._connectors.clear()

    async def connector(self, session: _SharingSession, proxy_url: str | None) -> aiohttp.TCPConnector:
        """Return the pool of clients that use the same proxy, CA bundle and client certificate."""
        key = (proxy_url, str(session._verify), session._cert_file)  # noqa: SLF001 - the pinned class keeps them there
        async with self._building:
            connector = self._connectors.get(key)
            if connector is None or connector.closed:
                connector = await session.build_connector(proxy_url, limit=self._max_connections)
                self._connectors[key] = connector
            return connector

    def http_session_class(self) -> type[AIOHTTPSession]:
        """Return the class for `AioConfig(http_session_cls=...)`."""
        transport = self

        class Session(_SharingSession):
            async def _create_connector(self, proxy_url: str | None) -> aiohttp.TCPConnector:
                return await transport.connector(self, proxy_url)

        return Session


def _reject_redirects() -> aiohttp.TraceConfig:
    """Return a trace hook that fails on an HTTP redirect.

    The HTTP client would follow it with the session token in the headers, and take the response for one of AWS. AWS
    never redirects a signed request, because a signature is valid for one host only.
    """

    async def refuse(_: aiohttp.ClientSession, __: object, redirect: aiohttp.TraceRequestRedirectParams) -> None:
        redirect.response.close()
        raise ResponseParserError(f"redirected (HTTP status {redirect.response.status}); redirects are not followed")

    config = aiohttp.TraceConfig()
    config.on_request_redirect.append(refuse)
    return config


class _SharingSession(AIOHTTPSession):
    """HTTP session of one SDK client: its own timeouts, the shared pool."""

    async def build_connector(self, proxy_url: str | None, *, limit: int) -> aiohttp.TCPConnector:
        """Build a pool as the SDK does; refuse to build one without certificate verification."""
        if not self._verify:
            raise ssl.SSLError("certificate verification is off. Fix: set AWS_CA_BUNDLE instead of turning it off")
        self._max_pool_connections = limit
        with translating_config_errors(f"the certificates to trust (AWS_CA_BUNDLE: {self._verify}) or the proxy"):
            connector: aiohttp.TCPConnector = await AIOHTTPSession._create_connector(self, proxy_url)  # noqa: SLF001
        return connector

    async def _get_session(self, proxy_url: str | None) -> aiohttp.ClientSession:
        session: aiohttp.ClientSession | None = self._sessions.get(proxy_url)
        if session is not None and not session.closed:
            return session
        connector = await self._create_connector(proxy_url)
        concurrent: aiohttp.ClientSession | None = self._sessions.get(proxy_url)  # built during the await above
        if concurrent is not None and not concurrent.closed:
            return concurrent
        session = self._sessions[proxy_url] = aiohttp.ClientSession(
            connector=connector,
            connector_owner=False,  # the pool outlives the client
            timeout=self._timeout,
            skip_auto_headers={"CONTENT-TYPE"},
            auto_decompress=False,
            trace_configs=[_reject_redirects()],
        )
        return session

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for session in (self._sessions or {}).values():
            await session.close()
        await super().__aexit__(exc_type, exc, traceback)
