"""Command `drs-sync servers`: query of the inventory."""

from __future__ import annotations

import csv
import io
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Final

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from service.cli.answers import show_answer, source_tables, title_of
from service.cli.columns import Column, columns
from service.cli.options import QueryAccounts, QueryRegions, Refresh, join_values
from service.cli.output import Output, sanitize
from service.durations import DURATION_FORM, human_duration, parse_duration_s
from service.errors import RefusalError
from service.inventory.moving_values import duration_ms, time_ms
from service.inventory.posture import SEVERITY
from service.models import utc_now
from service.queries.answer import Answer
from service.queries.filters import REPLICATION_STATES
from service.queries.request_models import InventoryRequest
from service.query_app import QueryApp
from service.text import printable, spreadsheet_cell

__all__ = ["show_servers"]

_GIB: Final = 2**30
_DAY_S: Final = 86_400
_COLUMNS: Final = (
    Column("name", can_be_cut=True),
    Column("id"),
    Column("state", can_be_cut=True),
    Column("lag"),
    Column("region", 1),
    Column("account", 2),
    Column("since", 3),
    Column("launched", 4),
    Column("source", 5),
    Column("cores", 6, is_number=True),
    Column("RAM GiB", 7, is_number=True),
)


class ServersOutput(StrEnum):
    """Output format of the command."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    CSV = "csv"


class SortBy(StrEnum):
    """What servers are sorted by: the longest lag, the worst posture, the oldest launch first."""

    NAME = "name"
    LAG = "lag"
    STATE = "state"
    REGION = "region"
    ACCOUNT = "account"
    DRILL = "drill"


_RANKS: Final = MappingProxyType({str(posture): rank for rank, posture in enumerate(SEVERITY)})
_KEYS: Final[Mapping[SortBy, Callable[[Mapping[str, Any]], Any]]] = MappingProxyType(
    {
        SortBy.NAME: lambda server: server["hostname"].casefold(),
        SortBy.LAG: lambda server: -(duration_ms(server["lagDuration"]) or 0),
        SortBy.STATE: lambda server: _RANKS[server["posture"]],
        SortBy.REGION: lambda server: server["region"],
        SortBy.ACCOUNT: lambda server: server["accountId"],
        SortBy.DRILL: lambda server: time_ms(server["lastLaunchTime"]) or 0,
    }
)


def show_servers(
    region: QueryRegions = None,
    account: QueryAccounts = None,
    *,
    staging_account: Annotated[
        str | None, typer.Option("--staging-account", metavar="ID", help="Replicated by this staging account.")
    ] = None,
    source_account: Annotated[
        str | None, typer.Option("--source-account", metavar="ID", help="With the source instance in this account.")
    ] = None,
    state: Annotated[
        str | None,
        typer.Option("--state", metavar="STATE", help=f"In this replication state: {', '.join(REPLICATION_STATES)}."),
    ] = None,
    hostname: Annotated[str | None, typer.Option("--hostname", help="With this text in the host name.")] = None,
    min_cores: Annotated[float | None, typer.Option("--min-cores", metavar="N", help="With at least N cores.")] = None,
    min_ram_gib: Annotated[
        float | None, typer.Option("--min-ram-gib", metavar="N", help="With at least N GiB of memory.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", help="At most N servers, 1 to 1000.")] = None,
    next_token: Annotated[
        str | None, typer.Option("--next-token", metavar="T", help="Continue after the last page; its nextToken.")
    ] = None,
    unhealthy: Annotated[
        bool, typer.Option("--unhealthy", help="Not ready: stalled, syncing, disconnected, unknown, ...")
    ] = False,
    lag_over: Annotated[
        str | None, typer.Option("--lag-over", metavar="TIME", help="With a longer lag, such as 15m or 4h.")
    ] = None,
    drill_older_than: Annotated[
        str | None,
        typer.Option("--drill-older-than", metavar="TIME", help="Without a launch that succeeded since, such as 90d."),
    ] = None,
    sort: Annotated[SortBy | None, typer.Option("--sort", help="Sort all servers by this, the worst first.")] = None,
    refresh: Refresh = None,
    output: Annotated[
        ServersOutput | None,
        typer.Option("--output", "-o", help="Default: table on a terminal, json in a pipe; wide has every column."),
    ] = None,
) -> int:
    """Show source servers from the inventory, or from DRS where the inventory is stale.

    Stale scopes are synced after the answer is printed; on a terminal, only
    if you say so. A table has a line for each server, and as many columns
    as fit; in a pipe it has all of them.

    Examples:
      drs-sync servers --unhealthy --sort lag
      drs-sync servers --state STALLED -o wide
      drs-sync servers --drill-older-than 180d -o csv > drills.csv

    Exit codes: 0 complete; 1 failed; 2 wrong usage or settings;
    3 incomplete: some accounts or regions are unknown or could not be read.
    """

    async def query(app: QueryApp) -> Answer:
        filters = {
            "hostname": _join_value("--hostname", hostname),
            "replicationState": _join_value("--state", state),
            "stagingAccountId": _join_value("--staging-account", staging_account),
            "sourceAccountId": _join_value("--source-account", source_account),
            "minCpuCores": min_cores,
            "minRamBytes": None if min_ram_gib is None else min_ram_gib * _GIB,
            "unhealthy": unhealthy,
            "lagOverSeconds": _seconds("--lag-over", lag_over),
            "notDrilledForDays": _days("--drill-older-than", drill_older_than),
        }
        params = {
            "accountId": join_values("--account", account),
            "region": join_values("--region", region),
            "filters": filters,
            "limit": limit,
            "nextToken": next_token,
        }
        request = InventoryRequest.parse(params, app.settings)
        return await app.inventory.run(request.params, order=_KEYS[sort] if sort else None)

    chosen = output or ServersOutput(Output.default())
    kind = Output.JSON if chosen is ServersOutput.JSON else Output.TABLE
    write = _csv if chosen is ServersOutput.CSV else None
    # Without a terminal there is no width, unless the caller names one.
    is_wide = chosen is ServersOutput.WIDE or not (sys.stdout.isatty() or os.environ.get("COLUMNS"))
    return show_answer(kind, query, lambda body: _tables(body, is_wide=is_wide), refresh=refresh, write=write)


def _join_value(option: str, value: str | None) -> str:
    """Return the value of an option, empty if it was left out. Raises RefusalError as `join_values` does."""
    return join_values(option, None if value is None else [value])


def _seconds(option: str, value: str | None) -> int | None:
    """Return the seconds of a duration option; None if it was left out. Raises RefusalError when it is no duration."""
    if value is None:
        return None
    seconds = parse_duration_s(value)
    if seconds is None:
        raise RefusalError("INVALID_PARAMETER", f"{option} is {printable(value)!r}. Fix: write {DURATION_FORM}")
    return seconds


def _days(option: str, value: str | None) -> float | None:
    seconds = _seconds(option, value)
    return None if seconds is None else seconds / _DAY_S


def _tables(body: Mapping[str, Any], *, is_wide: bool) -> Group:
    width = None if is_wide else shutil.get_terminal_size().columns
    lines = columns(_COLUMNS, [_row(server) for server in body["servers"]], width) if body["servers"] else ()
    tables: list[RenderableType] = [
        sanitize(title_of(body, f"{body['count']} of {body['totalCount']} servers")),
        *(Text(line, no_wrap=True, overflow="ignore") for line in lines),
        *source_tables(body),
    ]
    if "nextToken" in body:
        tables.append(sanitize(f"there are more: --next-token {body['nextToken']}"))
    return Group(*tables)


def _row(server: Mapping[str, Any]) -> tuple[object, ...]:
    hardware = server["hardware"]
    return (
        server["hostname"] or server["nameTag"],
        server["sourceServerID"],
        _state(server),
        _lag(server),
        server["region"],
        server["accountId"],
        _ago(server["postureSince"]),
        _ago(server["lastLaunchTime"]),
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


def _ago(time: str) -> str:
    """Return how long ago a time was; empty where there is none."""
    moment = time_ms(time.replace("+00:00", "Z"))
    return "" if moment is None else human_duration(utc_now().timestamp() - moment / 1000)


def _csv(body: Mapping[str, Any]) -> str:
    """Write one line per server; a cell that a spreadsheet would take for a formula begins with an apostrophe."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_CSV_MEMBERS)
    for server in body["servers"]:
        writer.writerow([_safe(server.get(name, "")) for name in _CSV_MEMBERS])
    return stream.getvalue()


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


def _safe(value: object) -> str:
    return "" if value is None else spreadsheet_cell(str(value))
