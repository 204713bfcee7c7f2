"""Commands `drs-sync regions`: the region status table, and dropping rows of regions outside the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Annotated, Any, Final

import typer
from rich.console import Group, RenderableType

from service.app import App, open_app
from service.cli.answers import counted, show_answer, title_of
from service.cli.columns import Column, table
from service.cli.options import OutputOption
from service.cli.output import Output, print_result, run_command, sanitize
from service.durations import human_duration
from service.errors import RefusalError
from service.regions.outside_catalog import known_servers, reason_to_keep, rows_outside
from service.regions.scope_state import ScopeState
from service.regions.selection import StatusUnavailable
from service.regions.status_rows import RegionRow
from service.settings import Settings
from service.text import printable

__all__ = ["drop_regions", "regions_table", "show_regions"]

_COLUMNS: Final = (
    Column("region"),
    Column("status"),
    Column("servers", is_number=True),
    Column("unknown", is_number=True),
    Column("complete", 1),
    Column("attempt", 2),
)
_DROPPED_COLUMNS: Final = (Column("region"), Column("status"), Column("servers", is_number=True))


def show_regions(context: typer.Context, output: OutputOption = None) -> int:
    """Show the region status table: servers, and the age of the last complete scan and of the last attempt.

    "unknown" is the number of accounts about which nothing is known there,
    "complete" the age of the oldest complete scan among the accounts that
    have servers there, "attempt" that of the last scan, failed ones included.

    Examples:
      drs-sync regions
      drs-sync regions --output json

    Exit codes: 0 complete; 1 the table cannot be read; 2 wrong usage or
    settings; 3 incomplete: some accounts or regions are unknown.
    """
    if context.invoked_subcommand:
        context.obj = output
        return 0
    return show_answer(output or Output.default(), lambda app: app.regions.run(), regions_table)


def drop_regions(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Regions.", show_default=False)],
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Also a row with servers, which no sync keeps up to date afterwards.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be dropped, and drop nothing.")] = False,
    output: OutputOption = None,
) -> int:
    """Drop rows of regions that no full scan covers from the region status table.

    A row is left of a region that was mistyped, scanned on request, or removed from
    the settings. A region of the catalog is refused, and without --force one with
    servers. Nothing is dropped if one is refused.

    Examples:
      drs-sync regions drop us-wset-2 --dry-run

    Exit codes: 0 dropped; 1 failed; 2 refused, nothing was changed.
    """
    chosen = output or context.obj or Output.default()

    async def work(settings: Settings) -> int:
        async with open_app(settings) as app:
            results = await _drop(app, tuple(dict.fromkeys(names)), force=force, dry_run=dry_run)
        document = {"operation": "drop_regions", "status": "complete", "dryRun": dry_run, "regions": results}
        rows = [(each["region"], each["status"], each["serverCount"]) for each in results]
        print_result(chosen, document, lambda: table(counted(len(rows), "row"), _DROPPED_COLUMNS, rows))
        return 0

    return run_command(chosen, work)


async def _drop(app: App, names: Iterable[str], *, force: bool, dry_run: bool) -> list[dict[str, Any]]:
    """Drop rows unless one of them is refused.

    Raises:
        RefusalError: a row does not exist or should be kept.
        AwsError: the table could not be read or written.
    """
    app.settings.require("drs_region_status_table")
    read = await app.status.rows()
    if isinstance(read, StatusUnavailable):
        raise RefusalError("RegionStatusUnavailable", read.reason, status=500)
    rows = {row.region: row for row in read}
    if missing := [name for name in names if name not in rows]:
        outside = ", ".join(printable(row.region) for row in rows_outside(read, app.settings)) or "none"
        raise RefusalError(
            "NOT_FOUND",
            f"the region status table has no row of {', '.join(map(printable, missing))}; rows of regions that no full "
            f"scan covers: {outside}. Fix: correct the name",
            status=404,
        )
    refused = partial(_reason_to_refuse, settings=app.settings, force=force)
    if reasons := [reason for name in names if (reason := refused(rows[name]))]:
        raise RefusalError("REGION_IN_USE", "; ".join(reasons), status=409)
    for name in names if not dry_run else ():
        if not await app.status.drop(name, lambda row: not refused(row)):
            raise RefusalError("REGION_IN_USE", f"a sync has found servers in {printable(name)} just now", status=409)
    status = "planned" if dry_run else "dropped"
    return [{"region": name, "status": status, "serverCount": known_servers(rows[name])} for name in names]


def _reason_to_refuse(row: RegionRow, *, settings: Settings, force: bool) -> str:
    return "" if force and row.region not in settings.catalog else reason_to_keep(row, settings)


def regions_table(body: Mapping[str, Any]) -> RenderableType:
    """Render a line per region, then the attempts that failed and the warnings."""
    if not body["regions"]:
        return sanitize(body["message"])
    title = f"{counted(len(body['activeRegions']), 'active region')}, {counted(body['serverCount'], 'server')}"
    regions = table(title_of(body, title), _COLUMNS, map(_row, body["regions"]))
    warnings = [f"{each['message']}. Fix: {each['advice']}" for each in body["warnings"]]
    return Group(regions, *map(sanitize, (*_failed_attempts(body), *warnings)))


def _row(region: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        region["region"],
        region["status"] or "",
        region["serverCount"],
        len(region["unknownAccounts"]),
        _age(region["ageSeconds"]),
        _age(region["lastAttemptAgeSeconds"]),
    )


def _failed_attempts(body: Mapping[str, Any]) -> Iterator[str]:
    """Describe the failed attempts in scopes that are known all the same; those of unknown scopes are listed there."""
    for region in body["regions"]:
        for account_id, entry in region["accounts"].items():
            if entry["errorMessage"] and entry["state"] != ScopeState.UNKNOWN:
                attempt, complete = entry["lastAttempt"], _age(entry["ageSeconds"])
                yield (
                    f"{account_id} {region['region']}: last attempt {_age(attempt['ageSeconds'])} ago failed, last "
                    f"complete scan {complete}{'' if complete == 'never' else ' ago'}: {attempt['error']}"
                )


def _age(seconds: int | None) -> str:
    return "never" if seconds is None else human_duration(seconds)
