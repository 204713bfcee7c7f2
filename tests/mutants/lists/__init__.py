"""All mutants, by what they break."""

from __future__ import annotations

from typing import Final

from tests.mutants.lists import (
    compatibility,
    entry_points,
    fallback,
    figures,
    handlers,
    inventory_queries,
    items,
    queries,
    region_syncs,
    regions,
    separation,
    staging_functions,
    staging_reads,
    status_rows,
)
from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final[tuple[Mutant, ...]] = (
    *regions.MUTANTS,
    *region_syncs.MUTANTS,
    *status_rows.MUTANTS,
    *fallback.MUTANTS,
    *figures.MUTANTS,
    *compatibility.MUTANTS,
    *entry_points.MUTANTS,
    *queries.MUTANTS,
    *inventory_queries.MUTANTS,
    *items.MUTANTS,
    *handlers.MUTANTS,
    *separation.MUTANTS,
    *staging_functions.MUTANTS,
    *staging_reads.MUTANTS,
)
