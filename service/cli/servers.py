"""Command `drs-sync servers`: query of the inventory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Final

import typer

from service.cli.answers import show_answer
from service.cli.options import QueryAccounts, QueryRegions, Refresh, join_values
from service.cli.output import Output
from service.cli.servers_text import servers_csv, servers_table
from service.durations import DURATION_FORM, parse_duration_s
from service.errors import RefusalError
from service.inventory.moving_values import duration_ms, time_ms
from service.inventory.posture import SEVERITY
from service.models import utc_now
from service.queries.answer import Answer
from service.queries.filters import REPLICATION_STATES
from service.queries.request_models import InventoryRequest
from service.query_app import QueryApp
from service.text import printable

__all__ = ["show_servers"]

_GIB: Final = 2**30
_DAY_S: Final = 86_400
_OPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # Member of the request -> option that sets it
        "accountId": "--account",
        "region": "--region",
        "filters.hostname": "--hostname",
        "filters.replicationState": "--state",
        "filters.stagingAccountId": "--staging-account",
        "filters.sourceAccountId": "--source-account",
        "filters.minCpuCores": "--min-cores",
        "filters.minRamBytes": "--min-ram-gib",
        "limit": "--limit",
        "nextToken": "--next-token",
    }
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


StagingAccount = Annotated[
    str | None, typer.Option("--staging-account", metavar="ID", help="Replicated by this staging account.")
]
SourceAccount = Annotated[
    str | None, typer.Option("--source-account", metavar="ID", help="With the source instance in this account.")
]
State = Annotated[
    str | None,
    typer.Option(
        "--state",
        metavar="STATE",
        help=f"In this replication state: {', '.join(REPLICATION_STATES)}.",
        autocompletion=lambda: [*REPLICATION_STATES],
    ),
]
Hostname = Annotated[str | None, typer.Option("--hostname", metavar="TEXT", help="With this text in the host name.")]
MinCores = Annotated[float | None, typer.Option("--min-cores", metavar="N", help="With at least N cores.")]
MinRam = Annotated[float | None, typer.Option("--min-ram-gib", metavar="N", help="With at least N GiB of memory.")]
Limit = Annotated[int | None, typer.Option("--limit", metavar="N", help="At most N servers, 1 to 1000.")]
NextToken = Annotated[
    str | None, typer.Option("--next-token", metavar="T", help="Continue after the last page; its nextToken.")
]
Unhealthy = Annotated[bool, typer.Option("--unhealthy", help=f"Not ready: {', '.join(SEVERITY[:-1])}.")]
LagOver = Annotated[
    str | None, typer.Option("--lag-over", metavar="TIME", help="With a longer lag, such as 15m or 4h.")
]
DrillOlderThan = Annotated[
    str | None,
    typer.Option("--drill-older-than", metavar="TIME", help="Without a launch that succeeded since, such as 90d."),
]
Sort = Annotated[
    SortBy | None,
    typer.Option("--sort", metavar="KEY", help=f"Sort all servers, the worst first, by {', '.join(SortBy)}."),
]
OutputForm = Annotated[
    ServersOutput | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FORM",
        help="table, wide (every column), json or csv. Default: table on a terminal, json in a pipe.",
    ),
]


def show_servers(
    region: QueryRegions = None,
    account: QueryAccounts = None,
    *,
    staging_account: StagingAccount = None,
    source_account: SourceAccount = None,
    state: State = None,
    hostname: Hostname = None,
    min_cores: MinCores = None,
    min_ram_gib: MinRam = None,
    limit: Limit = None,
    next_token: NextToken = None,
    unhealthy: Unhealthy = False,
    lag_over: LagOver = None,
    drill_older_than: DrillOlderThan = None,
    sort: Sort = None,
    refresh: Refresh = None,
    output: OutputForm = None,
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
        params = {
            "accountId": join_values("--account", account),
            "region": join_values("--region", region),
            "filters": {
                "hostname": _join_value("--hostname", hostname),
                "replicationState": _join_value("--state", state),
                "stagingAccountId": _join_value("--staging-account", staging_account),
                "sourceAccountId": _join_value("--source-account", source_account),
                "minCpuCores": min_cores,
                "minRamBytes": None if min_ram_gib is None else min_ram_gib * _GIB,
                "unhealthy": unhealthy,
                "lagOverSeconds": _seconds("--lag-over", lag_over),
                "notDrilledForDays": _days("--drill-older-than", drill_older_than),
            },
            "limit": limit,
            "nextToken": next_token,
        }
        try:
            request = InventoryRequest.parse(params, app.settings)
        except RefusalError as error:
            raise _in_options(error) from None
        return await app.inventory.run(request.params, order=_KEYS[sort] if sort else None)

    return _show(output or ServersOutput(Output.default()), query, refresh=refresh)


def _show(form: ServersOutput, query: Callable[[QueryApp], Awaitable[Answer]], *, refresh: bool | None) -> int:
    """Run the query, and print its answer in the form that was asked for."""
    return show_answer(
        Output.JSON if form is ServersOutput.JSON else Output.TABLE,
        query,
        lambda body: servers_table(body, utc_now(), is_wide=form is ServersOutput.WIDE),
        refresh=refresh,
        write=servers_csv if form is ServersOutput.CSV else None,
    )


def _in_options(error: RefusalError) -> RefusalError:
    """Name the option beside the member of the request that is wrong."""
    member, separator, rest = error.message.partition(" is ")
    if member not in _OPTIONS:
        return error
    message = f"{_OPTIONS[member]} ({member}){separator}{rest}"
    return RefusalError(error.code, message, status=error.status, details=error.details)


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
