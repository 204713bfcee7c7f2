"""Command `drs-sync regions`: the region status table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType

from service.cli.answers import show_answer
from service.cli.options import OutputOption
from service.cli.output import Output, sanitize, table

__all__ = ["show_regions"]

_HEADINGS = ("region", "status", "servers", "accounts", "unknown", "complete s ago", "last attempt", "error")


def show_regions(output: OutputOption = None) -> int:
    """Show the region status table: servers, last complete scan, last attempt and last error per region.

    "complete s ago" is the age of the oldest complete scan among the
    accounts that have servers in the region.

    Exit codes: 0 complete; 1 the table cannot be read; 2 wrong usage or
    settings; 3 incomplete: some accounts or regions are unknown.
    """
    return show_answer(output or Output.default(), lambda app: app.regions.run(), _table)


def _table(body: Mapping[str, Any]) -> RenderableType:
    if not body["regions"]:
        return sanitize(body["message"])
    title = f"{len(body['activeRegions'])} active regions, {body['serverCount']} servers"
    return table(title, _HEADINGS, [_row(region) for region in body["regions"]])


def _row(region: Mapping[str, Any]) -> tuple[object, ...]:
    errors = [
        f"{account}: {entry['errorMessage']}" for account, entry in region["accounts"].items() if entry["errorMessage"]
    ]
    return (
        region["region"],
        region["status"] or "",
        region["serverCount"],
        len(region["accounts"]),
        len(region["unknownAccounts"]),
        "never" if region["ageSeconds"] is None else region["ageSeconds"],
        region["lastChecked"] or "never",
        "; ".join(errors),
    )
