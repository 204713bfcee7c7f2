"""`drs-sync regions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from service.cli.output import Output, console, emit_json, fail, guarded, table
from service.cli.watching import OutputOption
from service.handlers.app import open_app, utc_now
from service.models import iso
from service.regions.selection import StatusUnavailable
from service.regions.status_rows import RegionRow
from service.settings import Settings

__all__ = ["show_regions"]


def show_regions(output: OutputOption = None) -> int:
    """Show what the region status table knows: which regions are active, how many servers, how fresh, what failed."""
    chosen = output or Output.default()

    async def work(settings: Settings) -> int:
        settings.require("drs_region_status_table")
        async with open_app(settings) as app:
            rows = await app.status.rows()
        if isinstance(rows, StatusUnavailable):
            return fail("RegionStatusUnavailable", rows.reason, chosen, exit_code=1)
        document = _document(rows, utc_now())
        if chosen is Output.JSON:
            emit_json(document)
        else:
            headings = ("region", "status", "servers", "accounts", "checked", "age s", "error")
            console().print(table(_title(document), headings, [_line(row) for row in document["regions"]]))
        return 0

    return guarded(chosen, work)


def _document(rows: Sequence[RegionRow], now: datetime) -> dict[str, Any]:
    listed = sorted(rows, key=lambda row: (-row.server_count, row.region))
    return {
        "operation": "regions",
        "activeRegions": [row.region for row in listed if row.server_count > 0],
        "serverCount": sum(row.server_count for row in listed),
        "regions": [_region(row, now) for row in listed],
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


def _title(document: Mapping[str, Any]) -> str:
    return f"{len(document['activeRegions'])} active regions, {document['serverCount']} servers"


def _line(region: Mapping[str, Any]) -> tuple[object, ...]:
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
