"""The live pages in a browser: the same numbers, text that stays text, and everybody can use them."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.browser.estate import HOSTILE, WEST, Estate, estate
from tests.browser.report_page import filter_of, grid_cells, rows, search, tab_to
from tests.browser.visit import PHONE, Visit, visit
from tests.hostile.test_outputs import CONTROL
from tests.support.command import start

pytestmark = pytest.mark.asyncio(loop_scope="module")
Open = Callable[..., AbstractAsyncContextManager[Visit]]
PATHS = ("/", "/servers?sort=-lag")


@dataclass(frozen=True, slots=True)
class Served:
    """Where the live pages are, and the estate that they are about."""

    url: str
    estate: Estate


@pytest.fixture(scope="module")
def served(chromium: Path) -> Iterator[Served]:
    """Serve the pages of the estate."""
    with estate() as synced, start("serve", "--port", "0") as process:
        assert process.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            line = process.stdout.readline()
            assert line, "drs-sync serve ended before it said where it listens"
            text += line
        yield Served(json.loads(text)["url"].rstrip("/"), synced)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.fixture
def open_page(browser: Browser, served: Served) -> Open:
    """Return a function that opens the page of a path."""

    def opened(path: str, **options: Any) -> AbstractAsyncContextManager[Visit]:
        return visit(browser, served.url + path, **options)

    return opened


async def test_its_numbers_are_those_of_the_document_and_the_inventory(open_page: Open, served: Served) -> None:
    document, servers = served.estate.document, served.estate.servers
    counts = document["servers"]
    async with open_page("/") as seen:
        shown = await seen.text()
        assert f"{counts['ready']} of at least {counts['total']} servers are ready" in shown
        assert "7 scopes are unknown" in shown
        assert "100 %" not in shown
        cells = await grid_cells(seen.page)
        assert cells.keys() == {(each["accountId"], each["region"]) for each in document["scopes"]}
        assert all(each["worst"] in cells[each["accountId"], each["region"]] for each in document["scopes"])
        await seen.page.get_by_role("link", name="all servers").click()
        texts = "\n".join(await rows(seen.page).all_inner_texts())
        assert await rows(seen.page).count() == len(servers) == counts["total"]
        assert [each["sourceServerID"] for each in servers if each["sourceServerID"] not in texts] == []


async def test_hostile_names_are_text_and_nothing_else_is_loaded(open_page: Open, served: Served) -> None:
    hostile = [each for each in served.estate.servers if each["hostname"] in HOSTILE]
    assert len(hostile) == len(HOSTILE)
    async with open_page("/") as seen:
        for path in ("/", "/servers", *(f"/servers/{each['sourceServerID']}" for each in hostile)):
            await seen.goto(served.url + path)
            shown = await seen.text()
            assert any(name in shown for name in HOSTILE[:-1]) or "txt.exe" in shown
            assert not CONTROL.search(shown), ascii(shown)
            assert await seen.page.locator("img, script, [onerror], [onload], a[href^='javascript:']").count() == 0
        assert [url for url in seen.requests if not url.startswith(served.url)] == []
        assert (seen.dialogs, seen.errors) == ([], [])


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_serious(open_page: Open, served: Served, theme: str) -> None:
    async with open_page("/", theme=theme) as seen:
        for path in (*PATHS, f"/servers/{served.estate.stalled}"):
            await seen.goto(served.url + path)
            assert await seen.grave() == [], path


async def test_a_phone_shows_them_without_scrolling_sideways(open_page: Open, served: Served) -> None:
    async with open_page("/", size=PHONE) as seen:
        for path in (*PATHS, f"/servers/{served.estate.stalled}"):
            await seen.goto(served.url + path)
            assert await seen.overflow_px() == 0, path
            assert await seen.broken_words() == [], path


async def test_the_keyboard_alone_finds_and_opens_a_server(open_page: Open, served: Served) -> None:
    async with open_page("/servers") as seen:
        page = seen.page
        await tab_to(page, search(page))
        await page.keyboard.type(served.estate.stalled)
        await page.keyboard.press("Enter")
        await expect(rows(page)).to_have_count(1)
        await tab_to(page, rows(page).get_by_role("link").first)
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("stalled: AGENT_NOT_SEEN").first).to_be_visible()
        assert page.url.startswith(f"{served.url}/servers/{served.estate.stalled}")


async def test_filters_are_in_the_url_and_survive_a_reload(open_page: Open, served: Served) -> None:
    async with open_page("/servers") as seen:
        page = seen.page
        await page.get_by_label("Region").fill(WEST)
        await filter_of(page, "Posture").select_option("ready")
        await page.get_by_role("button", name="Show").click()
        await expect(rows(page)).to_have_count(4)
        await page.reload()
        await expect(rows(page)).to_have_count(4)
        await expect(filter_of(page, "Posture")).to_have_value("ready")
        await expect(page.get_by_label("Region")).to_have_value(WEST)
