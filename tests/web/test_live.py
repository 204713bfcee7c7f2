"""The live pages over loopback: what they show, what they refuse, and what they answer when AWS fails."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta

import httpx
import pytest

from service.models import utc_now
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


class Clock:
    """The time of the pages, which passes by hand."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def now(self) -> datetime:
        """Return the wall clock."""
        return utc_now() + timedelta(seconds=self.passed_s)

    def seconds(self) -> float:
        """Return the clock by which what was read grows old."""
        return self.passed_s


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still."""
    return Clock()


@pytest.fixture
async def client(listening: socket.socket, estate: EngineSandbox, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the pages of the sandbox, and yield a client of them."""
    async with open_query_app(load_settings()) as app:
        server = PageServer(build_app(LiveData(app, clock.now, clock.seconds), PAGES))
        serving = asyncio.create_task(server.serve([listening]))
        async with httpx.AsyncClient(base_url=url_of(listening), trust_env=False, timeout=60) as client:
            yield client
        server.stop()
        await serving


async def test_every_page_shows_what_the_tables_have(client: httpx.AsyncClient, estate: EngineSandbox) -> None:
    estate.calls()
    index = await client.get("/")
    assert index.status_code == 200
    assert "NO: 6 of 7 servers are ready" in index.text
    assert "1 server stalled: AGENT_NOT_SEEN" in index.text

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

    links = re.findall(r'href="(/servers/s-[^"]*)"', stalled.text)
    page = await client.get(links[0].replace("&amp;", "&"))
    assert page.status_code == 200
    assert "stalled: AGENT_NOT_SEEN" in page.text
    assert "FAILBACK of " in page.text
    assert re.search(r"Read at [0-9 :-]+ UTC: from the inventory", page.text)
    assert {service for service, _ in estate.calls()} == {"dynamodb"}  # neither DRS nor a role

    live_link = re.findall(r'href="(/servers/s-[^"]*live=1)"', page.text)[0]
    live = await client.get(live_link.replace("&amp;", "&"))
    assert live.status_code == 200
    assert "Its state was read from DRS for this page." in live.text
    assert estate.calls()["drs", "DescribeSourceServers"] == 1


async def test_the_first_page_reads_no_server(client: httpx.AsyncClient, estate: EngineSandbox) -> None:
    inventory = estate.table("SOURCE_SERVER_INVENTORY_TABLE").name
    estate.faults(deny=[{"account_id": estate.names.hub, "service": "dynamodb", "table": inventory}])
    index = await client.get("/")
    assert index.status_code == 200
    assert "NO: 6 of 7 servers are ready" in index.text


async def test_nothing_is_written_whatever_is_requested(client: httpx.AsyncClient, estate: EngineSandbox) -> None:
    status = estate.table("DRS_REGION_STATUS_TABLE")
    for row in estate.status().values():  # so that every scope is unknown
        status.delete_item(Key={"region": row["region"]})
    server_id = estate.records(estate.names.a, EAST)[0]["sourceServerID"]
    estate.calls()
    for path in ("/", "/servers", "/servers?q=app", f"/servers/{server_id}", f"/servers/{server_id}?live=1", "/readyz"):
        assert (await client.get(path)).status_code == 200, path
        for method in ("POST", "PUT", "DELETE"):
            assert (await client.request(method, path)).status_code == 405
    reads = {"BatchGetItem", "GetItem", "Query", "Scan", "DescribeSourceServers", "DescribeRecoveryInstances"}
    called = estate.calls()
    assert ("drs", "DescribeSourceServers") in called
    assert {operation for _, operation in called} - {"AssumeRole", "GetCallerIdentity"} <= reads


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


async def test_readyz_answers_from_now(client: httpx.AsyncClient, estate: EngineSandbox) -> None:
    assert (await client.get("/")).status_code == 200  # the document is kept from now on
    estate.calls()
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.text) == (200, "ready\n")
    assert estate.calls() == {("dynamodb", "Scan"): 4}  # one item of each table
    estate.faults(deny=[{"account_id": estate.names.hub, "service": "dynamodb"}])
    denied = await client.get("/readyz")
    assert denied.status_code == 503
    assert "AccessDenied" in denied.text
    assert "Fix: " in denied.text
    estate.faults()
    assert (await client.get("/readyz")).status_code == 200


async def test_what_is_shown_says_its_age_and_is_at_most_ten_seconds_old(
    client: httpx.AsyncClient, estate: EngineSandbox, clock: Clock
) -> None:
    assert "(0 s ago)" in (await client.get("/")).text
    info = estate.records(estate.names.a, EAST)[1]["dataReplicationInfo"]
    info.update(dataReplicationState="STALLED", dataReplicationError={"error": "SNAPSHOTS_FAILURE"})
    await estate.sync()
    clock.passed_s = 9
    estate.calls()
    kept = (await client.get("/")).text
    assert re.search(r"as of [0-9 :-]+ UTC \((9|1[0-9]) s ago\)", kept)
    assert "NO: 6 of 7 servers are ready" in kept
    assert not estate.calls()
    clock.passed_s = 10.5
    assert "NO: 5 of 7 servers are ready" in (await client.get("/")).text
    status = estate.table("DRS_REGION_STATUS_TABLE")
    for row in estate.status().values():
        status.delete_item(Key={"region": row["region"]})
    clock.passed_s = 21  # region status, which queries cache for longer, is as new
    assert "NO: 5 of 7 servers are ready" not in (await client.get("/")).text


async def test_a_search_is_about_what_was_read_at_most_a_minute_ago_and_says_when(
    client: httpx.AsyncClient, estate: EngineSandbox, clock: Clock
) -> None:
    assert "1 server<" in (await client.get("/servers", params={"q": "alert(1)"})).text
    estate.records(estate.names.a, EAST)[0]["sourceProperties"]["identificationHints"]["hostname"] = "renamed"
    await estate.sync()
    clock.passed_s = 59
    kept = (await client.get("/servers", params={"q": "alert(1)"})).text
    assert "1 server<" in kept
    assert re.search(r"UTC \((59|6[0-9]) s ago\)", kept)
    clock.passed_s = 61
    assert "0 servers" in (await client.get("/servers", params={"q": "alert(1)"})).text
    assert "1 server<" in (await client.get("/servers", params={"q": "renamed"})).text


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
