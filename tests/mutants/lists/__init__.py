"""All mutants, by what they break."""

from __future__ import annotations

from typing import Final

from tests.mutants.lists import regions
from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final[tuple[Mutant, ...]] = (*regions.MUTANTS,)
