"""The pictures of the documentation: `python -m tests.browser` looks at the pages of the demo's fleet in Chromium.

One of its accounts is denied and two of its servers are stalled, so that the pictures show what the pages are for.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import anyio
import pytest
import yaml

from service import sandbox as sandbox_package
from tests.browser.chromium import NOT_FOUND, find, running
from tests.browser.visit import PHONE, visit
from tests.cli.test_unknown import command, sync_inventory
from tests.support.sandbox import EngineSandbox, Names

__all__ = ["FOLDER", "MAX_BYTES", "TAKEN"]

MAX_BYTES: Final = 120_000
FOLDER: Final = Path(__file__).parents[2] / "docs" / "pictures"
_FLEET: Final = Path(sandbox_package.__path__[0]) / "demo_fleet.yaml"
_DENIED: Final = "333344445555"
_REGIONS: Final = ("ap-southeast-2", "ca-central-1", "eu-central-1", "eu-west-1", "us-east-2", "us-west-2")
_SCREEN: Final = (1000, 640)


class Picture(NamedTuple):
    """One picture: the name of its file, theme and size of the window; the element to show, without one the top."""

    name: str
    theme: str
    size: tuple[int, int]
    element: str = ""


TAKEN: Final = (
    Picture("first-screen-light", "light", _SCREEN),
    Picture("first-screen-dark", "dark", _SCREEN),
    Picture("grid", "light", _SCREEN, "#grid"),
    Picture("phone", "light", PHONE),
)


@contextmanager
def _report() -> Iterator[str]:
    """Yield the URL of the report of the demo's fleet."""
    members = yaml.safe_load(_FLEET.read_text())
    names = Names(members["hub"]["account_id"], "", "", "")
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        EngineSandbox(members, names, monkeypatch) as sandbox,
        tempfile.TemporaryDirectory() as folder,
    ):
        sandbox.set(DRS_REGIONS=" ".join(_REGIONS))
        sandbox.faults(deny=[{"account_id": _DENIED, "service": "drs"}])
        sync_inventory("--full-scan")
        page = Path(folder, "report.html")
        page.write_text(command("report", "--output", "html")[1])
        yield page.as_uri()


async def _take(url: str, browser: Path, folder: Path) -> None:
    async with running(browser) as running_browser:
        for each in TAKEN:
            async with visit(running_browser, url, size=each.size, theme=each.theme) as seen:
                target = seen.page.locator(each.element) if each.element else seen.page
                taken = await target.screenshot(animations="disabled")
                if len(taken) > MAX_BYTES:
                    raise ValueError(f"{each.name} has {len(taken):,} bytes, and {MAX_BYTES:,} is the most")
                (folder / f"{each.name}.png").write_bytes(taken)


def main() -> None:
    """Write the pictures into docs/pictures."""
    if (browser := find()) is None:
        sys.exit(NOT_FOUND)
    FOLDER.mkdir(exist_ok=True)
    with _report() as url:
        anyio.run(_take, url, browser, FOLDER)


if __name__ == "__main__":
    main()
