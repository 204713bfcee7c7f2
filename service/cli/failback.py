"""Command `drs-sync failback`: where a server came from, and the commands that send it back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

import anyio
import typer

from service.cli.answers import COMPLETENESS_MEMBERS, exit_code_of
from service.cli.options import decoded
from service.cli.output import Output, print_error, print_json, print_unknown, run_command
from service.cli.streams import write_utf8
from service.errors import AwsError, ConfigurationError, RefusalError
from service.models import utc_now
from service.queries.failback.export import read_export, write_csv, write_json
from service.queries.failback.facts import Facts, has_name
from service.queries.failback.query import EstateAnswer, FailbackAnswer, single_match
from service.queries.failback.render import as_json, as_markdown, as_text
from service.queries.failback.runbook import Runbook, write_runbook
from service.query_app import open_query_app
from service.settings import Settings

__all__ = ["show_failback"]


class Format(StrEnum):
    """Output format of a runbook or an export."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    CSV = "csv"


_RENDERERS: Final[Mapping[Format, Callable[[Facts, Runbook], str]]] = MappingProxyType(
    {Format.TEXT: as_text, Format.MARKDOWN: as_markdown}
)
_EXPORT_FORMATS: Final = frozenset({Format.CSV, Format.JSON})
_RUNBOOK_FORMATS: Final = frozenset({Format.TEXT, Format.JSON, Format.MARKDOWN})


def show_failback(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="ID", help="Source server id or ARN, instance id (original or recovered), or host name."
        ),
    ] = None,
    *,
    export_all: Annotated[bool, typer.Option("--all", help="Export all servers, to a file kept outside AWS.")] = False,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Read such an export and call no AWS API.")
    ] = None,
    output: Annotated[
        Format | None,
        typer.Option("--output", "-o", help="text, json or markdown; with --all csv or json. Default: text, csv."),
    ] = None,
) -> int:
    """Show where a server came from, and the runbook that sends it back.

    Examples:
      drs-sync failback app-web-01
      drs-sync failback s-1111222233334444a --output markdown
      drs-sync failback --all --output csv

    Exit codes: 0 complete; 1 failed; 2 wrong usage, no server or
    several servers with that id or name; 3 incomplete: some facts are not
    current, the origin is not fully known, or some accounts or regions are
    unknown, so that the server may be there.
    """
    name = None if name is None else decoded(name)
    form = output or (Format.CSV if export_all else Format.TEXT)
    error_output = Output.JSON if form is Format.JSON else Output.TABLE
    allowed = _EXPORT_FORMATS if export_all else _RUNBOOK_FORMATS
    if export_all == bool(name) or form not in allowed or (export_all and source):
        message = "unclear what to show. Fix: give an ID, or --all with --output csv or json"
        return print_error("Usage", message, error_output, exit_code=2)
    if source is not None and name is not None:
        return _show_exported(source, name, form, error_output, reason="no AWS API was called")

    async def work(settings: Settings) -> int:
        async with open_query_app(settings) as app:
            if name is None:
                return _show_estate(await app.failback.estate(), form)
            try:
                return _show_answer(await app.failback.facts(name), form)
            except AwsError as error:
                if settings.failback_export:
                    path, reason = Path(settings.failback_export), f"the inventory did not answer: {error}"
                    show = partial(_show_exported, path, name, form, error_output, reason=reason)
                    return await anyio.to_thread.run_sync(show)
                message = f"{error}. Fix: if you have an export, read it without AWS: --from FILE"
                return print_error(error.code, message, error_output, exit_code=1)

    return run_command(error_output, work)


def _show_estate(answer: EstateAnswer, form: Format) -> int:
    now = utc_now()
    if form is Format.JSON:
        members = {name: value for name, value in answer.body.items() if name in COMPLETENESS_MEMBERS}
        write_utf8(write_json(answer.estate, now=now, members=members))
    else:
        write_utf8(write_csv(answer.estate, now=now).encode())  # as `--from` reads it
        print_unknown(answer.body)
    return exit_code_of(answer)


def _show_answer(answer: FailbackAnswer, form: Format) -> int:
    if form is Format.JSON:
        print_json(answer.body)
    else:
        _write(_RENDERERS[form](answer.facts, write_runbook(answer.facts)))
        print_unknown(answer.body)
    return exit_code_of(answer)


def _show_exported(path: Path, name: str, form: Format, error_output: Output, *, reason: str) -> int:
    """Show one server from an export. Reads no settings and makes no call, so it works while AWS is down."""
    try:
        exported_at, estate = read_export(path.read_bytes())
        matches = [each for each in estate if has_name(each, name)]
        if not matches:
            message = (
                f"{name} is not in the export of {exported_at}, which has no server that was added or found later. "
                "Fix: give another name of the server, or read a newer export"
            )
            return print_error("SERVER_NOT_FOUND", message, error_output, exit_code=3)
        facts = single_match(matches, name)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        return print_error("Configuration", message, error_output, exit_code=2)
    except ConfigurationError as error:
        return print_error("Configuration", str(error), error_output, exit_code=2)
    except RefusalError as error:
        return print_error(error.code, error.message, error_output, exit_code=2)
    note = f"From an export of {exported_at}; {reason}."
    facts = facts.model_copy(update={"notes": (note, *facts.notes)})
    runbook = write_runbook(facts)
    if form is Format.JSON:
        print_json(as_json(facts, runbook))
    else:
        _write(_RENDERERS[form](facts, runbook))
    return 3  # an export is never current


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
