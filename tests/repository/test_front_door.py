"""Licence, workflow, hooks, issue forms and pages: each says what is there, and every link leads somewhere."""

from __future__ import annotations

import ast
import hashlib
import importlib
import os
import pkgutil
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from deploy import package
from tests.container.image import image_version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# The text at https://www.apache.org/licenses/LICENSE-2.0.txt, byte for byte.
LICENCE_SHA256 = {"Apache-2.0": "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"}

FOLDERS = "service|tests|benchmarks|deploy|docs|requirements"
NAMED_PATH = re.compile(rf"(?<![\w./-])(?:{FOLDERS})/[\w./*-]*[\w*/]")
NAMED_MODULE = re.compile(r"(?<![\w./-])(?:service|tests|benchmarks)(?:\.[A-Za-z_]\w*)+(?![\w/])")
FOLLOWED = "Following an account id from the schedule's event to the row and back"
NAMED_IN_FILE = re.compile(r"((?:`[A-Za-z_][\w.]*`(?:, | and )?)+) in `(service/[\w/]+\.py)`")


def read_yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@cache
def tokens(page: Path) -> tuple[Token, ...]:
    """Parse a page into its blocks and what is inside them."""
    blocks = MarkdownIt("commonmark").enable("table").parse(page.read_text())
    return tuple(token for block in blocks for token in (block, *(block.children or ())))


def links(page: Path) -> Iterator[str]:
    for token in tokens(page):
        if target := token.attrGet("href") or token.attrGet("src"):
            yield str(target)


