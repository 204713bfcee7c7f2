"""What the other tests here find nothing of is noticed where it is: each fault in a small page of its own."""

from __future__ import annotations

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


async def test_a_page_without_faults_has_none(browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, written(tmp_path, "")) as seen:
        assert (seen.requests, seen.dialogs, seen.errors) == ([], [], [])
        assert await seen.grave() == []
        assert await seen.overflow_px() == 0


async def test_every_fault_is_noticed(browser: Browser, tmp_path: Path) -> None:
    faults = (
        '<div style="width:900px">wide</div><p style="color:#ccc;background:#fff">pale</p>'
        '<img src="http://evil.invalid/x.png" onerror="alert(1)"><script>throw new Error("broken")</script>'
    )
    async with visit(browser, written(tmp_path, faults), size=PHONE) as seen:
        assert seen.requests == ["http://evil.invalid/x.png"]
        assert seen.dialogs == ["1"]
        assert "broken" in "\n".join(seen.errors)
        assert {each.split(":")[0] for each in await seen.grave()} == {"color-contrast", "image-alt"}
        assert await seen.overflow_px() > 400
