"""Fixtures: Chromium, one for each module, on the event loop of the module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.chromium import NOT_FOUND, REQUIRED, find, is_required, running


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Return the path of Chromium; without one, the tests that use it are skipped, or fail if that was asked for."""
    if (path := find()) is None:
        if is_required():
            pytest.fail(f"{NOT_FOUND}, or {REQUIRED}=0 to do without", pytrace=False)
        pytest.skip(NOT_FOUND)
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    """Run Chromium for the tests of a module."""
    async with running(chromium) as browser:
        yield browser
