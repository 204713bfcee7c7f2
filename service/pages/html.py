"""HTML: the templates, rendered with everything escaped, and the policy that allows their own style and script only.

Needs the extra `web`. `Pages()` reads the templates once; after that, rendering touches no file.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from service.pages.estate_page import causes_of, grid_of, lines_of, moment_of, tables_of
from service.pages.report import MAX_OTHER_RUNBOOKS, Report
from service.pages.server_data import no_runbook, servers_json
from service.pages.words import POSTURE_WORDS, UNKNOWN
from service.text import printable

__all__ = ["COLUMNS", "MAX_WITHOUT_SCRIPT", "Pages"]

_TEMPLATES: Final = Path(__file__).parent / "templates"
COLUMNS: Final = (
    ("name", "server"),
    ("account", "account"),
    ("region", "region"),
    ("posture", "posture"),
    ("reason", "reason"),
    ("since", "since"),
    ("lag", "lag"),
    ("launch", "last launch"),
)
"""The columns of the table of servers: key and heading."""
MAX_WITHOUT_SCRIPT: Final = 500
"""Servers that a report shows where no script runs, as in the preview of a mail; the worst first."""
_LINKS: Final = (
    ("needs you", "#needs-you"),
    ("accounts and regions", "#grid"),
    ("servers", "#servers"),
    ("staging", "#staging"),
    ("drills", "#drills"),
    ("coverage", "#coverage"),
    ("last runs", "#runs"),
)


class Pages:
    """Renders pages."""

    def __init__(self) -> None:
        texts = {path.name: path.read_text("utf-8") for path in sorted(_TEMPLATES.iterdir()) if path.is_file()}
        self._style, self._script = texts["style.css"], texts["report.js"]
        self._environment = Environment(
            loader=DictLoader(texts),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def policy(self, *, with_script: bool) -> str:
        """Return the Content-Security-Policy of a page: nothing is loaded, and no other script or style runs."""
        script = f"script-src '{_hash(self._script)}'; " if with_script else ""
        return f"default-src 'none'; style-src '{_hash(self._style)}'; {script}img-src data:; base-uri 'none'"

    def render(self, template: str, members: Mapping[str, Any], *, with_script: bool = False, policy: str = "") -> str:
        """Render a template.

        Args:
            template: its file name.
            members: what it shows.
            with_script: the page has the script.
            policy: a policy that the page itself has; a server sends it as a header.
        """
        script = Markup(self._script) if with_script else ""  # noqa: S704 - a file of this package
        style = Markup(self._style)  # noqa: S704 - a file of this package
        context = {"style": style, "script": script, "policy": policy, "data": "", **members}
        return self._environment.get_template(template).render(context)

    def report(self, report: Report) -> str:
        """Render a report as one page that loads nothing."""
        document = report.estate
        ready, believed = lines_of(document)
        hrefs = {row.server_id: f"#{row.anchor}" for row in reversed(report.rows)}
        page = {
            "readiness": ready,
            "belief": believed,
            "causes": causes_of(document, hrefs),
            "problems": [*report.problems, *filter(None, [report.runbook_problem])],
            "grid": grid_of(document),
            "columns": COLUMNS,
            "postures": list(POSTURE_WORDS.items()),
            "accounts": sorted({row.account for row in report.rows}),
            "regions": sorted({row.region for row in report.rows}),
            "total": len(report.rows),
            "not_listed": report.not_listed,
            "tables": tables_of(document),
            "sections": [(row, report.runbook(row.view)) for row in report.rows[:MAX_WITHOUT_SCRIPT]],
            "runbook_note": _note(report),
            "no_runbook": lambda row: no_runbook(report, row.server_id, is_ready=row.posture == "ready"),
        }
        members = {
            "title": "Could the estate fail over now?",
            "subtitle": f"Disaster recovery with AWS DRS, as of {moment_of(document)}",
            "links": _LINKS,
            "page": page,
            "data": Markup(servers_json(report)),  # noqa: S704 - has no character of markup
        }
        policy = f"{self.policy(with_script=True)}; form-action 'none'"
        return self.render("report.html", members, with_script=True, policy=policy)


def _shown(value: object) -> object:
    """Return a value as it may be shown: on one line, without control characters, and unknown if there is none."""
    if isinstance(value, Markup):
        return value
    return UNKNOWN if value is None else printable(value)


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _note(report: Report) -> str:
    shown = sum(bool(report.runbook(row.view)) for row in report.rows)
    return (
        f"Failback runbooks are shown for every server that is not ready, and for up to {MAX_OTHER_RUNBOOKS} that are: "
        f"{shown:,} of {len(report.rows):,} servers have theirs here. For any other, type: drs-sync failback ID"
    )
