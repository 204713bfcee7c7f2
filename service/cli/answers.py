"""Answers of `drs-sync servers` and `drs-sync extended`: output, exit code, and the refresh of stale scopes."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType

from service.app import open_app
from service.cli.output import Output, print_result, run_command, sanitize, table
from service.context import SyncRequest
from service.models import Scope
from service.queries.answer import Answer
from service.query_app import QueryApp, open_query_app
from service.settings import Settings

__all__ = ["show_answer", "source_tables"]


def show_answer(
    output: Output,
    query: Callable[[QueryApp], Awaitable[Answer]],
    render: Callable[[Mapping[str, Any]], Group],
    *,
    refresh: bool,
) -> int:
    """Run a query, print its answer and return the exit code; then sync the stale scopes if `refresh` is set.

    The sync changes neither stdout nor the exit code: how it ended is only reported on stderr.
    """
    stale: list[Scope] = []

    async def run_query(settings: Settings) -> int:
        async with open_query_app(settings) as app:
            answer = await query(app)
        print_result(output, answer.body, lambda: render(answer.body))
        stale.extend(answer.stale)
        return _exit_code(answer.body)

    async def sync_stale(settings: Settings) -> int:
        async with open_app(settings) as app:
            report = await app.sync_inventory(SyncRequest(scopes=tuple(stale)))
        sys.stderr.write(f"drs-sync: refreshed {len(stale)} stale scopes: {report['status']}\n")
        return 0

    code = run_command(output, run_query)
    if stale and refresh:
        run_command(Output.TABLE, sync_stale)  # this format prints errors on stderr only
    return code


def _exit_code(body: Mapping[str, Any]) -> int:
    """Return 0 for a complete answer, 1 if every scope failed, 3 if some could not be read."""
    if body["complete"]:
        return 0
    scopes = body["scopes"]
    return 1 if scopes and all(scope["source"] == "none" for scope in scopes) else 3


def source_tables(body: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Render where the answer comes from and how old it is, and what could not be read."""
    by_source: dict[str, list[Mapping[str, Any]]] = {}
    for scope in body["scopes"]:
        by_source.setdefault(scope["source"], []).append(scope)
    rows = [
        (source, len(scopes), sum(scope["servers"] for scope in scopes), _oldest(scopes))
        for source, scopes in sorted(by_source.items())
    ]
    yield table("sources of this answer", ("source", "scopes", "servers", "oldest s"), rows)
    if body["errors"]:
        headings = ("account", "regions", "code", "message", "fix")
        yield table("errors", headings, [_problem_row(each) for each in body["errors"]])
    if not body["complete"]:
        yield sanitize("This answer is incomplete: some scopes could not be read.")


def _oldest(scopes: Iterable[Mapping[str, Any]]) -> object:
    return max((scope["ageSeconds"] for scope in scopes if scope["ageSeconds"] is not None), default="")


def _problem_row(error: Mapping[str, Any]) -> tuple[object, ...]:
    regions = ", ".join(error.get("regions", ()))
    return (error.get("accountId", ""), regions, error["code"], error["message"], error.get("advice", ""))
