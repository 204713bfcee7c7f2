"""Where things are on the report's page: all that these tests know of its structure."""

from __future__ import annotations

from playwright.async_api import Locator, Page

__all__ = ["filter_of", "grid_cells", "rows", "search", "tab_to"]

_NOTHING = "\N{EN DASH}"
_CELLS = """table => {
  const columns = [...table.tHead.rows[0].cells].map(cell => cell.innerText.trim());
  return [...table.tBodies].flatMap(body => [...body.rows]).flatMap(row =>
    [...row.cells].slice(1).map((cell, at) => [row.cells[0].innerText.trim(), columns[at + 1], cell.innerText.trim()]));
}"""


async def grid_cells(page: Page) -> dict[tuple[str, str], str]:
    """Return the text of each cell of the grid but those with a dash, by account id and region."""
    cells = await page.locator("#grid table").evaluate(_CELLS)
    return {(str(row)[:12], str(column)): str(text) for row, column, text in cells if text != _NOTHING}


def rows(page: Page) -> Locator:
    """Return the rows of the servers that are shown."""
    return page.locator("#servers tbody tr").filter(visible=True)


def search(page: Page) -> Locator:
    """Return the field to search servers with."""
    return page.get_by_role("searchbox")


def filter_of(page: Page, name: str) -> Locator:
    """Return a filter of the servers, by its label."""
    return page.get_by_role("combobox", name=name)


async def tab_to(page: Page, target: Locator, *, most: int = 60) -> None:
    """Press Tab until an element has the focus.

    Raises:
        AssertionError: it never had.
    """
    for _ in range(most):
        await page.keyboard.press("Tab")
        if await target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{target} cannot be reached with {most} times Tab")
