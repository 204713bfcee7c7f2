"""Command `drs-sync regions`: the region status table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.table import Table

from service.cli.options import OutputOption
from service.cli.output import Output, print_error, print_result, run_command, table
from service.models import iso, utc_now
from service.query_app import open_query_app
from service.regions.selection import StatusUnavailable
from service.regions.status_rows import RegionRow
from service.settings import Settings

__all__ = ["show_regions"]


def show_regions(output: OutputOption = None) -> int:
    """Show the region status table: servers, last scan and last error per region.

    Exit codes: 0 shown; 1 the table cannot be read; 2 wrong usage or settings.
    """
    chosen = output or Output.default()

    async def work(settings: Settings) -> int:
        settings.require("drs_region_status_table")
        async with open_query_app(settings) as app:
            rows = await app.status.rows()
        if isinstance(rows, StatusUnavailable):
            return print_error("RegionStatusUnavailable", rows.reason, chosen, exit_code=1)
        document = _document(rows, utc_now())
        print_result(chosen, document, lambda: _table(document))
        return 0

    return run_command(chosen, work)


def _document(rows: Sequence[RegionRow], now: datetime) -> dict[str, Any]:
    ordered = sorted(rows, key=lambda row: (-row.server_count, row.region))
    return {
        "operation": "regions",
        "activeRegions": [row.region for row in ordered if row.server_count > 0],
        "serverCount": sum(row.server_count for row in ordered),
        "regions": [_region(row, now) for row in ordered],
    }


def _region(row: RegionRow, now: datetime) -> dict[str, Any]:
    accounts = {
        account_id: {
            "status": entry.status,
            "serverCount": entry.server_count,
            "lastChecked": iso(entry.last_checked) if entry.last_checked else None,
            "lastComplete": iso(entry.last_complete) if entry.last_complete else None,
            "errorMessage": entry.error_message or None,
        }
        for account_id, entry in sorted(row.accounts.items())
    }
    return {
        "region": row.region,
        "status": row.status,
        "serverCount": row.server_count,
        "lastChecked": iso(row.last_checked) if row.last_checked else None,
        "ageSeconds": round((now - row.last_checked).total_seconds()) if row.last_checked else None,
        "accounts": accounts,
    }


def _table(document: Mapping[str, Any]) -> Table:
    title = f"{len(document['activeRegions'])} active regions, {document['serverCount']} servers"
    headings = ("region", "status", "servers", "accounts", "last scan", "age s", "error")
    return table(title, headings, [_row(region) for region in document["regions"]])


def _row(region: Mapping[str, Any]) -> tuple[object, ...]:
    errors = [
        f"{account}: {entry['errorMessage']}" for account, entry in region["accounts"].items() if entry["errorMessage"]
    ]
    return (
        region["region"],
        region["status"] or "",
        region["serverCount"],
        len(region["accounts"]),
        region["lastChecked"] or "never",
        "" if region["ageSeconds"] is None else region["ageSeconds"],
        "; ".join(errors),
    )
