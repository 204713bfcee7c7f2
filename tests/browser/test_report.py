"""The report as a page: what it says is what the tables say, text stays text, and everybody can use it."""

from __future__ import annotations

import re
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
from tests.cli.test_unknown import command
from tests.hostile.test_outputs import CONTROL

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOT_READY = {"retail-web-0001": "stalled", "retail-web-0002": "syncing"}
Open = Callable[..., AbstractAsyncContextManager[Visit]]


@dataclass(frozen=True, slots=True)
class Report:
    """A report in a file, and the estate that it is about."""

    url: str
    estate: Estate


@pytest.fixture(scope="module")
def report(chromium: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    """Write the report of the estate into a file."""
    page = tmp_path_factory.mktemp("report") / "report.html"
    with estate() as synced:
        page.write_text(command("report", "--output", "html")[1])
        yield Report(page.as_uri(), synced)


@pytest.fixture
def open_report(browser: Browser, report: Report) -> Open:
    """Return a function that opens the report; its first argument is what follows the URL of the file."""

    def opened(after: str = "", **options: Any) -> AbstractAsyncContextManager[Visit]:
        return visit(browser, report.url + after, **options)

    return opened


async def test_its_numbers_are_those_of_the_document_and_the_inventory(open_report: Open, report: Report) -> None:
    document, servers = report.estate.document, report.estate.servers
    counts = document["servers"]
    async with open_report() as seen:
        shown = await seen.text()
        assert f"{counts['ready']} of at least {counts['total']} servers are ready" in shown
        assert len(servers) == counts["total"] == await rows(seen.page).count()
        texts = await rows(seen.page).all_inner_texts()
        for server in servers:
            (row,) = (text for text in texts if server["sourceServerID"] in text)
            assert NOT_READY.get(server["hostname"], "ready") in row
            assert server["region"] in row
        cells = await grid_cells(seen.page)
        assert cells.keys() == {(each["accountId"], each["region"]) for each in document["scopes"]}
        for scope in document["scopes"]:
            cell = cells[scope["accountId"], scope["region"]]
            assert scope["worst"] in cell
            if scope["isCounted"]:
                assert str(scope["servers"]) in cell.split()


async def test_what_is_unknown_is_shown_as_unknown_and_never_as_all_ready(open_report: Open, report: Report) -> None:
    async with open_report() as seen:
        shown = await seen.text()
        assert "7 scopes are unknown" in shown
        assert "100 %" not in shown
        cell = (await grid_cells(seen.page))[report.estate.names.b, WEST]
        assert "unknown" in cell
        assert "0" not in cell.split()


async def test_hostile_names_are_text_and_nothing_is_loaded(open_report: Open, report: Report) -> None:
    async with open_report() as seen:
        shown = await seen.text()
        for name in HOSTILE[:-1]:
            assert name in shown
        assert not CONTROL.search(shown), ascii(shown)
        assert "49${49}" not in shown.replace(" ", "")
        for name in HOSTILE[:-1]:
            await search(seen.page).fill(name)
            await expect(rows(seen.page)).to_have_count(1)
            await rows(seen.page).get_by_role("link").first.click()
            await seen.page.go_back()
        assert await seen.page.locator("img, svg[onload], [onerror], a[href^='javascript:']").count() == 0
        assert (seen.requests, seen.dialogs, seen.errors) == ([], [], [])


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_serious(open_report: Open, report: Report, theme: str) -> None:
    async with open_report(theme=theme) as seen:
        assert await seen.grave() == []
        background = await seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 3 * 128) == (theme == "dark")
        await rows(seen.page).get_by_role("link").first.click()
        assert await seen.grave() == []


async def test_a_phone_shows_it_without_scrolling_sideways(open_report: Open, report: Report) -> None:
    async with open_report(size=PHONE) as seen:
        assert await seen.overflow_px() == 0
        assert await seen.broken_words() == []
        await rows(seen.page).get_by_role("link").first.click()
        assert await seen.overflow_px() == 0
        assert await seen.broken_words() == []


