"""Dependencies are pinned with hashes, and their licences are on the allowed list."""

from __future__ import annotations

import re
from importlib.metadata import metadata, requires
from pathlib import Path

import pytest

from deploy.licences import ALLOWED, identifiers, licence_of, pinned, table

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


def _blocks(lock: Path) -> list[str]:
    return re.split(r"\n(?=\S)", lock.read_text().strip())


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_everything_is_pinned_with_hashes(lock: Path) -> None:
    blocks = _blocks(lock)
    assert len(blocks) > 10
    for block in blocks:
        assert re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+( ; .+)? \\\n", block), block[:80]
        assert re.findall(r"--hash=sha256:[0-9a-f]{64}", block), block[:80]


def test_what_is_tested_is_what_is_deployed() -> None:
    tested = {
        match[1].lower(): match[2] for block in _blocks(ROOT / "requirements" / "dev.lock")
        if (match := re.match(r"([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", block))
    }  # fmt: skip
    assert {name: tested.get(name.split("[")[0].lower()) for name in pinned()} == pinned()


def test_the_extra_for_aws_login_is_the_version_that_the_sdk_asks_for() -> None:
    wanted = [each for each in requires("botocore") or () if 'extra == "crt"' in each.replace("'", '"')]
    pins = (ROOT / "requirements" / "login.txt").read_text().split()
    assert [each.split(";")[0].replace(" ", "").replace("(", "").replace(")", "") for each in wanted] == pins
    assert pins[0] in (ROOT / "requirements" / "dev.lock").read_text()


def test_the_page_lists_every_dependency_with_its_licence() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    assert page.split("<!-- licences -->\n")[1].split("<!-- end -->")[0] == table(pinned())


@pytest.mark.parametrize("name", pinned())
def test_its_licence_is_allowed(name: str) -> None:
    licences = identifiers(licence_of(metadata(name)))
    assert licences
    assert licences <= ALLOWED, licences


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", {"MPL-2.0", "Apache-2.0", "MIT"}),
        ("MIT", {"MIT"}),
        ("", set()),
        ("GPL-3.0-only WITH Classpath-exception-2.0", {"GPL-3.0-only", "Classpath-exception-2.0"}),
    ],
)
def test_a_licence_expression_is_split_into_identifiers(expression: str, names: set[str]) -> None:
    assert identifiers(expression) == names
