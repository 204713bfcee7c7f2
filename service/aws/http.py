"""The HTTP layer under every client: one pool of connections and one TLS context, and none without verification.

aiobotocore builds a pool and a TLS context (36 ms, 0.7 MB) per client. The class made here lets all clients share one.
It leans on two methods of `AIOHTTPSession`, which is why the version is pinned and why `tests/aws/test_http.py`
proves, for each service, that a certificate for another name is refused, as aiobotocore before 3.9 did not.
"""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Self

import aiohttp
import anyio
from aiobotocore.httpsession import AIOHTTPSession
from botocore.parsers import ResponseParserError

from service.aws.sdk_errors import translating_config_errors

__all__ = ["SharedTransport"]


class SharedTransport:
    """Owns the connection pools of all clients of one door. Use within one event loop; close it after the clients."""

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
        """Give the one pool for clients that trust and present the same certificates."""
        key = (proxy_url, str(session._verify), session._cert_file)  # noqa: SLF001 - the pinned class keeps them there
        async with self._building:
            found = self._connectors.get(key)
            if found is None or found.closed:
                found = self._connectors[key] = await session.build_connector(proxy_url, limit=self._max_connections)
            return found

    def http_session_class(self) -> type[AIOHTTPSession]:
        """Make the class to hand to `AioConfig(http_session_cls=...)`."""
        transport = self

        class Session(_SharingSession):
            async def _create_connector(self, proxy_url: str | None) -> aiohttp.TCPConnector:
                return await transport.connector(self, proxy_url)

        return Session


def _stay_here() -> aiohttp.TraceConfig:
    """Refuse to be led elsewhere, which the SDK's HTTP client would follow with the session token in the headers.

    A signature is for one host, so AWS does not; the answer of whoever it is would pass for that of AWS.
    """

    async def refuse(_: aiohttp.ClientSession, __: object, redirect: aiohttp.TraceRequestRedirectParams) -> None:
        redirect.response.close()
        raise ResponseParserError(f"the answer leads elsewhere (status {redirect.response.status})")

    config = aiohttp.TraceConfig()
    config.on_request_redirect.append(refuse)
    return config


class _SharingSession(AIOHTTPSession):
    """One client's view of the shared pool: its own time-outs, nobody's own connections."""

    async def build_connector(self, proxy_url: str | None, *, limit: int) -> aiohttp.TCPConnector:
        """Build a pool the way the SDK does, once for all, and refuse to do it without verification."""
        if not self._verify:
            raise ssl.SSLError("refusing to talk to AWS without verifying certificates")
        self._max_pool_connections = limit
        with translating_config_errors(f"the certificates to trust (AWS_CA_BUNDLE: {self._verify}) or the proxy"):
            connector: aiohttp.TCPConnector = await AIOHTTPSession._create_connector(self, proxy_url)  # noqa: SLF001
        return connector

    async def _get_session(self, proxy_url: str | None) -> aiohttp.ClientSession:
        session: aiohttp.ClientSession | None = self._sessions.get(proxy_url)
        if session is not None and not session.closed:
            return session
        connector = await self._create_connector(proxy_url)
        found: aiohttp.ClientSession | None = self._sessions.get(proxy_url)  # made by another call meanwhile
        if found is not None and not found.closed:
            return found
        session = self._sessions[proxy_url] = aiohttp.ClientSession(
            connector=connector,
            connector_owner=False,  # the pool outlives the client
            timeout=self._timeout,
            skip_auto_headers={"CONTENT-TYPE"},
            auto_decompress=False,
            trace_configs=[_stay_here()],
        )
        return session

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for session in (self._sessions or {}).values():
            await session.close()
        await super().__aexit__(exc_type, exc, traceback)
