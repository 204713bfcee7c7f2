"""Overlay of moving values on the servers of the inventory, whose items keep only those of their last write.

A table that cannot be read costs the newer values, not the answer: the servers then show what their items hold, with
the age of that, and the problem is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import anyio

from service.attributes import as_map, as_str
from service.aws.client import AwsClient
from service.aws.dynamodb import TableReader
from service.errors import AwsError, problem_of
from service.inventory.moving_values import MovingValues, moving_values
from service.inventory.posture import Objectives
from service.inventory.scope_summary import ScopeSummary
from service.inventory.values_codec import server_key
from service.inventory.values_item import ScopeValues
from service.inventory.values_reader import ValuesReader
from service.models import Problem, RegionStatus, Scope, iso, parse_iso
from service.queries.brief import VALUES_AS_OF
from service.queries.presenter import BACKLOG
from service.queries.read_result import DataSource, ScopeReadResult
from service.settings import Settings

__all__ = ["StoredValues", "live_summary", "read_values"]

_FROM_TABLE: Final = frozenset({DataSource.INVENTORY, DataSource.STALE})


@dataclass(frozen=True, slots=True)
class StoredValues:
    """The moving values of scopes as they are stored, and what could not be read of them."""

    by_scope: Mapping[Scope, ScopeValues] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def overlay(self, result: ScopeReadResult) -> ScopeReadResult:
        """Put the values of the last complete scan over those of the items, where the servers came from the table."""
        stored = self.by_scope.get(result.scope)
        if stored is None or result.source not in _FROM_TABLE:
            return result
        return replace(result, items=[_overlaid(item, stored) for item in result.items], summary=stored.summary)

    def of_item(self, scope: Scope, item: Mapping[str, Any]) -> Mapping[str, Any]:
        """Put the values of the last complete scan over those of one item of the table."""
        stored = self.by_scope.get(scope)
        return item if stored is None else _overlaid(item, stored)


async def read_values(
    aws_client: AwsClient, settings: Settings, scopes: Iterable[Scope], *, until: float
) -> StoredValues:
    """Read the moving values of scopes; none without SOURCE_SERVER_TOPOLOGY_TABLE. What fails becomes a problem.

    Args:
        aws_client: the client; its hub has the table.
        settings: the settings.
        scopes: the accounts and regions.
        until: when to give up, by the event loop's clock.
    """
    name, wanted = settings.source_server_topology_table, tuple(scopes)
    if not name or not wanted:
        return StoredValues()
    reader = ValuesReader(TableReader(aws_client.hub(), name, aws_client.hub_region))
    with anyio.CancelScope(deadline=until):
        try:
            by_scope = await reader.read(wanted)
        except AwsError as error:
            return StoredValues(problems=(replace(error.problem, region=""),))
        return StoredValues(by_scope, tuple(_damaged(name, scope) for scope, held in by_scope.items() if held.damaged))
    message = f"the table {name} did not answer in time: lag, backlog and last seen are as old as each item"
    operation = "BatchGetItem"
    late = problem_of(
        "QueryDeadline", "DeadlineExceeded", message, Scope("", ""), service="dynamodb", operation=operation
    )
    return StoredValues(problems=(late,))


def live_summary(records: Iterable[Mapping[str, Any]], objectives: Objectives, *, as_of: datetime) -> dict[str, Any]:
    """Summarize the records of a scope that were read from DRS just now."""
    summary = ScopeSummary(objectives, as_of)
    for record in records:
        summary.add(record, moving_values(record))
    return summary.as_json()


def _damaged(name: str, scope: Scope) -> Problem:
    return Problem(
        "MalformedItem",
        f"moving values in the table {name} are damaged: lag, backlog and last seen are as old as each item",
        RegionStatus.ERROR,
        "dynamodb",
        "BatchGetItem",
        scope.account_id,
        scope.region,
        advice="run an inventory sync, which writes them again",
    )


def _overlaid(item: Mapping[str, Any], stored: ScopeValues) -> Mapping[str, Any]:
    """Return an item with the stored values of its server, unless the item itself was written by a later run."""
    key = server_key(as_str(item.get("sourceServerArn")), as_str(item.get("stagingAccountId")))
    found, written_at = stored.by_key.get(key), parse_iso(item.get("lastUpdated"))
    if found is None or (written_at is not None and found[1] < written_at):
        return item
    return _with_values(item, *found)


def _with_values(item: Mapping[str, Any], values: MovingValues, as_of: datetime) -> Mapping[str, Any]:
    return {
        **item,
        "dataReplicationInfo": _replaced(
            item.get("dataReplicationInfo"), {"lagDuration": values.lag, "etaDateTime": values.eta}
        ),
        "lifeCycle": _replaced(item.get("lifeCycle"), {"lastSeenByServiceDateTime": values.last_seen}),
        BACKLOG: values.backlog_bytes,
        VALUES_AS_OF: iso(as_of),
    }


def _replaced(members: object, values: Mapping[str, str | None]) -> Mapping[str, Any]:
    """Replace members; what DRS told none of is removed, and what could not be understood stays as the item has it."""
    kept = {name: value for name, value in as_map(members).items() if values.get(name, None) is None}
    return {**kept, **{name: value for name, value in values.items() if value}}
