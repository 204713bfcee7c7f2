"""`drs-sync servers`, and what it shares with `drs-sync extended`: showing an answer, and refreshing what was stale."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Annotated, Any, Final

import typer
from rich.console import Group

from service.app import open_app
from service.cli.options import listed
from service.cli.output import Output, console, emit_json, guarded, plain, table
from service.cli.watching import OutputOption
from service.context import SyncRequest
from service.models import Scope
from service.queries.answer import Answer
from service.queries.request_models import InventoryRequest
from service.query_app import QueryApp, open_query_app
from service.settings import Settings

__all__ = ["AccountsOption", "NoRefresh", "RegionsOption", "answered", "problems_of_answer", "show_servers"]

AccountsOption = Annotated[
    list[str] | None, typer.Option("--account", metavar="ID", help="Of this target account only; repeatable.")
]
RegionsOption = Annotated[
    list[str] | None, typer.Option("--region", metavar="NAME", help="In this region only; repeatable.")
]
NoRefresh = Annotated[bool, typer.Option("--no-refresh", help="Do not sync what was stale after answering.")]

_GIB: Final = 2**30
_HEADINGS: Final = ("hostname", "id", "account", "region", "state", "lag", "cores", "RAM GiB", "source")


def show_servers(
    region: RegionsOption = None,
    account: AccountsOption = None,
    *,
    staging_account: Annotated[
        str | None, typer.Option("--staging-account", metavar="ID", help="Replicated by this account.")
    ] = None,
    source_account: Annotated[
        str | None, typer.Option("--source-account", metavar="ID", help="Whose instance runs in this account.")
    ] = None,
    state: Annotated[str | None, typer.Option("--state", help="In this replication state, as CONTINUOUS.")] = None,
    hostname: Annotated[str | None, typer.Option("--hostname", help="With this in the host name.")] = None,
    min_cores: Annotated[float | None, typer.Option("--min-cores", metavar="N", help="With N cores at least.")] = None,
    min_ram_gib: Annotated[
        float | None, typer.Option("--min-ram-gib", metavar="N", help="With N GiB of memory at least.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", help="N servers at most, 1 to 1000.")] = None,
    next_token: Annotated[
        str | None, typer.Option("--next-token", metavar="T", help="Go on where the last answer ended.")
    ] = None,
    no_refresh: NoRefresh = False,
    output: OutputOption = None,
) -> int:
    """Show source servers from the inventory; scopes whose inventory is too old from DRS.

    What was too old is synced after the answer is given. Exit code 0: complete; 3: some accounts or regions could not
    be read, the answer says which and why; 1: failed; 2: wrong usage or settings.
    """

    async def ask(app: QueryApp) -> Answer:
        filters = {
            "hostname": _one("--hostname", hostname),
            "replicationState": _one("--state", state),
            "stagingAccountId": _one("--staging-account", staging_account),
            "sourceAccountId": _one("--source-account", source_account),
            "minCpuCores": min_cores,
            "minRamBytes": None if min_ram_gib is None else min_ram_gib * _GIB,
        }
        given = {
            "accountId": listed("--account", account),
            "region": listed("--region", region),
            "filters": filters,
            "limit": limit,
            "nextToken": next_token,
        }
        return await app.inventory.run(InventoryRequest.parse(given, app.settings).params)

    return answered(output or Output.default(), ask, _tables_of, refresh=not no_refresh)


def _one(option: str, value: str | None) -> str:
    """Give the value of an option that is there once, empty when it was left out. Raises as `listed` does."""
    return listed(option, None if value is None else [value])


def answered(
    chosen: Output,
    ask: Callable[[QueryApp], Awaitable[Answer]],
    show: Callable[[Mapping[str, Any]], Group],
    *,
    refresh: bool,
) -> int:
    """Ask, answer on stdout, and give the exit code; after that, sync what was stale. Only stderr tells how that went.

    The sync is work of its own: whatever becomes of it, the answer stands and stays the only document.
    """
    stale: list[Scope] = []

    async def work(settings: Settings) -> int:
        async with open_query_app(settings) as app:
            answer = await ask(app)
        if chosen is Output.JSON:
            emit_json(answer.body)
        else:
            console().print(show(answer.body))
        stale.extend(answer.stale)
        return _exit_code(answer.body)

    async def renew(settings: Settings) -> int:
        async with open_app(settings) as app:
            report = await app.sync_inventory(SyncRequest(scopes=tuple(stale)))
        sys.stderr.write(f"drs-sync: refreshed {len(stale)} stale scopes: {report['status']}\n")
        return 0

    code = guarded(chosen, work)
    if stale and refresh:
        guarded(Output.TABLE, renew)  # a table's failure leaves stdout alone
    return code


def _exit_code(body: Mapping[str, Any]) -> int:
    """Tell a complete answer from a partial one, and from one in which every scope failed."""
    if body["complete"]:
        return 0
    scopes = body["scopes"]
    return 1 if scopes and all(scope["source"] == "none" for scope in scopes) else 3


def _tables_of(body: Mapping[str, Any]) -> Group:
    """Show an answer of the inventory query to a person."""
    title = f"{body['count']} of {body['totalCount']} servers"
    shown: list[Any] = [
        table(title, _HEADINGS, [_row(server) for server in body["servers"]]),
        *problems_of_answer(body),
    ]
    if "nextToken" in body:
        shown.append(plain(f"there are more: --next-token {body['nextToken']}"))
    return Group(*shown)


def _row(server: Mapping[str, Any]) -> tuple[object, ...]:
    hardware = server["hardware"]
    return (
        server["hostname"],
        server["sourceServerID"],
        server["accountId"],
        server["region"],
        f"{server['state']} (stale)" if server.get("stale") else server["state"],
        server["lagDuration"],
        hardware["totalCores"],
        hardware["ramGiB"],
        "/".join(filter(None, (server["sourceAccount"], server["sourceRegion"]))),
    )


def problems_of_answer(body: Mapping[str, Any]) -> Iterable[Any]:
    """Show which source served how many scopes and how old that was, and what could not be read."""
    by_source: dict[str, list[Mapping[str, Any]]] = {}
    for scope in body["scopes"]:
        by_source.setdefault(scope["source"], []).append(scope)
    rows = [
        (source, len(scopes), sum(scope["servers"] for scope in scopes), _oldest(scopes))
        for source, scopes in sorted(by_source.items())
    ]
    yield table("where that comes from", ("source", "scopes", "servers", "oldest s"), rows)
    if body["errors"]:
        headings = ("account", "regions", "code", "message", "do")
        yield table("errors", headings, [_problem(each) for each in body["errors"]])
    if not body["complete"]:
        yield plain("This is not all: some of it could not be read.")


def _oldest(scopes: Iterable[Mapping[str, Any]]) -> object:
    return max((scope["ageSeconds"] for scope in scopes if scope["ageSeconds"] is not None), default="")


def _problem(error: Mapping[str, Any]) -> tuple[object, ...]:
    regions = ", ".join(error.get("regions", ()))
    return (error.get("accountId", ""), regions, error["code"], error["message"], error.get("advice", ""))
