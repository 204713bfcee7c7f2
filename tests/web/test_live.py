"""The live pages over loopback: what they show, what they refuse, and what they answer when AWS fails."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest

from service.pages.html import Pages
from service.query_app import open_query_app
from service.settings import load_settings
from service.web.app import build_app
from service.web.data import LiveData
from service.web.server import PageServer, listen, url_of
from tests.support.sandbox import EngineSandbox

EAST, WEST = "us-east-1", "us-west-2"
PAGES = Pages()  # reads files, which the event loop must not
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-frame-options": "DENY",
}


@pytest.fixture
async def estate(start_sandbox: Callable[..., EngineSandbox]) -> EngineSandbox:
    """Start a sandbox with a stalled server and a hostile name, and sync it once."""
    sandbox = start_sandbox(
        a={EAST: {"servers": [{"hostname": "<script>alert(1)</script>"}, {"hostname": "app"}]}, WEST: {"servers": 4}},
        b={EAST: {"servers": 1}},
    )
    info = sandbox.records(sandbox.names.a, EAST)[0]["dataReplicationInfo"]
    info.update(dataReplicationState="STALLED", dataReplicationError={"error": "AGENT_NOT_SEEN"})
    await sandbox.sync()
    return sandbox


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """Listen on a free port; not inside the event loop, which a look-up of names would block."""
    with listen("127.0.0.1", 0) as listening:
        yield listening


@pytest.fixture
async def client(listening: socket.socket, estate: EngineSandbox) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the pages of the sandbox, and yield a client of them."""
    async with open_query_app(load_settings()) as app:
        server = PageServer(build_app(LiveData(app), PAGES))
        serving = asyncio.create_task(server.serve([listening]))
        async with httpx.AsyncClient(base_url=url_of(listening), trust_env=False, timeout=60) as client:
            yield client
        server.stop()
        await serving


async def test_every_page_shows_what_the_tables_have(client: httpx.AsyncClient, estate: EngineSandbox) -> None:
    before = estate.calls()
    index = await client.get("/")
    assert index.status_code == 200
    assert "NO: 6 of 7 servers are ready" in index.text
    assert "1 server stalled: AGENT_NOT_SEEN" in index.text
    assert ("dynamodb", "Query") not in estate.calls() - before  # no server was read

    servers = await client.get("/servers")
    assert "7 servers" in servers.text
    assert servers.text.count("<tr>") == 8
    assert "&lt;script&gt;alert(1)" in servers.text
    assert "<script" not in servers.text

    stalled = await client.get("/servers", params={"posture": "stalled"})
    assert stalled.text.count("<tr>") == 2
    found = await client.get("/servers", params={"q": "alert(1)", "sort": "-lag"})
    assert found.text.count("<tr>") == 2
    assert 'aria-sort="descending"' in found.text
    assert not [call for call in estate.calls() - before if call[0] == "drs"]

    links = re.findall(r'href="(/servers/s-[^"]*)"', stalled.text)
    page = await client.get(links[0].replace("&amp;", "&"))
    assert page.status_code == 200
    assert "stalled: AGENT_NOT_SEEN" in page.text
    assert "FAILBACK of " in page.text


async def test_every_response_has_the_headers_and_loads_nothing(client: httpx.AsyncClient) -> None:
    for path, status in (("/", 200), ("/healthz", 200), ("/servers", 200), ("/none", 404), ("/servers/s-1", 404)):
        response = await client.get(path)
        assert response.status_code == status, path
        assert HEADERS.items() <= dict(response.headers).items(), path
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert "server" not in response.headers
        assert not re.search(r'(?:src|href)="(?!/|#|data:,)', response.text)


async def test_only_get_and_head_of_known_hosts(client: httpx.AsyncClient) -> None:
    head = await client.head("/")
    assert (head.status_code, head.content) == (200, b"")
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
        refused = await client.request(method, "/")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    for host in ("evil.example", "localhost.evil.example", "10.0.0.1"):
        refused = await client.get("/", headers={"host": host})
        assert refused.status_code == 421
        assert "ready" not in refused.text
        assert HEADERS.items() <= dict(refused.headers).items()
    assert (await client.get("/healthz", headers={"host": "localhost"})).text == "ok\n"


async def test_when_the_tables_cannot_be_read_it_says_why_and_how_to_fix_it(
    client: httpx.AsyncClient, estate: EngineSandbox
) -> None:
    estate.faults(deny=[{"account_id": estate.names.hub, "service": "dynamodb"}])
    ready = await client.get("/readyz")
    assert ready.status_code == 503
    page = await client.get("/")
    assert page.status_code == 503
    assert "AccessDenied" in page.text
    assert "Fix: " in page.text
    assert (await client.get("/healthz")).status_code == 200
    estate.faults()
    assert (await client.get("/")).status_code == 200  # the failure was not kept


async def test_readyz_where_the_tables_can_be_read(client: httpx.AsyncClient) -> None:
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.text) == (200, "ready\n")


async def test_a_server_that_nobody_has_is_not_found(client: httpx.AsyncClient) -> None:
    missing = await client.get("/servers/s-00000000000000000")
    assert missing.status_code == 404
    assert "s-00000000000000000" in missing.text


async def test_a_server_of_an_unknown_scope_is_unknown(client: httpx.AsyncClient, estate: EngineSandbox) -> None:
    status = estate.table("DRS_REGION_STATUS_TABLE")
    for row in estate.status().values():
        status.delete_item(Key={"region": row["region"]})
    page = await client.get("/")
    assert "100 %" not in page.text
    assert "unknown" in page.text
