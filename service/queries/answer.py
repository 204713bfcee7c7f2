"""Answer of a query: the response body, with the stale scopes and the figures for metrics."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.models import Scope
from service.queries.read_result import DataSource, ReadResult

__all__ = ["Answer", "build_answer"]

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer.

    `stale` are the scopes whose inventory was too old, so that a sync should scan them. `sources` counts scopes by the
    source that they were read from.
    """

    body: dict[str, Any]
    stale: tuple[Scope, ...]
    sources: Mapping[str, int]

    @property
    def hits(self) -> int:
        """The metric InventoryDatabaseHits: 1 if a scope was answered from the inventory, or there was no scope."""
        return int(bool(self.sources.get(DataSource.INVENTORY)) or not self.sources)

    @property
    def misses(self) -> int:
        """The metric InventoryDatabaseMisses: 1 if the inventory was too old for a scope."""
        return int(bool(self.stale))


def build_answer(operation: str, body: dict[str, Any], result: ReadResult) -> Answer:
    """Build an answer, and log one line with the number of scopes per source."""
    sources = Counter(str(each.source) for each in result.results)
    _log.info(
        "query answered",
        extra={
            "operation": operation,
            "source": result.source,
            "scopes": dict(sources),
            "regions": len({each.scope.region for each in result.results}),
            "servers": sum(len(each.items) for each in result.results),
            "complete": body.get("complete", result.is_complete),
        },
    )
    return Answer(body, result.stale, sources)
