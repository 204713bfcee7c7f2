"""Regions whose servers the region status table does not tell for certain, so that the inventory has to. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from service.regions.selection import SelectionRequest, StatusUnavailable
from service.regions.status_rows import RegionRow

__all__ = ["uncounted_regions"]


def uncounted_regions(table: Sequence[RegionRow] | StatusUnavailable, request: SelectionRequest) -> Collection[str]:
    """Return the regions that seem to have no servers, and of which no row says whose scans found none.

    The platform's sync writes the count of the account that it asked last, so a row of its own says 0 where only other
    accounts have servers. A region without a row, in a table that has rows, was dropped or joined the catalog. Nothing
    is uncounted if the table cannot be used or is empty, as then every region is scanned, nor if the request names what
    to scan.
    """
    if isinstance(table, StatusUnavailable) or not table or request.full_scan or request.scopes or request.regions:
        return ()
    by_region = {row.region: row for row in table}
    rows = {region: by_region.get(region) for region in (*request.catalog, *by_region)}
    return sorted(
        region
        for region, row in rows.items()
        if region not in request.excluded and (row is None or (row.is_legacy_format and row.server_count == 0))
    )
