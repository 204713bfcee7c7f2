"""Commands of all pages, checked without running them: programs, options, parameters of templates."""

from __future__ import annotations

import importlib.util
import re

import pytest

from tests.deploy.templates import template
from tests.operations.commands import complaints
from tests.operations.page import ROOT, blocks

pytestmark = pytest.mark.deep

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def test_the_commands_of_all_pages_have_options_and_parameters_that_exist() -> None:
    commands = [command for page in PAGES for block in blocks(page.read_text()) for command in block.commands]
    assert len(commands) > 100
    assert complaints(commands) == []


MISTAKES = {
    # text of the page -> what is written instead, and the complaint that begins so
    "--cli-read-timeout 0": ("--cli-reed-timeout 0", "aws lambda invoke has no option --cli-reed-timeout"),
    "aws s3 mb": ("aws s3 mk", "aws s3 has no command mk"),
    "CreateApi=false": ("MakeApi=false", "main.yaml has no parameter MakeApi"),
    "CreateTables=false": ("CreateTables=no", "main.yaml: parameter CreateTables may not be no"),
    "--capabilities CAPABILITY_NAMED_IAM CAPABILITY_AUTO_EXPAND": ("", "main.yaml needs --capabilities"),
    "drs-sync doctor": ("drs-sync docter", "drs-sync has no command docter"),
    "tables create --all": ("tables create --every", "drs-sync tables create has no option --every"),
    "make package": ("make pakage", "make has no target pakage"),
    "deploy/move_routes.py": ("deploy/moved_routes.py", "there is no deploy/moved_routes.py"),
}


def test_a_mistake_in_a_command_is_noticed() -> None:
    sound = {command for block in blocks(OPERATIONS) for command in block.commands}
    damaged = OPERATIONS
    for text, (mistake, _) in MISTAKES.items():
        assert text in damaged
        damaged = damaged.replace(text, mistake)
    found = complaints({command for block in blocks(damaged) for command in block.commands} - sound)
    unnoticed = [
        complaint for _, complaint in MISTAKES.values() if not any(each.startswith(complaint) for each in found)
    ]
    assert unnoticed == []
    expected = tuple(complaint for _, complaint in MISTAKES.values())
    assert [each for each in found if not each.startswith(expected)] == []


def test_a_block_is_executed_or_has_a_reason() -> None:
    page = (
        "## S\n\n1. x\n\n   <!-- not executed: needs a moon -->\n   ```console\n   $ a\n   ```\n\n"
        "   ```console\n   $ b \\\n"
        "       c\n   $ d\n   ```\n\n<!-- not executed: -->\n```console\n$ e\n```\n"
    )
    found = blocks(page)
    assert [(block.section, block.step, block.reason) for block in found] == [
        ("S", 1, "needs a moon"),
        ("S", 1, None),
        ("S", 1, ""),
    ]
    assert found[1].commands == ["b  c", "d\n"]
    assert found[1].script == "b \\\n    c\nd\n"


def test_the_routes_that_are_moved_are_those_of_the_api() -> None:
    spec = importlib.util.spec_from_file_location("move_routes", ROOT / "deploy" / "move_routes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    served = re.findall(
        r"^  # (\w+) (/\S+): served by (data-management-handler|query-handler) ",
        (ROOT / "deploy" / "templates" / "api.yaml").read_text(),
        re.MULTILINE,
    )
    # These are new; the platform's API does not have them.
    new = {("GET", f"/drs/{name}") for name in ("estate", "extended-source-servers", "failback")}
    assert {(method, path): handler for method, path, handler in served if (method, path) not in new} == module.ROUTES
    assert template("api.yaml")["Resources"]
