"""Sphinx configuration of the documentation site: `make docs` builds it into build/docs.

The source folder is the root of the repository, so the site is made of the same files that a reader sees in the
repository, under the same relative links. Every warning is an error: a link to a page, file or heading that does not
exist fails the build, and so does a page that loads anything over the network.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

ROOT: Final = Path(__file__).parents[1]
START_PAGE: Final = "README"
DECISIONS: Final = "docs/decisions/README"

# Caption -> pages in order. A page that is not listed comes last, under "More"; one that does not exist is left out.
NAVIGATION: Final = {
    "Understand": ["docs/architecture", "docs/glossary", "docs/guarantees", "docs/security"],
    "Operate": [
        "docs/operations",
        "docs/failback",
        "docs/pages",
        "docs/coverage",
        "docs/report",
        "docs/requests",
        "docs/errors",
        "docs/settings",
        "docs/scale",
    ],
    "Measure": ["docs/benchmarks", "docs/performance"],
    "Contribute": ["CONTRIBUTING", "docs/testing", "docs/sandbox", "docs/requirements", DECISIONS],
    "Project": ["CHANGELOG", "SECURITY"],
}

# The resources that a browser fetches by itself; a plain link is followed only by a click.
_LOADS: Final = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=["']?(?:https?:)?//"""
    r"""|<link\b[^>]*\brel=["']?(?:stylesheet|preload|preconnect|dns-prefetch|icon)[^>]*\bhref=["']?(?:https?:)?//"""
    r"""|@import\s+(?:url\()?["']?(?:https?:)?//|\burl\(["']?(?:https?:)?//"""
)

_project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

project = _project["name"]
author = _project["authors"][0]["name"]
project_copyright = author
version = release = _project["version"]

extensions = ["myst_parser"]
root_doc = START_PAGE
include_patterns = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "docs/**/*.md"]
exclude_patterns = [".*", "build", "dist", "service", "tests", "deploy", "benchmarks", "requirements"]
nitpicky = True
suppress_warnings = ["myst.header"]  # a skipped level of heading is a matter of style, not a broken page
myst_heading_anchors = 6

html_theme = "furo"
html_title = f"{project} {version}"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False


def _toctree(pages: Iterable[str], caption: str = "") -> str:
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["", "", "```{toctree}", *options, "", *(f"/{page}" for page in pages), "```", ""])


def _add_navigation(app: Sphinx, page: str, source: list[str]) -> None:
    """Append the navigation, which the pages themselves need not carry, to the two pages that have some."""
    found = app.env.found_docs
    decisions = sorted(other for other in found if other.startswith("docs/decisions/") and other != DECISIONS)
    if page == DECISIONS:
        source[0] += _toctree(decisions)
    if page == START_PAGE:
        listed = {START_PAGE, *decisions, *(name for names in NAVIGATION.values() for name in names)}
        for caption, names in {**NAVIGATION, "More": sorted(found - listed)}.items():
            if existing := [name for name in names if name in found]:
                source[0] += _toctree(existing, caption)


def _finish(app: Sphinx, error: Exception | None) -> None:
    """Let the site begin at index.html, and check that it needs no network.

    Raises:
        ExtensionError: a page or a style sheet loads something from another host.
    """
    if error or app.builder.name != "html":
        return
    site = Path(app.outdir)
    shutil.copyfile(site / f"{START_PAGE}.html", site / "index.html")
    loading = [
        str(path.relative_to(site))
        for path in sorted(site.rglob("*"))
        if path.suffix in {".html", ".css"} and _LOADS.search(path.read_text())
    ]
    if loading:
        raise ExtensionError(f"these files of the site load something over the network: {', '.join(loading)}")


def setup(app: Sphinx) -> None:
    """Connect the two steps that are not Sphinx's own."""
    app.add_lexer("mermaid", TextLexer)  # drawn where the repository is shown; here its text, which is readable too
    app.connect("source-read", _add_navigation)
    app.connect("build-finished", _finish)
