"""Servers of a report as compact data, from which the page's script makes rows, facts and runbooks. Pure.

As markup, a server takes 1.7 kB and its runbook 6 kB; nearly all of that is repeated in every other server. Here, each
text stands once, and servers refer to it by number. Before that, what differs from server to server is cut out: the
server's own id, name and time, and in runbooks every id of AWS. A cut is a control character, which no text has
(`printable`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from service.models import parse_iso
from service.pages.report import Report
from service.pages.server_facts import ServerRow
from service.pages.words import UNKNOWN, posture_word, rank_of, severity
from service.text import printable

__all__ = ["no_runbook", "servers_json"]

_ID, _NAME, _SINCE = "\x01", "\x02", "\x03"
_MIN_CUT: Final = 4
"""Shorter names are part of other words too often to be worth a cut."""
_MAX_ARGUMENTS: Final = 28
_AWS_ID: Final = re.compile(r"(?<![0-9a-z])(?:[a-z]{1,8}-[0-9a-f]{17}|[0-9]{12})(?![0-9a-z])")
_SEARCHED: Final = frozenset({"source instance", "source address", "name tag", "full name"})
_UNSAFE: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}

Column = Mapping[str, Any] | Sequence[Any]


def servers_json(report: Report) -> str:
    """Return the servers of a report as JSON that can stand in a script element.

    `columns` has one column for each property of a row, and `facts` one for each label; a fact that is null is not one
    of the server. A column is a list with a value for each server; or it has `texts`, and in `of` which of them each
    server has. Without `of`, every server has the first. `runbooks.of` has, by the number of a server, a number of
    `runbooks.shapes`, which has numbers of `runbooks.lines`; and what to put into the cuts of these lines, after what
    is put into those of facts.
    """
    rows = report.rows
    facts = [dict(row.facts) for row in rows]
    labels = list(dict.fromkeys(label for each in facts for label in each))
    data = {
        "columns": {
            "id": [row.server_id for row in rows],
            "name": _column(rows, lambda row: row.name, names=False),
            "anchor": _column(rows, lambda row: row.anchor),
            "account": _column(rows, lambda row: row.account),
            "region": _column(rows, lambda row: row.region),
            "posture": _column(rows, lambda row: row.posture),
            "reason": _column(rows, lambda row: row.reason),
            "since": _column(rows, lambda row: row.since),
            "sinceAt": _values([row.since_at for row in rows]),
            "lag": _column(rows, lambda row: row.lag),
            "lagSeconds": _values([row.lag_s for row in rows]),
            "launch": _column(rows, lambda row: row.launch),
            "launchAt": _values([_seconds(row.launch_at) for row in rows]),
        },
        "postures": {
            each: [posture_word(each), severity(each), rank_of(each)] for each in sorted({row.posture for row in rows})
        },
        "labels": labels,
        "searched": [position for position, label in enumerate(labels) if label in _SEARCHED],
        "facts": [
            _values([_cut(row, each.get(label)) for row, each in zip(rows, facts, strict=True)]) for label in labels
        ],
        "runbooks": _runbooks(report),
        "noRunbook": {ready: no_runbook(report, _ID, is_ready=ready == "ready") for ready in ("ready", "notReady")},
    }
    text = json.dumps(data, separators=(",", ":"))
    # These characters are in texts only, and could end the element or begin a comment.
    return re.sub("[<>&]", lambda match: _UNSAFE[match[0]], text)


def no_runbook(report: Report, server_id: str, *, is_ready: bool) -> str:
    """Return why the report has no runbook of a server."""
    if report.runbook_problem:
        return f"Its failback runbook is {UNKNOWN}: {report.runbook_problem}"
    if is_ready:
        return f"Its failback runbook is not in this report: drs-sync failback {server_id}"
    return f"Nothing is on record of its origin, so it has no failback runbook: drs-sync failback {server_id}"


def _column(rows: Sequence[ServerRow], text: Callable[[ServerRow], str], *, names: bool = True) -> Column:
    return _values([_cut(row, text(row), names=names) for row in rows])


def _cut(row: ServerRow, text: str | None, *, names: bool = True) -> str | None:
    """Return a text of a server without the server's own id, name and time."""
    if not text:
        return text
    text = text.replace(row.server_id, _ID)
    if names and len(row.name) >= _MIN_CUT:
        text = text.replace(row.name, _NAME)
    return text.replace(row.since_at, _SINCE) if row.since_at else text


def _seconds(moment: str) -> int | None:
    """Return a time in seconds, to sort by."""
    parsed = parse_iso(moment)
    return None if parsed is None else round(parsed.timestamp())


def _values(values: Sequence[Any]) -> Column:
    """Return a column in its shorter form."""
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    if len(numbers) > len(values) // 2 + 1:
        return values
    column: dict[str, Any] = {"texts": list(numbers)}
    if len(numbers) > 1:
        column["of"] = [numbers[value] for value in values]
    return column


def _runbooks(report: Report) -> dict[str, Any]:
    lines: dict[str, int] = {}
    shapes: dict[tuple[int, ...], int] = {}
    of: dict[int, list[Any]] = {}
    for position, row in enumerate(report.rows):
        if texts := report.runbook(row.view):
            cut, arguments = _cut_ids(row, texts)
            shape = tuple(lines.setdefault(line, len(lines)) for line in cut)
            of[position] = [shapes.setdefault(shape, len(shapes)), arguments]
    return {"lines": list(lines), "shapes": list(shapes), "of": of}


def _cut_ids(row: ServerRow, lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return lines of a server without ids of AWS, and these ids in the order of their cuts, after those of facts."""
    cuts: dict[str, str] = {}

    def cut(match: re.Match[str]) -> str:
        if match[0] not in cuts and len(cuts) < _MAX_ARGUMENTS:
            cuts[match[0]] = chr(ord(_SINCE) + len(cuts) + 1)
        return cuts.get(match[0], match[0])

    text = "\n".join(line if line.isprintable() else printable(line) for line in lines)
    parts = (_AWS_ID.sub(cut, part) for part in (_cut(row, text) or "").split("\n"))
    return list(parts), list(cuts)
