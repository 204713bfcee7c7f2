"""Mutants of which regions a sync looks at, and of the region status table."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final = (
    Mutant(
        name="empty-table-without-fallback",
        breaks=("R1.3",),
        file="service/regions/selection.py",
        before='return RegionSource.FALLBACK_EMPTY, "the region status table is empty"',
        after='return RegionSource.STATUS_TABLE, "the region status table is empty"',
        tests=("sync/test_inventory_sync.py::test_without_region_status_every_region_is_scanned",),
    ),
)
