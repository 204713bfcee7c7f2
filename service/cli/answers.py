"""Answers of the query commands: output, exit code, what is unknown, and the refresh of stale scopes."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from rich.console import Group, RenderableType

from service.app import open_app
from service.cli.output import Output, is_confirmed, print_message, print_result, print_unknown, run_command, sanitize
from service.cli.problem_text import problem_paragraphs
from service.cli.progress import live_progress
from service.cli.signals import shutdown_on_signals
from service.cli.streams import write_utf8
from service.cli.unknown import unknown_block
from service.context import SyncRequest
from service.durations import human_duration
from service.models import Scope
from service.queries.answer import Answer
from service.queries.regions import NOTHING_KNOWN
from service.query_app import QueryApp, open_query_app
from service.settings import Settings

__all__ = ["COMPLETENESS_MEMBERS", "counted", "exit_code_of", "show_answer", "source_tables", "title_of"]

_NOWHERE: Final = "none"  # source of a scope that was not read
COMPLETENESS_MEMBERS: Final = frozenset({"complete", "scopeStates", "unknown", "unknownByCause"})
"""The members of every answer about its completeness, which `show_answer` renders below the answer itself."""


def show_answer(
    output: Output,
    query: Callable[[QueryApp], Awaitable[Answer]],
    render: Callable[[Mapping[str, Any]], RenderableType],
    *,
    refresh: bool | None = False,
    exit_code: Callable[[Answer], int] | None = None,
    write: Callable[[Mapping[str, Any]], str] | None = None,
) -> int:
    """Run a query, print its answer and what is unknown, and return the exit code; then sync the stale scopes.

    The sync changes neither stdout nor the exit code: how it ended is only reported on stderr. On a terminal it needs a
    yes, because who reads does not expect a write.

    Args:
        output: the format.
        query: runs the query.
        render: renders the body of the answer for a terminal.
        refresh: whether stale scopes are synced; None: in a pipe they are, on a terminal the user is asked.
        exit_code: the exit code of an answer; None: `exit_code_of`.
        write: writes the body as text for programs, in place of `output`; what is unknown is told on stderr then.
    """
    stale: list[Scope] = []
    nothing_synced = False

    async def run_query(settings: Settings) -> int:
        nonlocal nothing_synced
        async with open_query_app(settings) as app:
            answer = await query(app)
        stale.extend(answer.stale)
        nothing_synced = answer.nothing_synced
        if answer.failure is not None:
            raise answer.failure
        body = answer.body
        if write is None:
            print_result(output, body, lambda: Group(render(body), *unknown_block(body)))
        else:
            write_utf8(write(body).encode())
            print_unknown(body)
        return (exit_code or exit_code_of)(answer)

    async def sync_stale(settings: Settings) -> int:
        with shutdown_on_signals() as shutdown:
            async with open_app(settings, shutdown=shutdown) as app:
                with live_progress() as progress:
                    report = await app.sync_inventory(SyncRequest(scopes=tuple(stale)), progress)
        print_message(f"refreshed {len(stale)} stale scopes: {report['status']}")
        return 0

    code = run_command(output, run_query)
    if stale and (_is_refresh_wanted(len(stale)) if refresh is None else refresh):
        run_command(Output.TABLE, sync_stale)  # this format prints errors on stderr only
    elif nothing_synced:
        print_message(f"{NOTHING_KNOWN}; this answer was read from DRS")
    return code


def _is_refresh_wanted(scopes: int) -> bool:
    """Ask on a terminal; a program gets what keeps the inventory fresh, and the answer is printed all the same."""
    return not sys.stdout.isatty() or is_confirmed(f"{scopes} scopes are stale in the inventory. Sync them now?")


def exit_code_of(answer: Answer) -> int:
    """Return 0 for a complete answer, 3 if something is unknown, was not read or was left out."""
    return 0 if answer.is_complete else 3


def title_of(body: Mapping[str, Any], title: str) -> str:
    """Return the title of the answer's table, which must not read like a total when something is missing."""
    return title if body["complete"] else f"{title} (incomplete, see below)"


def source_tables(body: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Render where the answer comes from and how old it is, and what could not be read."""
    by_source: dict[str, list[Mapping[str, Any]]] = {}
    for scope in body["scopes"]:
        by_source.setdefault(scope["source"], []).append(scope)
    rows = [
        (source, len(scopes), sum(scope["servers"] for scope in scopes), _oldest(scopes))
        for source, scopes in sorted(by_source.items())
    ]
    for source, scopes, servers, oldest in rows:
        age = f", oldest scan {human_duration(oldest)} ago" if isinstance(oldest, int) else ""
        read = f"from {source}" if source != _NOWHERE else "not read"
        yield sanitize(f"{read}: {counted(scopes, 'scope')}, {counted(servers, 'server')}{age}")
    yield from problem_paragraphs({"errors": [*_other_errors(body)], "warnings": []})


def _other_errors(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """List the errors of an answer but those of scopes that `unknown_block` names, with cause and fix."""
    unknown = {(each["accountId"], each["region"]) for each in body["unknown"]}
    for each in body["errors"]:
        error = {"regions": [], **each}
        scopes = {(each.get("accountId"), region) for region in error["regions"]}
        if not scopes or not scopes <= unknown:
            yield error


def _oldest(scopes: Iterable[Mapping[str, Any]]) -> object:
    return max((scope["ageSeconds"] for scope in scopes if scope["ageSeconds"] is not None), default="")


def counted(number: int, noun: str) -> str:
    """Return a number and what it counts."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
