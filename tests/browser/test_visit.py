"""What the other tests here find nothing of is noticed where it is: each fault in a small page of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.browser.visit import PHONE, visit

pytestmark = pytest.mark.asyncio(loop_scope="module")
GOOD = '<!doctype html><html lang="en"><title>T</title><main><h1>Servers</h1><p>Text</p>{}</main></html>'


def written(folder: Path, body: str) -> str:
    """Write a page, and return its URL."""
    (folder / "page.html").write_text(GOOD.format(body))
    return (folder / "page.html").as_uri()


class Failing(BaseHTTPRequestHandler):
    """Answers every request with an error, as a page."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(503)
        self.end_headers()
        self.wfile.write(GOOD.format("").encode())

    def log_message(self, *_: object) -> None:
        """Write no log."""


@pytest.fixture
def error_server() -> Iterator[str]:
    """Serve nothing but errors, and yield the URL."""
    with HTTPServer(("127.0.0.1", 0), Failing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


async def test_a_page_without_faults_has_none(browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, written(tmp_path, "")) as seen:
        assert (seen.requests, seen.dialogs, seen.errors) == ([], [], [])
        assert await seen.grave() == []
        assert await seen.overflow_px() == 0
        assert await seen.broken_words() == []


async def test_every_fault_is_noticed(browser: Browser, tmp_path: Path) -> None:
    faults = (
        '<div style="width:900px">wide</div><p style="width:3em;overflow-wrap:anywhere">so completely</p>'
        '<p style="color:#ccc;background:#fff">pale</p>'
        '<img src="http://evil.invalid/x.png" onerror="alert(1)"><script>throw new Error("broken")</script>'
    )
    async with visit(browser, written(tmp_path, faults), size=PHONE) as seen:
        assert seen.requests == ["http://evil.invalid/x.png"]
        assert seen.dialogs == ["1"]
        assert "broken" in "\n".join(seen.errors)
        assert {each.split(":")[0] for each in await seen.grave()} == {"color-contrast", "image-alt"}
        assert await seen.overflow_px() > 400
        assert await seen.broken_words() == ["completely"]


async def test_a_page_that_is_an_error_is_no_page(browser: Browser, error_server: str) -> None:
    with pytest.raises(AssertionError, match="answers 503"):
        async with visit(browser, error_server):
            raise AssertionError("the page was taken for one")
