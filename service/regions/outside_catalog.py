"""Rows of the region status table whose regions no full scan covers: a region was mistyped or removed. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from service.models import Problem, RegionStatus
from service.regions.status_rows import RegionRow
from service.settings import Settings
from service.text import printable

__all__ = ["known_servers", "outside_problem", "reason_to_keep", "rows_outside"]


def rows_outside(rows: Iterable[RegionRow], settings: Settings) -> list[RegionRow]:
    """Return the rows of regions that are neither scanned by a full scan nor excluded, by name."""
    covered = {*settings.regions, *settings.drs_excluded_regions}
    return sorted((row for row in rows if row.region not in covered), key=lambda row: row.region)


def known_servers(row: RegionRow) -> int:
    """Return how many servers are known in a region, those that no account is named for included."""
    return max(row.server_count, row.unattributed or 0)


def outside_problem(rows: Iterable[RegionRow], settings: Settings) -> Problem | None:
    """Name the rows of regions outside the catalog and what to do; None when there are none."""
    outside = rows_outside(rows, settings)
    if not outside:
        return None
    described = ", ".join(
        printable(row.region) + (f" (scanned for its {known_servers(row)} servers)" if known_servers(row) else "")
        for row in outside
    )
    names = " ".join(shlex.quote(printable(row.region)) for row in outside)
    return Problem(
        "RegionOutsideCatalog",
        f"{len(outside)} rows of the region status table are of regions that no full scan covers: {described}",
        RegionStatus.ACTIVE,
        "dynamodb",
        advice=f"drop them with drs-sync regions drop {names}, or add the regions to DRS_EXTRA_REGIONS",
    )


def reason_to_keep(row: RegionRow, settings: Settings) -> str:
    """Say why a row should not be dropped, and what to do instead; empty when nothing is lost with it."""
    if row.region in settings.catalog:
        return f"{row.region} is in the catalog, so the next full scan would write the row again"
    if servers := known_servers(row):
        return (
            f"{servers} servers are known in {printable(row.region)}, and every sync scans it for them. Fix: add it to "
            "DRS_EXTRA_REGIONS; with --force the row is dropped, and its servers are no longer kept up to date"
        )
    if row.full_scan_began:
        return (
            f"the row of {printable(row.region)} has the mark of a full scan that was cut short. Fix: run drs-sync "
            "sync inventory, which ends it; with --force the row is dropped, and the scan is not resumed"
        )
    return ""
