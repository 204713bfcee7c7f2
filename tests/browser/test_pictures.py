"""The pictures of the pages are those that `make screenshots` takes; all are small, and shown somewhere."""

from __future__ import annotations

from pathlib import Path

from tests.browser.__main__ import FOLDER, MAX_BYTES, TAKEN

ROOT = Path(__file__).parents[2]


def test_the_pictures_are_those_that_the_command_takes_and_small() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{each.name}.png" for each in TAKEN}
    for path in FOLDER.iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size <= MAX_BYTES


def test_each_is_shown_and_the_first_opens_the_readme() -> None:
    pages = "\n".join(path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    assert [each.name for each in TAKEN if f"pictures/{each.name}.png)" not in pages] == []
    title, _, picture, *_ = (ROOT / "README.md").read_text().splitlines()
    assert title == "# drs-sync"
    assert picture.startswith("![")
    assert f"(docs/pictures/{TAKEN[0].name}.png)" in picture
