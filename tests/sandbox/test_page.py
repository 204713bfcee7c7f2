"""Every example of docs/sandbox.md, as it stands there: modules and tests with pytest, scripts, and the AWS CLI."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from markdown_it import MarkdownIt

from service.sandbox.fleet import parse_fleet
from tests.operations.page import ROOT, blocks
from tests.support.command import CHECKOUT
from tests.support.shims import Shims


def fences(text: str) -> list[Any]:
    """Return the code blocks of a page's text."""
    return [each for each in MarkdownIt("commonmark").parse(text) if each.type == "fence"]


PAGE: Final = (ROOT / "docs" / "sandbox.md").read_text()
_EXAMPLES: Final = PAGE[: PAGE.index("## Fixtures")]
_FENCES: Final = fences(PAGE)
_FILES: Final = {
    match[1]: each.content for each in _FENCES if (match := re.match(r"# ([\w.]+\.(?:py|yaml))\n", each.content))
}
_TESTS: Final = sorted(name for name in _FILES if name.startswith("test_"))
_CONSOLE: Final = [each for each in blocks(_EXAMPLES) if each.section == "Ten examples"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files of the page."""
    for name, text in _FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, **CHECKOUT, **variables}


def test_the_page_has_ten_examples_and_each_is_run() -> None:
    examples = re.findall(r"^\*\*.*?\*\*", _EXAMPLES[_EXAMPLES.index("## Ten examples") :], re.MULTILINE)
    assert len(examples) >= 10
    # Each is a test, or commands; one more test is that of the first section, and one more command opens the shell.
    assert len(examples) == len(_TESTS) - 1 + len(_CONSOLE) - 1
    python = [each for each in _FENCES if each.info == "python"]
    assert {each.content for each in python} == {text for name, text in _FILES.items() if name.endswith(".py")}


def test_the_tests_of_the_page_and_of_the_readme_pass(folder: Path) -> None:
    (readme,) = [each.content for each in fences((ROOT / "README.md").read_text()) if each.info == "python"]
    (folder / "test_readme.py").write_text(f"import boto3\nimport pytest\n\n{readme}")
    plugin = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "service.sandbox.pytest_plugin"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--strict-markers", "-W", "error", "-p", "no:cacheprovider"],
        cwd=folder,
        env=environment(AWS_PROFILE="nobody-has-this", **plugin),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert f"{len(_TESTS) + 1} passed" in done.stdout


def test_the_script_of_the_page_prints_ten_servers(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "ten_servers.py"], cwd=folder, env=environment(), capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"(s-[0-9a-f]{17} CONTINUOUS\n){10}", done.stdout)


@pytest.mark.deep
def test_the_examples_for_the_aws_cli_say_what_they_promise(folder: Path) -> None:
    """They run in the shell that the page opens, with the fleet file that it shows."""
    opening, *typed = _CONSOLE
    assert opening.script == "drs-sync sandbox --fleet estate.yaml -- bash\n"
    (folder / "typed.sh").write_text("".join(each.script for each in typed))
    with Shims() as shims:
        path = f"{shims.path}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", opening.script.rstrip() + " -e typed.sh"],  # noqa: S607 - a shell, as on the page
            cwd=folder,
            env=environment(PATH=path),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    shown = re.sub(r"\s+", " ", done.stdout)
    instance = r'"(i-[0-9a-f]{17})"'
    expected = (
        r'250 \[ "app-0001", "app-0002", "app-0003" \] '
        r'\{ "tags": \{.*"Team": "retail", "Wave": "2" \} \} '
        rf'"STARTED" "COMPLETED" \[ \[ {instance}, true, "RUNNING" \] \] \[ {instance} \] '
    )
    found = re.fullmatch(expected, shown)
    assert found, shown
    assert found[1] == found[2], "the export does not have the recovery instance"


def test_the_fleet_files_of_the_page_are_valid() -> None:
    documents = [each.content for each in _FENCES if each.info == "yaml" and "hub:" in each.content]
    assert len(documents) == 3
    for document in documents:
        parse_fleet(document)


@pytest.mark.deep
def test_the_first_commands_of_the_page_work(folder: Path) -> None:
    commands = [
        command
        for each in blocks(_EXAMPLES)
        for command in each.commands
        if each.section.startswith("Your own code") and command.startswith("drs-sync")
    ]
    assert len(commands) == 2
    with Shims() as shims:
        path = f"{shims.path}{os.pathsep}{os.environ['PATH']}"
        listed = subprocess.run(
            ["bash", "-c", commands[0]],  # noqa: S607 - a shell, as on the page
            cwd=folder,
            env=environment(PATH=path),
            capture_output=True,
            text=True,
            check=True,
        )
    assert re.search(r'"s-[0-9a-f]{17}"', listed.stdout)
