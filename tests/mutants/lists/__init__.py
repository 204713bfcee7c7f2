"""All mutants, by what they break."""

from __future__ import annotations

from typing import Final

from tests.mutants.lists import (
    compatibility,
    entry_points,
    estate,
    fallback,
    figures,
    guarantees_access,
    guarantees_answers,
    guarantees_counts,
    guarantees_coverage,
    guarantees_platform,
    guarantees_runs,
    handlers,
    inventory_queries,
    items,
    pages,
    queries,
    region_syncs,
    regions,
    separation,
    staging,
    staging_functions,
    staging_reads,
    status_rows,
    terminal,
    topology,
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
    *estate.MUTANTS,
    *pages.MUTANTS,
    *inventory_queries.MUTANTS,
    *items.MUTANTS,
    *handlers.MUTANTS,
    *separation.MUTANTS,
    *staging_functions.MUTANTS,
    *staging_reads.MUTANTS,
    *guarantees_access.MUTANTS,
    *guarantees_answers.MUTANTS,
    *guarantees_counts.MUTANTS,
    *guarantees_coverage.MUTANTS,
    *guarantees_platform.MUTANTS,
    *guarantees_runs.MUTANTS,
    *staging.MUTANTS,
    *topology.MUTANTS,
    *terminal.MUTANTS,
)
