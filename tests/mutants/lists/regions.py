"""Mutants of which regions a sync looks at, and of the region status table."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final = (
    Mutant(
        name="cache-never-expires",
        breaks=("R10.4",),
        file="service/regions/status_reader.py",
        before="if self._cached is not None and anyio.current_time() - self._cached[0] < self._cache_s:",
        after="if self._cached is not None:",
        tests=("handlers/test_handlers.py::test_a_warm_function_keeps_its_loop_its_clients_and_its_sessions",),
    ),
    Mutant(
        name="empty-table-without-fallback",
        breaks=("R1.3",),
        file="service/regions/selection.py",
        before='return RegionSource.FALLBACK_EMPTY, "the region status table is empty"',
        after='return RegionSource.STATUS_TABLE, "the region status table is empty"',
        tests=("sync/test_inventory_sync.py::test_without_region_status_every_region_is_scanned",),
    ),
)
