"""Answer of a query: the response body with its completeness, the stale scopes and the figures for metrics."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.errors import RefusalError
from service.models import Scope
from service.queries.completeness import Completeness
from service.queries.read_result import DataSource, ReadResult

__all__ = ["Answer", "build_answer"]

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, with how much is known about the scopes that it is about.

    Args:
        members: the members of the response body, without those about completeness.
        completeness: the state of every scope that the answer is about.
        is_whole: nothing that was read failed, and nothing was left out.
        stale: the scopes whose inventory was too old, so that a sync should scan them.
        sources: number of scopes by the source that they were read from; None when the query reads no servers.
        failure: the error to respond with instead, when nothing at all could be read.
        nothing_synced: no sync has stored anything yet, so that everything was read from DRS.
    """

    members: Mapping[str, Any]
    completeness: Completeness
    is_whole: bool = True
    stale: tuple[Scope, ...] = ()
    sources: Mapping[str, int] | None = None
    failure: RefusalError | None = None
    nothing_synced: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether every scope of the question is known, and everything that was read is included."""
        return self.is_whole and self.completeness.is_complete

    @property
    def body(self) -> dict[str, Any]:
        """The response body."""
        return {**self.members, "complete": self.is_complete, **self.completeness.as_json()}

    @property
    def hits(self) -> int:
        """The metric InventoryDatabaseHits: 1 if a scope was answered from the inventory, or there was no scope."""
        return int(not self.sources or bool(self.sources.get(DataSource.INVENTORY)))

    @property
    def misses(self) -> int:
        """The metric InventoryDatabaseMisses: 1 if the inventory was too old for a scope."""
        return int(bool(self.stale))


def build_answer(
    operation: str,
    members: Mapping[str, Any],
    result: ReadResult,
    completeness: Completeness,
    *,
    is_empty: bool,
    is_whole: bool = True,
    nothing_synced: bool = False,
    tolerated: Collection[Scope] | None = None,
) -> Answer:
    """Build the answer of a query that reads servers, and log one line with the number of scopes per source.

    Args:
        operation: name of the query, for the log.
        members: the members of the response body, without those about completeness.
        result: what was read.
        completeness: the state of every scope of the question.
        is_empty: the answer shows nothing. A caller who sees an empty list takes it for "none", so where every read
            failed, the answer is an error instead.
        is_whole: nothing was left out for another reason than a failed read.
        nothing_synced: no sync has stored anything yet.
        tolerated: scopes that may be unread in an answer that shows nothing; None: any, if one read succeeded.
    """
    sources = Counter(str(each.source) for each in result.results)
    answer = Answer(
        members,
        completeness,
        is_whole=is_whole and result.is_complete,
        stale=result.stale,
        sources=sources,
        failure=_failure(result, completeness, tolerated) if is_empty else None,
        nothing_synced=nothing_synced,
    )
    _log.info(
        "query answered",
        extra={
            "operation": operation,
            "source": result.source,
            "scopes": dict(sources),
            "regions": len({each.scope.region for each in result.results}),
            "servers": sum(each.servers for each in result.results),
            "unknownScopes": len(completeness.unknown),
            "complete": answer.is_complete,
            "durationSeconds": round(result.seconds, 3),
        },
    )
    return answer


def _failure(
    result: ReadResult, completeness: Completeness, tolerated: Collection[Scope] | None
) -> RefusalError | None:
    """Build the error of a query that shows nothing because reads failed; None when enough of them succeeded."""
    failed = [
        (each.scope, each.problem) for each in result.results if each.problem is not None and each.read_to is None
    ]
    is_total = len(failed) == len(result.results)
    problems = [problem for scope, problem in failed if is_total or (tolerated is not None and scope not in tolerated)]
    if not problems:
        return None
    first = problems[0]
    more = f" (and {len(problems) - 1} more scopes)" if len(problems) > 1 else ""
    why = ": ".join(filter(None, (first.cause, first.code, first.message)))
    fix = first.advice or "see the problems of the scopes"
    could_not = "no scope could be read" if is_total else "nothing was found, but not everything could be read"
    message = f"{could_not}: {first.account_id} {first.region}{more}: {why}"
    details = {"complete": False, **completeness.as_json(), "errors": result.errors()}
    return RefusalError("SCOPES_UNREADABLE", f"{message.rstrip('.')}. Fix: {fix}", status=500, details=details)
