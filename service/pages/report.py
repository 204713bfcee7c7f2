"""Report: the estate, its servers and their runbooks as one document, of which every format is a rendering. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from service.models import parse_iso
from service.pages.server_facts import ServerRow, rows_of
from service.text import printable

__all__ = ["MAX_OTHER_RUNBOOKS", "Report", "build_report", "wanted_runbooks"]

MAX_OTHER_RUNBOOKS: Final = 500
"""Runbooks of servers that are ready. Those of all others are in the report, however many."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a report shows.

    Args:
        estate: the body of the answer of `get_estate`.
        views: the servers, the worst first, as queries show them.
        rows: the same servers as pages show them, in the same order.
        runbooks: the lines of the runbook of a server, by ARN.
        runbook_problem: why there are no runbooks; empty if they could be read.
        problems: what else could not be read, in words, each with a fix.
    """

    estate: Mapping[str, Any]
    views: Sequence[Mapping[str, Any]]
    rows: Sequence[ServerRow]
    runbooks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    runbook_problem: str = ""
    problems: Sequence[str] = ()

    @property
    def is_complete(self) -> bool:
        """Whether nothing is unknown and everything could be read."""
        return bool(self.estate["complete"]) and not self.problems and not self.runbook_problem

    @property
    def not_listed(self) -> int:
        """Servers that are counted and not listed, because their records or scopes could not be read."""
        return max(0, int(self.estate["servers"]["total"]) - len(self.rows))

    def runbook(self, view: Mapping[str, Any]) -> Sequence[str]:
        """Return the lines of the runbook of a server; none if there is none."""
        return self.runbooks.get(view["sourceServerArn"], ())

    def as_json(self) -> dict[str, Any]:
        """Return the document for programs."""
        return {
            "operation": "report",
            "asOf": self.estate["asOf"],
            "complete": self.is_complete,
            "estate": self.estate,
            "serversListed": len(self.views),
            "servers": list(self.views),
            "runbookLimit": MAX_OTHER_RUNBOOKS,
            "runbooks": [
                {"sourceServerArn": view["sourceServerArn"], "text": "\n".join(self.runbook(view))}
                for view in self.views
                if self.runbook(view)
            ],
            "problems": [*self.problems, *filter(None, [self.runbook_problem])],
        }


def build_report(
    estate: Mapping[str, Any],
    views: Iterable[Mapping[str, Any]],
    *,
    now: datetime,
    runbooks: Mapping[str, Sequence[str]],
    runbook_problem: str = "",
    problems: Iterable[str] = (),
) -> Report:
    """Build a report.

    Args:
        estate: the body of the answer of `get_estate`.
        views: the servers, with posture.
        now: the time of the report.
        runbooks: lines of runbooks by ARN of the source server.
        runbook_problem: why no runbook could be read.
        problems: what else could not be read.
    """
    found = list(views)
    moment = parse_iso(estate["asOf"]) or now
    rows = rows_of(found, moment)
    return Report(
        estate,
        [row.view for row in rows],
        rows,
        runbooks,
        printable(runbook_problem),
        tuple(dict.fromkeys(map(printable, problems))),
    )


def wanted_runbooks(rows: Iterable[ServerRow], *, others: int = MAX_OTHER_RUNBOOKS) -> set[str]:
    """Return the ARNs of the servers whose runbooks a report has: all that are not ready, and some that are."""
    wanted: set[str] = set()
    for row in rows:
        if row.posture == "ready":
            if others <= 0:
                continue
            others -= 1
        wanted.add(row.view["sourceServerArn"])
    return wanted
