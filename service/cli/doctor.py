"""`drs-sync doctor`: tries what every sync starts with, and says what is wrong and how it is mended."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final

import typer

from service.cli.diagnosis import Finding, Level
from service.cli.examination import Doctor
from service.cli.options import named
from service.cli.output import Output, console, emit_json, guarded, table
from service.cli.schemas import TABLES
from service.cli.watching import OutputOption
from service.queries.params import account_param
from service.settings import Settings

__all__ = ["examine"]

_ORDER: Final = ("settings", "hub", *(spec.check for spec in TABLES), "region status", "accounts", "role", "drs")


def examine(
    account: Annotated[
        list[str] | None,
        typer.Option("--account", metavar="ID", help="Try this target or staging account only; repeatable."),
    ] = None,
    region: Annotated[
        list[str] | None, typer.Option("--region", metavar="NAME", help="Try DRS in this region; repeatable.")
    ] = None,
    output: OutputOption = None,
) -> int:
    """Try settings, credentials, tables, roles and DRS itself; name the cause and the cure of what does not work.

    Writes nothing. DRS is tried in the regions asked for, else in active ones. Exit code 0: all is well, warnings
    aside; 1: something failed; 2: wrong usage or settings.
    """
    chosen = output or Output.default()

    async def work(settings: Settings) -> int:
        accounts, regions = named("--account", account), named("--region", region)
        for each in accounts:
            account_param({"--account": each}, "--account")
        findings = await Doctor(settings, accounts, regions).examine()
        findings.sort(key=lambda each: (_ORDER.index(each.check), each.account_id, each.region))
        counts = Counter(each.status for each in findings)
        worst = next((level for level in (Level.FAILED, Level.WARNING) if counts[level]), Level.OK)
        if chosen is Output.JSON:
            counted = {str(level): counts[level] for level in Level}
            document = {"operation": "doctor", "status": str(worst), "counts": counted}
            emit_json({**document, "findings": [each.as_json() for each in findings]})
        else:
            title = ", ".join(f"{counts[level]} {level}" for level in Level)
            console().print(table(title, _HEADINGS, map(_row, findings)))
        return 1 if worst is Level.FAILED else 0

    return guarded(chosen, work)


_HEADINGS: Final = ("check", "status", "account", "region", "cause", "cure")


def _row(found: Finding) -> tuple[object, ...]:
    return (found.check, found.status, found.account_id, found.region, found.cause, found.cure)
