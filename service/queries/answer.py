"""What a query hands to its caller: the body of the answer, and what the caller should know beside it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.models import Scope
from service.queries.reading import Reading, Source

__all__ = ["Answer", "answer_of"]

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer.

    `stale` are the places whose inventory was too old: a sync should look at them. `sources` counts scopes by where
    they were read from.
    """

    body: dict[str, Any]
    stale: tuple[Scope, ...]
    sources: Mapping[str, int]

    @property
    def hits(self) -> int:
        """For the metric InventoryDatabaseHits: 1 when the inventory served some of it, or there was nothing to ask."""
        return int(bool(self.sources.get(Source.INVENTORY)) or not self.sources)

    @property
    def misses(self) -> int:
        """For the metric InventoryDatabaseMisses: 1 when the inventory was too old for some of it."""
        return int(bool(self.stale))


def answer_of(operation: str, body: dict[str, Any], reading: Reading) -> Answer:
    """Make an answer, and log in one line which source served how many scopes."""
    sources = Counter(str(result.source) for result in reading.results)
    _log.info(
        "query answered",
        extra={
            "operation": operation,
            "source": reading.source,
            "scopes": dict(sources),
            "regions": len({result.scope.region for result in reading.results}),
            "servers": sum(len(result.items) for result in reading.results),
            "complete": body.get("complete", reading.is_complete),
        },
    )
    return Answer(body, reading.stale, sources)