@cache
def anchors(page: Path) -> frozenset[str]:
    """Name the anchors of a page's headings, as GitHub and the site make them."""
    found: list[str] = []
    seen: Counter[str] = Counter()
    blocks = tokens(page)
    for position, token in enumerate(blocks):
        if token.type == "heading_open":
            children = blocks[position + 1].children or ()
            text = "".join(child.content for child in children if child.type in {"text", "code_inline"})
            slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
            found.append(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
    return frozenset(found)


def broken_links(page: Path) -> list[str]:
    """List the relative links of a page that lead to no file or heading."""
    broken = []
    for link in links(page):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = page if not path else Path(os.path.normpath(page.parent / path))
        if (
            path.startswith("/")
            or not target.is_relative_to(ROOT)
            or not target.exists()
            or (anchor and (target.suffix != ".md" or anchor not in anchors(target)))
        ):
            broken.append(link)
    return broken


def dead_names(page: Path) -> list[str]:
    """List the files, modules and definitions of this repository that a page names and that are not there.

    These are paths and dotted names in code, and `name` in `path`. The pages about tests name paths below tests/.
    """
    code = [token.content for token in tokens(page) if token.type in {"code_inline", "fence"}]
    paths = [path for text in code for path in NAMED_PATH.findall(text)]
    dead = [path for path in paths if not any([*ROOT.glob(path), *(ROOT / "tests").glob(path)])]
    names = [match for text in code for match in NAMED_MODULE.findall(text)]
    for named, path in NAMED_IN_FILE.findall(" ".join(page.read_text().split())):
        module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        names += [f"{module}.{name}" for name in re.findall(r"[\w.]+", named.replace(" and ", " "))]
    return dead + [name for name in names if not is_defined(name)]


def is_defined(name: str) -> bool:
    """Whether a dotted name is a module, or a definition in one."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def test_the_licence_is_the_declared_one_word_for_word() -> None:
    assert PROJECT["license-files"] == ["LICENSE"]
    text = (ROOT / "LICENSE").read_bytes()
    assert hashlib.sha256(text).hexdigest() == LICENCE_SHA256[PROJECT["license"]]


def test_the_project_says_who_makes_it_and_where_it_is() -> None:
    assert [author["name"] for author in PROJECT["authors"]] == ["drs-sync contributors"]
    assert set(PROJECT["urls"]) == {"Homepage", "Repository", "Documentation", "Changelog", "Issues"}
    assert {url for url in PROJECT["urls"].values() if not url.startswith(PROJECT["urls"]["Repository"])} == set()
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text().replace("[", "").replace("]", "")


def test_the_workflow_runs_the_check_command_and_may_only_read() -> None:
    workflow = read_yaml(".github/workflows/ci.yml")
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["jobs"].keys() == {"check", "coverage"}
    pythons = {}
    for name, job in workflow["jobs"].items():
        assert "permissions" not in job
        used = {step["uses"].partition("@")[0]: step for step in job["steps"] if "uses" in step}
        assert all(re.fullmatch(r"actions/[\w-]+@v\d+\.\d+\.\d+", step["uses"]) for step in used.values())
        pythons[name] = used["actions/setup-python"]["with"]["python-version"].split()
    commands = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in workflow["jobs"].items()}
    assert commands == {"check": [".ci/run"], "coverage": ["make coverage"]}
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "coverage" in re.findall(r"^([a-z][a-z-]*):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    *others, oldest = pythons["check"]
    assert PROJECT["requires-python"] == f">={oldest}"
    assert pythons["coverage"] == [oldest]
    assert set(others) == {image_version(), package.PYTHON}


def test_the_check_command_runs_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    steps = re.findall(r"^make (.*)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert steps == [
        "-j3 check deploy-check docs",
        "test BUDGETS=--check-budgets",
        "test-deep BUDGETS=--check-budgets ONE_OF=20 ONE_OF_FILES=5",
        'mutants MUTANTS="--sample 10"',
        "bench-short",
    ]
    targets = re.findall(r"(?<!\S)[a-z][a-z-]*(?!\S)", " ".join(steps))
    described = set(re.findall(r"^([a-z][a-z-]*):.*## ", makefile, re.MULTILINE))
    assert set(targets) <= described
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony
    assert set(phony[1].split()) == described


def test_the_hooks_are_commands_of_make_check_and_need_no_network() -> None:
    (repository,) = read_yaml(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    checks = (ROOT / "Makefile").read_text().split("\ncheck:")[1].split("\n\n")[0]
    commands = set()
    for hook in repository["hooks"]:
        assert hook["language"] in {"system", "pygrep"}
        if hook["language"] == "pygrep":
            re.compile(hook["entry"])
            continue
        program, *arguments = hook["entry"].split()
        assert program.startswith(".venv/bin/")
        tool = Path(program).name
        assert (Path(sys.executable).parent / tool).is_file(), tool
        commands.add(" ".join([tool, *(word for word in arguments if not word.startswith("-"))]))
    assert commands == {
        re.sub(r" --.*| \.$", "", line.strip().removeprefix("$(BIN)/")) for line in checks.splitlines()[1:]
    }


def test_the_issue_forms_are_forms() -> None:
    folder = ROOT / ".github" / "ISSUE_TEMPLATE"
    for form in (yaml.safe_load(path.read_text()) for path in folder.glob("*.yml") if path.name != "config.yml"):
        assert {"name", "description", "body"} <= set(form)
        fields = [part for part in form["body"] if part["type"] != "markdown"]
        assert {part["type"] for part in fields} <= {"input", "textarea", "dropdown", "checkboxes"}
        names = [part["id"] for part in fields]
        assert len(names) == len(set(names))
        assert all(part["attributes"]["label"] for part in fields)
    config = read_yaml(".github/ISSUE_TEMPLATE/config.yml")
    assert all(link["url"].startswith(PROJECT["urls"]["Repository"]) for link in config["contact_links"])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_a_broken_link_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "# A `b`, c\n[ok](#a-b-c) [no](#a) [no](other.md) ![no](x.svg) [no](../up.md) [ok](https://a.b/c)\n"
    )
    assert broken_links(page) == ["#a", "other.md", "x.svg", "../up.md"]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_in_a_page_imports_what_is_there(page: Path) -> None:
    for token in tokens(page):
        if token.type == "fence" and token.info == "python":
            for node in ast.walk(ast.parse(token.content)):
                if isinstance(node, ast.ImportFrom) and str(node.module).startswith("service"):
                    module = importlib.import_module(str(node.module))
                    assert [each.name for each in node.names if not hasattr(module, each.name)] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_path_and_name_of_a_page_is_there(page: Path) -> None:
    assert dead_names(page) == []


def test_a_dead_name_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "`service/errors.py`, `service/none.py`, `service/sync/*/sync.py`, `none/x.py`, `unit/test_none.py`\n"
        "`service.errors.classify`, `service.errors.judge`, `tests.none`. `Scope` and `Place` in `service/models.py`\n"
        "```console\n$ python -m benchmarks.none tests/none\n```\n"
    )
    assert dead_names(page) == [
        "service/none.py",
        "tests/none",
        "service.errors.judge",
        "tests.none",
        "benchmarks.none",
        "service.models.Place",
    ]


def architecture(heading: str) -> str:
    """Return the section of the architecture page under a heading."""
    return (ROOT / "docs" / "architecture.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_the_architecture_shows_the_layers_that_are_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    shown = architecture("Which way imports point").split("```text\n")[1].split("\n```")[0]
    assert shown.splitlines() == [layer.replace("service.", "") for layer in layers]


def test_the_followed_account_id_passes_through_files_that_define_what_is_said() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\S+)\.py` \| (.+) \|$", architecture(FOLLOWED), re.MULTILINE)
    assert [int(number) for number, *_ in rows] == [*range(1, 23)]
    for _, path, text in rows:
        module = path.removesuffix("/__init__").replace("/", ".")
        named = re.findall(r"`([A-Z]\w+|[a-z]+_[a-z_]+)`", text)
        assert [name for name in named if not is_defined(f"{module}.{name}")] == [], path
