"""Stored servers: those of scopes as the tables have them, with the posture of each. DRS is not read.

The document of the estate says which scopes have servers and which of them are unknown; this reads the servers
themselves, scope by scope, so that a large region is not read again for each page of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import anyio

from service.aws.client import AwsClient
from service.aws.dynamodb import TableReader
from service.errors import AwsError
from service.fanout import fan_out
from service.inventory.posture import Objectives, Posture
from service.inventory.reader import InventoryReader
from service.models import Problem, Scope
from service.queries.brief import BRIEF_ATTRIBUTES, ServerView, brief
from service.queries.presenter import VIEW_ATTRIBUTES, present
from service.queries.read_result import DataSource, ScopeReadResult
from service.queries.values_overlay import read_values
from service.regions.scope_state import ScopeState
from service.settings import Settings

__all__ = ["SCOPE_UNKNOWN", "ScopeServers", "StoredServersQuery", "scopes_with_servers"]

SCOPE_UNKNOWN: Final = "SCOPE_UNKNOWN"
"""Reason of a server whose account and region were not read completely, or too long ago."""
_SCOPES_AT_ONCE: Final = 16
_BATCH: Final = 200  # scopes whose moving values are read, and kept, at once


@dataclass(frozen=True, slots=True)
class ScopeServers:
    """The stored servers of one scope, sorted by ARN.

    Args:
        scope: the account and region.
        servers: views with posture.
        problem: why they could not be read, or not in full; None if they could.
    """

    scope: Scope
    servers: Sequence[ServerView] = ()
    problem: Problem | None = None


def scopes_with_servers(document: Mapping[str, Any]) -> dict[Scope, bool]:
    """Return the scopes of the estate's document that may have servers, and whether each is known, in order."""
    return {
        Scope(each["accountId"], each["region"]): each["state"] != ScopeState.UNKNOWN
        for each in sorted(document["scopes"], key=lambda each: (each["accountId"], each["region"]))
        if each["servers"] or each["state"] != ScopeState.UNKNOWN
    }


class StoredServersQuery:
    """Reads the servers of scopes from the inventory and the topology table."""

    def __init__(self, aws_client: AwsClient, settings: Settings) -> None:
        self._aws_client = aws_client
        self._settings = settings
        self._objectives = Objectives.of(settings)

    async def read(self, scopes: Mapping[Scope, bool], *, in_brief: bool = False) -> AsyncIterator[ScopeServers]:
        """Yield the servers of each scope, in order; what cannot be read is a problem of its scope.

        Args:
            scopes: the scopes, and whether each is known. Servers of an unknown one have the posture unknown.
            in_brief: read only what the brief view of a server is made of, and return these views. For lists of many
                servers; it takes a fraction of the time.

        Raises:
            ConfigurationError: the inventory table is not set.
        """
        self._settings.require("source_server_inventory_table")
        wanted = list(scopes)
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            found = await self._batch(batch, in_brief=in_brief)
            for scope in batch:
                yield _unknown(found[scope]) if not scopes[scope] else found[scope]

    async def _batch(self, scopes: Iterable[Scope], *, in_brief: bool) -> dict[Scope, ScopeServers]:
        batch = list(scopes)
        until = anyio.current_time() + self._settings.query_deadline_seconds
        values = await read_values(self._aws_client, self._settings, batch, until=until)
        name = self._settings.source_server_inventory_table
        reader = InventoryReader(TableReader(self._aws_client.hub(), name, self._aws_client.hub_region))

        async def read(scope: Scope) -> ScopeServers:
            try:
                found = await reader.by_account(
                    scope.region, [scope.account_id], only=BRIEF_ATTRIBUTES if in_brief else VIEW_ATTRIBUTES
                )
            except AwsError as error:
                return ScopeServers(scope, problem=error.problem)
            items = found.get(scope.account_id, [])
            result = values.overlay(ScopeReadResult(scope, DataSource.INVENTORY, items))
            view_of = brief if in_brief else present
            views = [view_of(item, self._objectives) for item in result.items]
            views.sort(key=lambda view: (view["sourceServerArn"], view["stagingAccountId"]))
            return ScopeServers(scope, views, next(iter(values.problems), None))

        async with fan_out(batch, read, concurrency=_SCOPES_AT_ONCE) as results:
            return {result.scope: result async for result in results}


def _unknown(found: ScopeServers) -> ScopeServers:
    changed = {"posture": str(Posture.UNKNOWN), "postureReason": SCOPE_UNKNOWN, "postureSince": ""}
    return ScopeServers(found.scope, [{**view, **changed} for view in found.servers], found.problem)
