"""Command `drs-sync coverage`: EC2 instances that no source server protects."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from service.app import open_app
from service.cli.coverage_text import coverage_csv, coverage_lines
from service.cli.heartbeat import heartbeat
from service.cli.options import decoded, require_values
from service.cli.output import Output, print_json, print_text, run_command
from service.cli.progress import live_progress
from service.cli.signals import shutdown_on_signals
from service.cli.streams import write_utf8
from service.errors import RefusalError
from service.protection.decision import TagFilter
from service.settings import Settings
from service.sync.coverage.choice import CoverageRequest

__all__ = ["show_coverage"]


class CoverageOutput(StrEnum):
    """Output format of the command."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def show_coverage(
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="KEY[=VALUE]", help="Only instances with this tag; repeatable, all must match."),
    ] = None,
    account: Annotated[
        list[str] | None, typer.Option("--account", metavar="ID", help="Look in this account only; repeatable.")
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(
            "--region", metavar="NAME", help="Look in this region, whether servers come from it or not; repeatable."
        ),
    ] = None,
    *,
    time_limit: Annotated[
        float | None,
        typer.Option("--time-limit", metavar="SECONDS", min=1.0, help="End after this time, with what was read."),
    ] = None,
    output: Annotated[
        CoverageOutput | None,
        typer.Option("--output", "-o", help="table, json or csv. Default: table on a terminal, else JSON."),
    ] = None,
) -> int:
    """List the EC2 instances that no source server protects, and why.

    Looks in the accounts and regions from which the servers of the
    inventory come, and names the regions it did not look at. DRS's own
    instances, terminated ones and those of other accounts are counted only.
    Leaves a summary per account and region, unless --tag is given.

    Examples:
      drs-sync coverage
      drs-sync coverage --tag dr=yes --region us-east-1
      drs-sync coverage -o csv > unprotected.csv

    Exit codes: 0 complete; 1 nothing could be done; 2 wrong usage or settings;
    3 something is unknown: an account could not be read, or servers are not known.
    """
    chosen = output or CoverageOutput(Output.default())

    async def work(settings: Settings) -> int:
        request = CoverageRequest(
            require_values("--account", account),
            require_values("--region", region),
            _tags(tag),
            time_limit,
        )
        with shutdown_on_signals() as shutdown:
            async with heartbeat(settings.heartbeat_file), open_app(settings, shutdown=shutdown) as app:
                with live_progress() as progress:
                    report = await app.sync_coverage(request, progress)
        if chosen is CoverageOutput.JSON:
            print_json(report)
        elif chosen is CoverageOutput.CSV:
            write_utf8(coverage_csv(report).encode())
        else:
            print_text(*coverage_lines(report))
        return 0 if report["status"] == "complete" else 3

    return run_command(Output.JSON if chosen is CoverageOutput.JSON else Output.TABLE, work)


def _tags(texts: list[str] | None) -> TagFilter:
    try:
        return TagFilter.parse([decoded(text) for text in texts or ()])
    except ValueError as error:
        raise RefusalError("INVALID_PARAMETER", f"--tag {error}. Fix: --tag dr=yes, or --tag dr") from None