async def test_the_keyboard_alone_finds_and_opens_a_server(open_report: Open, report: Report) -> None:
    async with open_report() as seen:
        page = seen.page
        await tab_to(page, search(page))
        await page.keyboard.type(report.estate.stalled)
        await expect(rows(page)).to_have_count(1)
        await tab_to(page, rows(page).get_by_role("link").first)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="retail-web-0001")).to_be_in_viewport()


async def test_filters_are_in_the_url_and_survive_a_reload(open_report: Open, report: Report) -> None:
    async with open_report() as seen:
        page = seen.page
        await filter_of(page, "Region").select_option(WEST)
        await expect(rows(page)).to_have_count(4)
        await page.reload()
        await expect(filter_of(page, "Region")).to_have_value(WEST)
        await expect(rows(page)).to_have_count(4)
        await filter_of(page, "Posture").select_option("stalled")
        await expect(rows(page)).to_have_count(0)
        await filter_of(page, "Region").select_option("")
        await expect(rows(page)).to_contain_text([report.estate.stalled])
        await search(page).fill("nothing has this name")
        await expect(rows(page)).to_have_count(0)
        url = page.url
    async with open_report(url.removeprefix(report.url)) as again:
        await expect(rows(again.page)).to_have_count(0)


async def test_the_order_is_in_the_url_and_survives_a_reload(open_report: Open, report: Report) -> None:
    async with open_report() as seen:
        page = seen.page
        lag = page.get_by_role("columnheader", name="lag")
        await lag.get_by_role("button").click()
        await expect(lag).to_have_attribute("aria-sort", "descending")
        await expect(rows(page).first).to_contain_text("retail-web-0002")
        await page.reload()
        await expect(lag).to_have_attribute("aria-sort", "descending")
        await expect(rows(page).first).to_contain_text("retail-web-0002")


async def test_a_server_has_a_page_of_its_own_with_its_facts_and_runbook(open_report: Open, report: Report) -> None:
    stalled = next(each for each in report.estate.servers if each["sourceServerID"] == report.estate.stalled)
    async with open_report("?region=us-east-1") as seen:
        page = seen.page
        await rows(page).filter(has_text=report.estate.stalled).get_by_role("link").click()
        await expect(page).to_have_title(stalled["hostname"])
        await expect(page.get_by_role("heading", name=stalled["hostname"])).to_be_focused()
        shown = await seen.text("main")
        for text in (
            "stalled: AGENT_NOT_SEEN",
            stalled["sourceServerArn"],
            stalled["sourceInstanceId"],
            "FAILBACK of ",
        ):
            assert text in shown
        assert "Accounts and regions" not in shown
        url = page.url
        await page.get_by_role("link", name="Back to the servers").click()
        await expect(rows(page)).to_have_count(12)
        await expect(rows(page).filter(has_text=report.estate.stalled).get_by_role("link")).to_be_focused()
        await page.go_back()
        await expect(page).to_have_title(stalled["hostname"])
        await page.get_by_role("link", name="accounts and regions").click()
        await expect(page.locator("#grid")).to_be_in_viewport()
    async with open_report(url.removeprefix(report.url), media="print") as again:
        assert await again.text("main") in {shown, shown.replace("Back to the servers\n\n", "")}


async def test_without_scripts_it_has_the_servers_and_their_runbooks(open_report: Open, report: Report) -> None:
    async with open_report(scripts=False) as seen:
        shown = str(await seen.page.text_content("main"))  # also what is not in view
        assert await rows(seen.page).count() == len(report.estate.servers)
        assert [each["sourceServerArn"] for each in report.estate.servers if each["sourceServerArn"] not in shown] == []
        assert "without search and filters" in shown
        assert "FAILBACK of retail-web-0001" in shown
        await expect(search(seen.page)).to_be_hidden()


async def test_print_has_the_content_and_no_controls(open_report: Open, report: Report) -> None:
    async with open_report(media="print", theme="dark") as seen:
        assert await seen.page.get_by_role("searchbox").count() == 0
        shown = await seen.text()
        assert all(each["sourceServerArn"] in shown for each in report.estate.servers)
        assert "FAILBACK of retail-web-0001" in shown
        assert (await seen.page.pdf()).startswith(b"%PDF")
    async with open_report(media="print", size=(720, 1000)) as paper:  # A4 without its margins
        assert await paper.overflow_px() == 0
