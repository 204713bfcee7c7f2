"""Command `drs-sync report`: the estate as one page, for auditors and for the day when AWS cannot be reached."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from service.cli.options import QueryAccounts, QueryRegions, join_values
from service.cli.output import Output, print_error, print_message, run_command
from service.cli.streams import write_utf8
from service.errors import AwsError
from service.models import utc_now
from service.pages.report import Report, build_report, wanted_runbooks
from service.pages.server_facts import rows_of
from service.pages.text_formats import as_csv, as_markdown
from service.queries.estate.servers import scopes_with_servers
from service.queries.failback.render import as_text
from service.queries.failback.runbook import write_runbook
from service.queries.request_models import ScopesRequest
from service.query_app import QueryApp, open_query_app
from service.settings import Settings

__all__ = ["WEB_NOT_INSTALLED", "show_report"]

WEB_NOT_INSTALLED: Final = "what makes pages is not installed. Fix: pip install 'drs-sync[web]'"


class Format(StrEnum):
    """Format of a report."""

    HTML = "html"
    MARKDOWN = "md"
    CSV = "csv"
    JSON = "json"


_OF_SUFFIX: Final[Mapping[str, Format]] = {
    ".html": Format.HTML,
    ".htm": Format.HTML,
    ".md": Format.MARKDOWN,
    ".csv": Format.CSV,
    ".json": Format.JSON,
}


def show_report(
    region: QueryRegions = None,
    account: QueryAccounts = None,
    *,
    output: Annotated[
        Format | None,
        typer.Option("--output", "-o", help="html, md, csv or json. Default: by the name of the file, else html."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="PATH", help="Write to this file instead of stdout.")
    ] = None,
) -> int:
    """Write the estate as one self-contained page, or as md, csv or json.

    Read from the tables that the last syncs left: DRS is not called. It has
    the failback runbook of every server that is not ready, and of up to 500
    others.

    Examples:
      drs-sync report --file estate.html
      drs-sync report --output csv --account 111122223333 > servers.csv

    Exit codes: 0 complete; 1 failed; 2 wrong usage or settings;
    3 incomplete: something is unknown or could not be read.
    """
    form = output or (_OF_SUFFIX.get(file.suffix.lower(), Format.HTML) if file else Format.HTML)
    error_output = Output.JSON if form is Format.JSON else Output.TABLE
    made: list[Report] = []
    render = _renderer(form)
    if render is None:
        return print_error("Usage", WEB_NOT_INSTALLED, error_output, exit_code=2)

    async def work(settings: Settings) -> int:
        params = {"accountId": join_values("--account", account), "region": join_values("--region", region)}
        async with open_query_app(settings) as app:
            made.append(await _collect(app, ScopesRequest.parse(params, app.settings)))
        return 0 if made[0].is_complete else 3

    code = run_command(error_output, work)
    if not made:
        return code
    content = render(made[0])
    if file is None:
        write_utf8(content)
        return code
    try:
        _write(file, content)
    except OSError as error:
        message = f"{file} cannot be written: {error.strerror}. Fix: give a file in a folder that exists"
        return print_error("Usage", message, error_output, exit_code=2)
    print_message(f"wrote {file}: {len(made[0].rows):,} servers")
    return code


def _renderer(form: Format) -> Callable[[Report], bytes] | None:
    """Return the function that renders a report as bytes; None if the extra `web` is missing for it."""
    if form is Format.HTML:
        try:
            from service.pages.html import Pages  # noqa: PLC0415 - needs the extra `web`
        except ImportError:
            return None
        pages = Pages()
        return lambda report: pages.report(report).encode("utf-8", "replace")
    if form is Format.JSON:
        return lambda report: orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    write = as_csv if form is Format.CSV else as_markdown
    return lambda report: write(report).encode("utf-8", "replace")


async def _collect(app: QueryApp, request: ScopesRequest) -> Report:
    """Read the estate, its servers and their runbooks."""
    estate = await app.publish("get_estate", await app.estate.run(request.scopes))
    views: list[Mapping[str, Any]] = []
    problems = [f"{each['code']}: {each['message']}. Fix: {each.get('advice', '')}" for each in estate["errors"]]
    async for found in app.stored_servers.read(scopes_with_servers(estate)):
        views += found.servers
        if found.problem is not None:
            why = found.problem
            where = f"{found.scope.account_id} {found.scope.region}"
            problems.append(f"servers of {where}: {why.code}: {why.message}. Fix: {why.advice}")
    now = utc_now()
    wanted = wanted_runbooks(rows_of(views, now))
    try:
        runbooks, runbook_problem = await _runbooks(app, wanted) if wanted else {}, ""
    except AwsError as error:
        runbooks, runbook_problem = {}, f"{error.explanation}. Fix: {error.fix}"
    return build_report(estate, views, now=now, runbooks=runbooks, runbook_problem=runbook_problem, problems=problems)


async def _runbooks(app: QueryApp, wanted: set[str]) -> dict[str, Sequence[str]]:
    """Return the runbooks of servers as lines, by ARN; a server without a record of its origin has none."""
    answer, found = await app.failback.estate(), dict[str, Sequence[str]]()
    for facts in answer.estate:
        arns = {record.arn for record in (facts.forward, facts.reversed) if record is not None} & wanted
        if arns:
            found |= dict.fromkeys(arns, as_text(facts, write_runbook(facts)).splitlines())
    return found


def _write(path: Path, content: bytes) -> None:
    """Write a file as a whole: a reader sees the former content or the new one. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
