"""All mutants, by what they break."""

from __future__ import annotations

from typing import Final

from tests.mutants.lists import (
    compatibility,
    entry_points,
    handlers,
    inventory_queries,
    items,
    queries,
    regions,
    separation,
    staging_functions,
)
from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final[tuple[Mutant, ...]] = (
    *regions.MUTANTS,
    *compatibility.MUTANTS,
    *entry_points.MUTANTS,
    *queries.MUTANTS,
    *inventory_queries.MUTANTS,
    *items.MUTANTS,
    *handlers.MUTANTS,
    *separation.MUTANTS,
    *staging_functions.MUTANTS,
)
