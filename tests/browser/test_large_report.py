"""The report of a large estate: it opens at once, and shows a page of rows of all that are chosen."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from service.pages.html import Pages
from tests.browser.report_page import rows, search
from tests.browser.visit import Visit, visit
from tests.support.estate import report_of, view

pytestmark = pytest.mark.asyncio(loop_scope="module")
Open = Callable[..., AbstractAsyncContextManager[Visit]]
SERVERS = 1_500


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write the report of many servers, of which all but one are ready, and return its URL."""
    path = tmp_path_factory.mktemp("large") / "report.html"
    views = [view(f"s-{each:04}", "ready" if each else "stalled", lagDuration=f"PT{each}S") for each in range(SERVERS)]
    path.write_text(Pages().report(report_of(*views)))
    return path.as_uri()


@pytest.fixture
def open_report(browser: Browser, url: str) -> Open:
    """Return a function that opens the report; its first argument is what follows the URL of the file."""

    def opened(after: str = "", **options: Any) -> AbstractAsyncContextManager[Visit]:
        return visit(browser, url + after, **options)

    return opened


async def test_it_has_the_rows_of_one_page_and_turns_pages_that_are_in_the_url(open_report: Open) -> None:
    async with open_report() as seen:
        page = seen.page
        await expect(page.locator("#servers tbody tr")).to_have_count(100)
        await expect(page.get_by_role("status")).to_have_text("1,500 of 1,500 servers; 1 to 100 are shown")
        await expect(rows(page).first).to_contain_text("s-0000")
        await page.get_by_role("button", name="next page").click()
        await expect(rows(page).first).to_contain_text("s-0100")
        await page.reload()
        await expect(page.get_by_role("status")).to_have_text("1,500 of 1,500 servers; 101 to 200 are shown")
        await expect(page.get_by_text("page 2 of 15")).to_be_visible()
        await page.get_by_role("columnheader", name="lag").get_by_role("button").click()
        await expect(rows(page).first).to_contain_text("s-1499")
        await expect(page.get_by_text("page 1 of 15")).to_be_visible()
        await search(page).fill("host-s-07")
        await expect(rows(page)).to_have_count(100)
        await expect(page.get_by_text("page 1 of 15")).to_be_hidden()
        await rows(page).get_by_role("link").first.click()
        await expect(page.get_by_role("heading", name="host-s-0799")).to_be_focused()
        assert seen.errors == []


async def test_a_page_beyond_the_last_is_the_last(open_report: Open) -> None:
    async with open_report("?page=900") as seen:
        await expect(seen.page.get_by_text("page 15 of 15")).to_be_visible()
        await expect(seen.page.get_by_role("button", name="next page")).to_be_disabled()


async def test_paper_has_what_is_chosen_up_to_a_limit_that_it_names(open_report: Open) -> None:
    async with open_report(media="print") as seen:
        await expect(rows(seen.page)).to_have_count(1_000)
        shown = await seen.text()
        assert "1,500 of 1,500 servers; 1 to 1,000 are shown" in shown
        assert (
            "The first 500 of 1,500 servers are printed here. To print others, choose them with the filters." in shown
        )
        assert await seen.page.locator("section.server").count() == 500
    async with open_report("?posture=stalled", media="print") as seen:
        await expect(rows(seen.page)).to_have_count(1)
        assert await seen.page.locator("section.server").count() == 1


async def test_where_no_script_runs_the_worst_are_shown_and_the_page_says_how_many(open_report: Open) -> None:
    async with open_report(scripts=False) as seen:
        await expect(rows(seen.page)).to_have_count(500)
        await expect(rows(seen.page).first).to_contain_text("s-0000")
        assert "the first 500 of 1,500 servers are shown" in await seen.text()
