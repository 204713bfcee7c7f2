"""`drs-sync extended`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Group

from service.cli.options import listed
from service.cli.output import Output, plain, table
from service.cli.servers import AccountsOption, NoRefresh, RegionsOption, answered, problems_of_answer
from service.cli.watching import OutputOption
from service.queries.answer import Answer
from service.queries.request_models import ScopesRequest
from service.query_app import QueryApp

__all__ = ["show_extended"]

_HEADINGS: Final = ("hostname", "id", "target", "staging", "region", "state", "extension", "error")


def show_extended(
    account: AccountsOption = None,
    region: RegionsOption = None,
    *,
    no_refresh: NoRefresh = False,
    output: OutputOption = None,
) -> int:
    """Show which servers of which target account are extended from which staging account.

    What was too old is synced after the answer is given. Exit code 0: complete; 3: some accounts or regions could not
    be read, the answer says which and why; 1: failed; 2: wrong usage or settings.
    """

    async def ask(app: QueryApp) -> Answer:
        given = {"accountId": listed("--account", account), "region": listed("--region", region)}
        return await app.extended.run(ScopesRequest.parse(given, app.settings).scopes)

    return answered(output or Output.default(), ask, _tables_of, refresh=not no_refresh)


def _tables_of(body: Mapping[str, Any]) -> Group:
    servers = body["extendedServers"]
    shown: list[Any] = [table(f"{body['count']} extended servers", _HEADINGS, [_row(server) for server in servers])]
    if body["byStagingAccount"]:
        shown.append(table("by staging account", ("staging account", "servers"), body["byStagingAccount"].items()))
    shown.extend(problems_of_answer(body))
    if body.get("truncated"):
        shown.append(plain(f"{len(servers)} are shown: ask for fewer accounts or regions to see the others"))
    return Group(*shown)


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
