"""One look at a page: what it asked the network for, which dialogs and errors came up, and what axe says of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, Dialog, Page, Request, Route

from tests.support import npm

__all__ = ["PHONE", "SCREEN", "Visit", "visit"]

SCREEN: Final = (1280, 800)
PHONE: Final = (400, 800)
_HERE: Final = Path(__file__).parent
_TIMEOUT_MS: Final = 60_000  # a busy machine is no reason to fail
_GRAVE: Final = ("serious", "critical")
_ASK_AXE: Final = "() => axe.run(document, {resultTypes: ['violations']})"
_OVERFLOW: Final = """() => {
  const root = document.scrollingElement;
  return root.scrollWidth - root.clientWidth;
}"""
_BROKEN_WORDS: Final = """() => {
  const broken = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    for (const word of texts.currentNode.data.matchAll(/[A-Za-z0-9]{2,20}/g)) {
      const range = document.createRange();
      range.setStart(texts.currentNode, word.index);
      range.setEnd(texts.currentNode, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map(each => each.top)).size > 1) { broken.push(word[0]); }
    }
  }
  return broken;
}"""


@dataclass
class Visit:
    """A page in a browser, and what it did meanwhile.

    Args:
        page: the page.
        requests: URLs that it asked for, its own left out. Those of other origins are refused.
        dialogs: messages of alert, confirm and prompt.
        errors: exceptions of its scripts, and what the browser refused or reported as an error.
    """

    page: Page
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    async def grave(self) -> list[str]:
        """Return what axe finds serious or critical: rule, and the elements concerned."""
        await self.page.evaluate((npm.installed("axe", _HERE) / "node_modules/axe-core/axe.min.js").read_text())
        found: dict[str, Any] = await self.page.evaluate(_ASK_AXE)
        return [
            f"{each['id']}: {each['help']}: {' | '.join(node['html'] for node in each['nodes'][:3])}"
            for each in found["violations"]
            if each["impact"] in _GRAVE
        ]

    async def overflow_px(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        overflow: int = await self.page.evaluate(_OVERFLOW)
        return overflow

    async def goto(self, url: str) -> None:
        """Go to a page.

        Raises:
            AssertionError: the answer was not a success, so that what is shown is not the page.
        """
        response = await self.page.goto(url)
        assert response is not None, f"{url} is the page that is open already"
        assert response.ok, f"{url} answers {response.status}"

    async def broken_words(self) -> list[str]:
        """Return the words that are broken inside, over two lines."""
        words: list[str] = await self.page.evaluate(_BROKEN_WORDS)
        return words

    async def text(self, selector: str = "body") -> str:
        """Return the text of an element as it is shown."""
        shown: str = await self.page.inner_text(selector)
        return shown

    async def _refuse(self, route: Route) -> None:
        await route.abort()

    def _note(self, request: Request) -> None:
        self.requests.append(request.url)

    async def _dismiss(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        await dialog.dismiss()


@asynccontextmanager
async def visit(
    browser: Browser,
    url: str,
    *,
    size: Sequence[int] = SCREEN,
    theme: str = "light",
    media: str = "screen",
    scripts: bool = True,
) -> AsyncIterator[Visit]:
    """Open a page.

    Args:
        browser: the browser; the visit has a profile of its own.
        url: the page. It may ask for what begins with the URL's origin, a file for nothing.
        size: width and height of the window in pixels.
        theme: light or dark, as the reader prefers it.
        media: screen or print.
        scripts: those of the page run.

    Raises:
        AssertionError: the answer was not a success.
    """
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if theme == "dark" else "light",
        java_script_enabled=scripts,
    )
    context.set_default_timeout(_TIMEOUT_MS)
    try:
        page = await context.new_page()
        seen = Visit(page)
        own = "/".join(url.split("/")[:3]) + "/"
        await context.route(lambda asked: not asked.startswith(own) and asked != url, seen._refuse)
        page.on("request", seen._note)
        page.on("dialog", seen._dismiss)
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
        await page.emulate_media(media="print" if media == "print" else "screen")
        await seen.goto(url)
        seen.requests.remove(
            next(each.partition("#")[0] for each in (page.url, url) if each.partition("#")[0] in seen.requests)
        )
        yield seen
    finally:
        await context.close()
