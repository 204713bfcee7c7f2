"""Command `drs-sync status`: the first screen of the estate."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final

import typer
from rich.console import Group
from rich.text import Text

from service.cli.options import OutputOption, QueryAccounts, QueryRegions, join_values
from service.cli.output import Output, print_result, run_command
from service.cli.streams import stdout_width
from service.pages.first_screen import Tone, first_screen
from service.queries.request_models import ScopesRequest
from service.query_app import open_query_app
from service.settings import Settings

__all__ = ["screen", "show_status"]

_STYLES: Final[Mapping[Tone, str]] = MappingProxyType(
    {Tone.PLAIN: "", Tone.TITLE: "bold", Tone.GOOD: "green", Tone.BAD: "bold red", Tone.DOUBTFUL: "yellow"}
)
_GOOD: Final = frozenset({"ready", "empty"})


def show_status(
    region: QueryRegions = None,
    account: QueryAccounts = None,
    *,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing if all is ready and known: for cron.")
    ] = False,
    output: OutputOption = None,
) -> int:
    """Show on one screen whether the estate could fail over now, and what needs you.

    Read from the summaries that the last syncs left: DRS is not called.

    Examples:
      drs-sync status
      drs-sync status --quiet --output table || mail -s "DRS" ops@example.com
      drs-sync status --account 111122223333 --output json

    Exit codes: 0 every server is ready and every scope is known; 1 failed;
    2 wrong usage or settings; 3 something is not ready or not known.
    """
    chosen = output or Output.default()

    async def work(settings: Settings) -> int:
        params = {"accountId": join_values("--account", account), "region": join_values("--region", region)}
        async with open_query_app(settings) as app:
            answer = await app.estate.run(ScopesRequest.parse(params, app.settings).scopes)
            body = await app.publish("get_estate", answer)
        is_good = body["complete"] and body["verdict"] in _GOOD
        if not (quiet and is_good):
            print_result(chosen, body, lambda: screen(body, stdout_width() or sys.maxsize))
        return 0 if is_good else 3

    return run_command(chosen, work)


def screen(body: Mapping[str, Any], width: int) -> Group:
    """Render the first screen for a terminal with this many columns."""
    return Group(
        *(
            Text(line.text, style=_STYLES[line.tone], no_wrap=True, overflow="ignore")
            for line in first_screen(body, width=width)
        )
    )
