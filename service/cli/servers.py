"""Command `drs-sync servers`: query of the inventory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from rich.console import Group, RenderableType

from service.cli.answers import show_answer, source_tables, title_of
from service.cli.options import OutputOption, QueryAccounts, QueryRegions, Refresh, join_values
from service.cli.output import Output, sanitize, table
from service.queries.answer import Answer
from service.queries.filters import REPLICATION_STATES
from service.queries.request_models import InventoryRequest
from service.query_app import QueryApp

__all__ = ["show_servers"]

_GIB: Final = 2**30
_HEADINGS: Final = ("hostname", "id", "account", "region", "state", "lag", "cores", "RAM GiB", "source")


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
    refresh: Refresh = None,
    output: OutputOption = None,
) -> int:
    """Show source servers from the inventory, or from DRS where the inventory is stale.

    Stale scopes are synced after the answer is printed; on a terminal, only
    if you say so.

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
        }
        params = {
            "accountId": join_values("--account", account),
            "region": join_values("--region", region),
            "filters": filters,
            "limit": limit,
            "nextToken": next_token,
        }
        return await app.inventory.run(InventoryRequest.parse(params, app.settings).params)

    return show_answer(output or Output.default(), query, _tables, refresh=refresh)


def _join_value(option: str, value: str | None) -> str:
    """Return the value of an option, empty if it was left out. Raises RefusalError as `join_values` does."""
    return join_values(option, None if value is None else [value])


def _tables(body: Mapping[str, Any]) -> Group:
    title = title_of(body, f"{body['count']} of {body['totalCount']} servers")
    tables: list[RenderableType] = [
        table(title, _HEADINGS, [_row(server) for server in body["servers"]]),
        *source_tables(body),
    ]
    if "nextToken" in body:
        tables.append(sanitize(f"there are more: --next-token {body['nextToken']}"))
    return Group(*tables)


def _row(server: Mapping[str, Any]) -> tuple[object, ...]:
    hardware = server["hardware"]
    return (
        server["hostname"],
        server["sourceServerID"],
        server["accountId"],
        server["region"],
        _state(server),
        server["lagDuration"],
        hardware["totalCores"],
        hardware["ramGiB"],
        "/".join(filter(None, (server["sourceAccount"], server["sourceRegion"]))),
    )


def _state(server: Mapping[str, Any]) -> str:
    error = f", EXTENSION_ERROR: {server['extensionError']}" if "extensionError" in server else ""
    return f"{server['state']}{error}{' (stale)' if server.get('stale') else ''}"
