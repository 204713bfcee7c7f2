"""Finding Chromium on this machine, and starting it without a window."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, async_playwright

__all__ = ["NOT_FOUND", "REQUIRED", "find", "is_required", "running"]

REQUIRED: Final = "REQUIRE_CHROMIUM"
"""Variable: 1 makes a machine without Chromium a failure, as .ci/run has it."""
_CHOSEN: Final = "CHROMIUM"
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
NOT_FOUND: Final = (
    f"the pages were not looked at: no {', '.join(_NAMES)} on the PATH. Fix: install the package chromium, or set "
    f"{_CHOSEN} to the path of a Chromium or Chrome"
)


def find(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the path of Chromium or Chrome: the one that CHROMIUM names, else the first on the PATH; None without.

    Raises:
        ValueError: CHROMIUM names no program.
    """
    search = environment.get("PATH", os.defpath)
    if chosen := environment.get(_CHOSEN):
        if (path := shutil.which(chosen, path=search)) is None:
            raise ValueError(f"{_CHOSEN}={chosen} is no program. Fix: set it to the path of a Chromium, or unset it")
        return Path(path)
    return next((Path(path) for name in _NAMES if (path := shutil.which(name, path=search))), None)


def is_required(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether tests fail, and are not skipped, where there is no Chromium."""
    return environment.get(REQUIRED, "0") not in {"", "0"}


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[Browser]:
    """Run the browser of a path. Its own sandbox does not work for root, who runs it without."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        try:
            yield browser
        finally:
            await browser.close()
