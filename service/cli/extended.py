"""Command `drs-sync extended`: servers extended from staging accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Group, RenderableType

from service.cli.answers import show_answer, source_tables, title_of
from service.cli.options import OutputOption, QueryAccounts, QueryRegions, Refresh, join_values
from service.cli.output import Output, sanitize, table
from service.queries.answer import Answer
from service.queries.request_models import ScopesRequest
from service.query_app import QueryApp

__all__ = ["show_extended"]

_HEADINGS: Final = ("hostname", "id", "target", "staging", "region", "state", "extension", "error")


def show_extended(
    account: QueryAccounts = None,
    region: QueryRegions = None,
    *,
    refresh: Refresh = None,
    output: OutputOption = None,
) -> int:
    """Show which servers of a target account are extended from which staging account.

    Stale scopes are synced after the answer is printed; on a terminal, only
    if you say so.

    Examples:
      drs-sync extended
      drs-sync extended --account 111122223333

    Exit codes: 0 complete; 1 failed; 2 wrong usage or settings;
    3 incomplete: some accounts or regions are unknown or could not be read.
    """

    async def query(app: QueryApp) -> Answer:
        params = {"accountId": join_values("--account", account), "region": join_values("--region", region)}
        return await app.extended.run(ScopesRequest.parse(params, app.settings).scopes)

    return show_answer(output or Output.default(), query, _tables, refresh=refresh)


def _tables(body: Mapping[str, Any]) -> Group:
    servers = body["extendedServers"]
    title = title_of(body, f"{body['count']} extended servers")
    tables: list[RenderableType] = [table(title, _HEADINGS, [_row(server) for server in servers])]
    if body["byStagingAccount"]:
        tables.append(table("by staging account", ("staging account", "servers"), body["byStagingAccount"].items()))
    tables.extend(source_tables(body))
    if body.get("truncated"):
        tables.append(sanitize(f"only {len(servers)} are shown. Fix: name fewer accounts or regions to see the others"))
    return Group(*tables)


def _row(server: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        server["hostname"],
        server["sourceServerID"],
        server["targetAccountId"],
        server["stagingAccountId"],
        server["region"],
        server["replicationState"],
        server["extensionStatus"],
        server.get("errorMessage", ""),
    )
