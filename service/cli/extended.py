"""Command `drs-sync extended`: servers extended from staging accounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from service.cli.answers import counted, show_answer, source_tables, title_of
from service.cli.columns import Column, table
from service.cli.options import OutputOption, QueryAccounts, QueryRegions, Refresh, join_values
from service.cli.output import Output, sanitize
from service.cli.problem_text import paragraph
from service.queries.answer import Answer
from service.queries.request_models import ScopesRequest
from service.query_app import QueryApp
from service.text import shortened

__all__ = ["extended_table", "show_extended"]

_COLUMNS: Final = (
    Column("name", can_be_cut=True),
    Column("id"),
    Column("state", 3, can_be_cut=True),
    Column("target"),
    Column("staging", 1),
    Column("region", 2),
    Column("extension", 4),
)
_STAGING_COLUMNS: Final = (Column("staging account"), Column("servers", is_number=True))
_MAX_NAMED: Final = 3  # servers with one error; the others are counted


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

    return show_answer(output or Output.default(), query, extended_table, refresh=refresh)


def extended_table(body: Mapping[str, Any]) -> Group:
    """Render a line per extended server, then the errors, and how many each staging account has."""
    servers = body["extendedServers"]
    title = title_of(body, counted(body["count"], "extended server"))
    tables: list[RenderableType] = [table(title, _COLUMNS, map(_row, servers)), *_errors(servers)]
    if body["byStagingAccount"]:
        tables += [Text(), table("by staging account", _STAGING_COLUMNS, body["byStagingAccount"].items()), Text()]
    tables.extend(source_tables(body))
    if body.get("truncated"):
        tables.append(sanitize(f"only {len(servers)} are shown. Fix: name fewer accounts or regions to see the others"))
    return Group(*tables)


def _row(server: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        server["hostname"],
        server["sourceServerID"],
        server["replicationState"],
        server["targetAccountId"],
        server["stagingAccountId"],
        server["region"],
        server["extensionStatus"],
    )


def _errors(servers: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    """Render each error of an extension once, with the servers that have it."""
    having: dict[str, list[str]] = {}
    for server in servers:
        if message := server.get("errorMessage"):
            having.setdefault(message, []).append(server["sourceServerID"])
    for message, named in having.items():
        yield Text()
        yield from paragraph("ERROR", "extension", shortened(named, _MAX_NAMED), message, "")
