"""A report as Markdown, and its servers as CSV. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from service.pages.estate_page import causes_of, grid_of, lines_of, moment_of, tables_of
from service.pages.report import MAX_OTHER_RUNBOOKS, Report
from service.pages.words import UNKNOWN
from service.text import printable, spreadsheet_cell

__all__ = ["as_csv", "as_markdown"]

_MAY_BE_EMPTY: Final = frozenset(
    {"nameTag", "postureReason", "lastLaunchType", "lastLaunchStatus", "lastLaunchTime"}  # there is none
)
_COLUMNS: Final = (
    "sourceServerID",
    "hostname",
    "nameTag",
    "accountId",
    "region",
    "posture",
    "postureReason",
    "postureSince",
    "replicationState",
    "lagSeconds",
    "backlogBytes",
    "lastSeen",
    "valuesAsOf",
    "lastLaunchType",
    "lastLaunchStatus",
    "lastLaunchTime",
    "stagingAccountId",
    "sourceAccount",
    "sourceRegion",
    "sourceInstanceId",
    "sourceServerArn",
)


def as_csv(report: Report) -> str:
    """Write one line per server; a value that is not known is "unknown"."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in report.rows:
        values = {**row.view, "lagSeconds": row.lag_s}
        writer.writerow([_cell(name, values) for name in _COLUMNS])
    return out.getvalue()


def _cell(name: str, values: Mapping[str, Any]) -> str:
    value = values[name]
    text = "" if value is None else str(value)
    if not text:
        return "" if name in _MAY_BE_EMPTY else UNKNOWN
    return spreadsheet_cell(text)


def as_markdown(report: Report) -> str:
    """Write the report for a wiki or a ticket."""
    return "\n".join(_lines(report)).rstrip("\n") + "\n"


def _lines(report: Report) -> Iterator[str]:
    document = report.estate
    ready, believed = lines_of(document)
    yield from ("# Could the estate fail over now?", "", f"As of {moment_of(document)}", "")
    yield from (f"- {_md(line.text)}" for line in ready)
    yield from ("", "## Can it be believed?", "")
    yield from (f"- {_md(line.text)}" for line in believed)
    yield from ("", "## What needs you?", "")
    causes = causes_of(document, {})
    if not causes:
        yield "Nothing needs you."
    for cause in causes:
        since = f", for {cause.since}" if cause.since else ""
        yield f"- **{cause.severity}**: {_md(cause.title)}{since}. Fix: {_md(cause.fix)}"
        if cause.command:
            yield f"  Type: {_code(cause.command)}"
    yield from (f"- **could not be read**: {_md(each)}" for each in (*report.problems, report.runbook_problem) if each)
    yield from ("", "## Accounts and regions", "")
    yield from _grid(document)
    yield from ("", "## Servers", "")
    headings = ("server", "id", "account", "region", "posture", "reason", "since", "lag", "last launch")
    rows = [
        (row.name, row.server_id, row.account, row.region, row.word, row.reason, row.since, row.lag, row.launch)
        for row in report.rows
    ]
    yield from _table(headings, rows)
    if report.not_listed:
        yield from ("", f"{report.not_listed:,} more servers are counted, but not listed: they could not be read.")
    for table in tables_of(document):
        yield from ("", f"## {table.title}", "")
        yield from (_md(table.caption), "", *_table(table.headings, table.rows)) if table.rows else [_md(table.empty)]
    yield from ("", "## Failback runbooks", "")
    yield f"Of every server that is not ready, and of up to {MAX_OTHER_RUNBOOKS} that are."
    for row in report.rows:
        if lines := report.runbook(row.view):
            yield from ("", f"### {_md(row.name)} ({_md(row.server_id)})", "")
            yield from (f"    {printable(line)}" for line in lines)


def _grid(document: Mapping[str, Any]) -> Iterator[str]:
    grid = grid_of(document)
    rows = [
        (
            f"{row.account} {row.name}".strip(),
            *("-" if cell is None else f"{cell.servers}, {cell.word}, {cell.age}" for cell in row.cells),
        )
        for row in grid.rows
    ]
    yield from _table(("account", *grid.regions), rows)
    if grid.not_listed:
        yield from ("", f"{grid.not_listed:,} scopes are not listed.")


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(map(_md, headings))} |"
    yield f"|{'---|' * len(headings)}"
    yield from (f"| {' | '.join(map(_md, row))} |" for row in rows)


def _md(text: str) -> str:
    return re.sub(r"([\\`*_|<>\[\]#&])", r"\\\1", printable(text))


def _code(text: str) -> str:
    return f"`{printable(text).replace('`', chr(39))}`"
