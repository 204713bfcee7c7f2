"""Export of all servers: a file that is kept outside AWS and read when AWS cannot be reached. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from pydantic import ValidationError

from service.errors import ConfigurationError
from service.models import iso
from service.queries.failback.facts import Facts
from service.text import printable
from service.topology.original import TEMPLATE_ID

__all__ = ["Export", "read_export", "write_csv", "write_json"]

_FORMAT: Final = 1
# A spreadsheet would run these as a formula, so an apostrophe is put before them; reading removes it.
_FORMULA: Final = ("=", "+", "-", "@", "'")
_COLUMNS: Final = (
    "host",
    "lineage",
    "originalSourceRegion",
    "originalSourceAccountId",
    "originalAvailabilityZone",
    "originalInstanceId",
    "originalAccountId",
    "originalReplicationRegion",
    TEMPLATE_ID,
    "originEnvironment",
    "captureMethod",
    "topologyLastUpdated",
    "sourceServer",
    "state",
    "recoveryInstance",
)

Export = tuple[str, list[Facts]]
"""The time of the export, ISO-8601, and the facts of each server."""


def write_json(estate: Sequence[Facts], *, now: datetime, members: Mapping[str, Any] | None = None) -> bytes:
    """Write an export as one JSON document; `members` are further members of it."""
    servers = [facts.model_dump(mode="json", by_alias=True) for facts in estate]
    document = {"format": _FORMAT, "exportedAt": iso(now), **(members or {}), "servers": servers}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def write_csv(estate: Sequence[Facts], *, now: datetime) -> str:
    """Write an export as CSV: columns for people, and a last one with everything as JSON, for reading it back."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*_COLUMNS, "exportedAt", "everything"])
    for facts in estate:
        everything = orjson.dumps(facts.model_dump(mode="json", by_alias=True)).decode()
        writer.writerow([_cell(value) for value in (*_row(facts), iso(now), everything)])
    return out.getvalue()


def _row(facts: Facts) -> Iterable[str]:
    forward = facts.forward
    columns = {
        "host": facts.host,
        "lineage": facts.lineage,
        "sourceServer": forward.arn if forward else "",
        "state": forward.state if forward else "",
        "recoveryInstance": forward.recovery_instance if forward else "",
    }
    return (columns[name] if name in columns else facts.text(name) for name in _COLUMNS)


def _cell(value: str) -> str:
    """Make a cell that neither a spreadsheet nor a terminal obeys; in JSON, control characters are escaped already."""
    shown = printable(value)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def _value(cell: str) -> str:
    return cell.removeprefix("'")


def read_export(content: bytes) -> Export:
    """Read an export, JSON or CSV.

    Raises:
        ConfigurationError: the content is not an export, or its format is of a later version.
    """
    try:
        text = content.decode("utf-8-sig")  # spreadsheets write a byte order mark first
        return _from_json(text) if text.lstrip().startswith("{") else _from_csv(text)
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        cause = f"{error.error_count()} members are wrong" if isinstance(error, ValidationError) else str(error)
        raise ConfigurationError(
            f"the file is not an export: {cause}. Fix: give a file written by drs-sync failback --all"
        ) from error


def _from_json(text: str) -> Export:
    document: Any = orjson.loads(text)
    if document["format"] != _FORMAT:
        raise ValueError(f"format {document['format']}; this version reads {_FORMAT}")
    return str(document["exportedAt"]), [Facts.model_validate(each) for each in document["servers"]]


def _from_csv(text: str) -> Export:
    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows:
        raise ValueError("it has no rows")
    facts = [Facts.model_validate_json(_value(row["everything"])) for row in rows]
    return rows[0]["exportedAt"], facts
