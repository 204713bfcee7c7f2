"""Servers of an answer as a table and as CSV. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from service.cli.answers import source_tables, title_of
from service.cli.columns import Column, table
from service.durations import human_duration
from service.inventory.moving_values import duration_ms, time_ms
from service.text import printable, spreadsheet_cell

__all__ = ["servers_csv", "servers_table"]

_COLUMNS: Final = (
    Column("name", can_be_cut=True),
    Column("id"),
    Column("state", can_be_cut=True, readable=30),  # the reason of a stall tells more than the account
    Column("lag"),
    Column("region", 1),
    Column("account", 2),
    Column("since", 3),
    Column("launched", 4),
    Column("source", 5),
    Column("cores", 6, is_number=True),
    Column("RAM GiB", 7, is_number=True),
)
_CSV_MEMBERS: Final = (
    "hostname",
    "nameTag",
    "sourceServerID",
    "accountId",
    "region",
    "replicationState",
    "posture",
    "postureReason",
    "postureSince",
    "lagDuration",
    "backlogBytes",
    "lastSeen",
    "lastLaunchType",
    "lastLaunchStatus",
    "lastLaunchTime",
    "sourceInstanceId",
    "sourceAccount",
    "sourceRegion",
    "stagingAccountId",
    "valuesAsOf",
)


def servers_table(body: Mapping[str, Any], now: datetime, *, is_wide: bool) -> Group:
    """Render a line per server, then where the answer comes from; `now` is what ages are counted from."""
    title = title_of(body, f"{body['count']} of {body['totalCount']} servers")
    parts: list[RenderableType] = [
        table(title, _COLUMNS, [_row(server, now) for server in body["servers"]], is_wide=is_wide),
        *source_tables(body),
    ]
    if "nextToken" in body:
        # The terminal wraps it, so that it can be copied whole.
        more = f"there are more: --next-token {body['nextToken']}"
        parts.append(Text(printable(more), no_wrap=True, overflow="ignore"))
    return Group(*parts)


def servers_csv(body: Mapping[str, Any]) -> str:
    """Write one line per server; a cell that a spreadsheet would take for a formula begins with an apostrophe."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_CSV_MEMBERS)
    for server in body["servers"]:
        writer.writerow([_cell(server.get(name)) for name in _CSV_MEMBERS])
    return stream.getvalue()


def _row(server: Mapping[str, Any], now: datetime) -> tuple[object, ...]:
    hardware = server["hardware"]
    return (
        server["hostname"] or server["nameTag"],
        server["sourceServerID"],
        _state(server),
        _lag(server),
        server["region"],
        server["accountId"],
        _ago(server["postureSince"], now),
        _ago(server["lastLaunchTime"], now),
        "/".join(filter(None, (server["sourceAccount"], server["sourceRegion"]))),
        hardware["totalCores"],
        hardware["ramGiB"],
    )


def _state(server: Mapping[str, Any]) -> str:
    error = f" EXTENSION_ERROR: {server['extensionError']}" if "extensionError" in server else ""
    reason = f" {server['replicationError']}" if server["replicationError"] else ""
    return f"{server['state']}{reason}{error}{' (stale)' if server.get('stale') else ''}"


def _lag(server: Mapping[str, Any]) -> str:
    number = duration_ms(server["lagDuration"])
    return server["lagDuration"] if number is None else human_duration(number / 1000)


def _ago(time: str, now: datetime) -> str:
    """Return how long ago a time was; empty where there is none."""
    moment = time_ms(time.replace("+00:00", "Z"))
    return "" if moment is None else human_duration(now.timestamp() - moment / 1000)


def _cell(value: object) -> str:
    return "" if value is None else spreadsheet_cell(str(value))
