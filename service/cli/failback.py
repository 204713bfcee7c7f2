"""`drs-sync failback`: where a server came from, and what to type to send it back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from service.app import utc_now
from service.cli.output import Output, emit_json, fail, guarded
from service.errors import AwsError, ConfigurationError, RefusalError
from service.queries.failback.export import read_export, write_csv, write_json
from service.queries.failback.facts import Facts, has_name
from service.queries.failback.query import single_match
from service.queries.failback.render import as_json, as_markdown, as_text
from service.queries.failback.runbook import Runbook, write_runbook
from service.query_app import open_query_app
from service.settings import Settings

__all__ = ["show_failback"]


class Form(StrEnum):
    """How the command answers."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    CSV = "csv"


_RUNBOOKS: Final = {Form.TEXT: as_text, Form.MARKDOWN: as_markdown}


def show_failback(
    name: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="Source server id or ARN, instance id (also the recovered one's), or host."),
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Export the estate, to be kept outside AWS.")] = False,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Answer from such an export, without AWS.")
    ] = None,
    output: Annotated[
        Form | None,
        typer.Option("--output", "-o", help="text, json or markdown; with --all csv or json. Default: text, csv."),
    ] = None,
) -> int:
    """Say where a server came from, and print the runbook that sends it back, with all values filled in.

    Exit code 0: complete; 3: some of it is older than now, or the origin is not known in full; 1: failed; 2: wrong
    usage, or no such server, or several of that name.
    """
    form = output or (Form.CSV if everything else Form.TEXT)
    told = Output.JSON if form is Form.JSON else Output.TABLE
    allowed = {Form.CSV, Form.JSON} if everything else {Form.TEXT, Form.JSON, Form.MARKDOWN}
    if everything == bool(name) or form not in allowed or (everything and source):
        return fail("Usage", "give an ID, or --all with --output csv or json", told, exit_code=2)
    if source is not None and name is not None:
        return _from_file(source, name, form, told, why="AWS was not asked")

    async def work(settings: Settings) -> int:
        async with open_query_app(settings) as app:
            if name is not None:
                try:
                    return _show(await app.failback.facts(name), form)
                except AwsError as error:
                    if settings.failback_export:
                        why = f"the inventory did not answer: {error}"
                        return _from_file(Path(settings.failback_export), name, form, told, why=why)
                    return fail(error.code, f"{error}; an export answers without AWS: --from FILE", told, exit_code=1)
            estate = await app.failback.estate()
        now = utc_now()
        _write(write_csv(estate, now=now) if form is Form.CSV else write_json(estate, now=now).decode())
        return 0

    return guarded(told, work)


def _from_file(path: Path, name: str, form: Form, told: Output, *, why: str) -> int:
    """Answer from an export. No settings are read and no call is made: AWS may be gone."""
    try:
        exported_at, estate = read_export(path.read_bytes())
        facts = single_match([each for each in estate if has_name(each, name)], name)
    except OSError as error:
        return fail("Configuration", f"{path} cannot be read: {error.strerror}", told, exit_code=2)
    except ConfigurationError as error:
        return fail("Configuration", str(error), told, exit_code=2)
    except RefusalError as error:
        return fail(error.code, error.message, told, exit_code=2)
    note = f"From an export of {exported_at}; {why}."
    return _show(facts.model_copy(update={"notes": (note, *facts.notes)}), form)


def _show(facts: Facts, form: Form) -> int:
    runbook = write_runbook(facts)
    if form is Form.JSON:
        emit_json(as_json(facts, runbook))
    else:
        render: Callable[[Facts, Runbook], str] = _RUNBOOKS[form]
        _write(render(facts, runbook))
    return 3 if facts.notes or not facts.captured else 0


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
