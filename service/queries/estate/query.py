"""Estate query: reads accounts, region status and one summary per scope with servers, and builds the document.

It calls neither DRS nor STS, and reads no server, except in scopes that were scanned and have no summary: without
SOURCE_SERVER_TOPOLOGY_TABLE, or before the first sync of this version.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import anyio

from service.attributes import as_map, as_str
from service.aws.client import AwsClient
from service.aws.dynamodb import TableReader
from service.errors import AwsError, problem_of
from service.estate.estate import estate_of
from service.estate.runs import RUNS_KEY, runs_of
from service.estate.scope_posture import ScopePosture, posture_of_scope
from service.fanout import fan_out, prefetch
from service.inventory.item import POSTURE_SINCE
from service.inventory.moving_values import moving_values
from service.inventory.posture import Objectives
from service.inventory.reader import InventoryReader
from service.inventory.scope_summary import ScopeSummary
from service.inventory.values_reader import ValuesReader
from service.models import Now, Problem, Scope
from service.protection.digest import digest_of
from service.protection.reader import CoverageReader
from service.queries.answer import Answer
from service.queries.context import QueryContext, QueryContextLoader
from service.queries.estate.attention import attention_of
from service.queries.estate.coverage import coverage_attention
from service.queries.estate.document import OPERATION, estate_document
from service.queries.params import ScopesParams
from service.queries.query_deadline import QueryDeadline
from service.regions.scope_state import ScopeState, state_in
from service.regions.status_reader import RegionStatusReader
from service.settings import Settings

__all__ = ["EstateQuery"]

_log: Final = logging.getLogger(__name__)
_REGIONS_AT_ONCE: Final = 16
_SCANNED: Final = frozenset({ScopeState.FRESH, ScopeState.OLD})


class EstateQuery:
    """Answers what the posture of the estate is; one instance serves many queries."""

    def __init__(self, aws_client: AwsClient, settings: Settings, status: RegionStatusReader, now: Now) -> None:
        self._aws_client = aws_client
        self._settings = settings
        self._now = now
        self._context_loader = QueryContextLoader(aws_client, settings, status, now)

    async def run(self, params: ScopesParams) -> Answer:
        """Answer for all accounts and regions, or for those that the query names.

        Raises:
            RefusalError: a requested account is not a target.
            ConfigurationError: the target accounts table is not set.
            AwsError: the target accounts could not be read.
        """
        deadline = QueryDeadline.start(self._settings.query_deadline_seconds)
        context = await self._context_loader.load(deadline)
        context.require_targets(*params.accounts)
        completeness = self._context_loader.completeness(context, params)
        scopes = self._context_loader.scopes_of(context, params)
        scanned = [scope for scope in scopes if _state(context, scope) in _SCANNED]
        now = context.rules.now
        async with (
            prefetch(lambda: self._runs(deadline)) as runs,
            prefetch(lambda: self._coverage(params, deadline, now)) as covered,
        ):
            summaries, problems = await self._summaries(scanned, deadline)
            runs_read, runs_problems = await runs()
            coverage, coverage_problems = await covered()
        postures = [_posture(context, scope, summaries.get(scope)) for scope in scopes]
        lacking = [each.scope for each in postures if each.lacks_summary and each.servers]
        if lacking:
            made, unread = await self._summaries_of_items(context, lacking, deadline)
            problems += unread
            postures = [
                _posture(context, each.scope, made[each.scope]) if each.scope in made else each for each in postures
            ]
        estate = estate_of(postures, self._settings)
        is_whole = context.is_whole(params.accounts) and not estate.without_summary and not problems
        attention = attention_of(
            estate,
            completeness.as_json()["unknownByCause"],
            self._settings,
            now,
            further=coverage_attention(coverage),
        )
        is_complete = is_whole and completeness.is_complete
        names = {account_id: account.name for account_id, account in context.directory.targets.items()}
        document = estate_document(estate, attention, self._settings, now, is_complete=is_complete, account_names=names)
        errors = [problem.as_json() for problem in (*problems, *(() if params.accounts else context.problems))]
        _log.info(
            "estate answered",
            extra={
                "operation": OPERATION,
                "scopes": len(postures),
                "servers": estate.servers,
                "verdict": document["verdict"],
                "scopesWithoutSummary": len(estate.without_summary),
            },
        )
        errors += [each.as_json() for each in (*runs_problems, *coverage_problems)]
        members = {**document, "runs": runs_read, "coverage": coverage, "errors": errors}
        return Answer(members, completeness, is_whole=is_whole)

    async def _runs(self, deadline: QueryDeadline) -> tuple[list[dict[str, Any]], list[Problem]]:
        """Read how the last runs ended; what cannot be read costs only that."""
        name = self._settings.source_server_topology_table
        if not name:
            return [], []
        table = TableReader(self._aws_client.hub(), name, self._aws_client.hub_region)
        with anyio.CancelScope(deadline=deadline.inventory):
            try:
                items = [item async for item in table.query("#pk = :pk", {"pk": RUNS_KEY})]
            except AwsError as error:
                return [], [replace(error.problem, region="")]
            return runs_of(items), []
        return [], [_late(name, "Query")]

    async def _coverage(
        self, params: ScopesParams, deadline: QueryDeadline, now: datetime
    ) -> tuple[dict[str, Any] | None, list[Problem]]:
        """Read what the coverage sync has left, for a query about everything; what cannot be read costs only that."""
        name = self._settings.source_server_topology_table
        if not name or params.accounts or params.regions:
            return None, []
        reader = CoverageReader(TableReader(self._aws_client.hub(), name, self._aws_client.hub_region))
        with anyio.CancelScope(deadline=deadline.inventory):
            try:
                return digest_of(await reader.read_all(), now), []
            except AwsError as error:
                return None, [replace(error.problem, region="")]
        return None, [_late(name, "Query")]

    async def _summaries(
        self, scopes: Iterable[Scope], deadline: QueryDeadline
    ) -> tuple[dict[Scope, Any], list[Problem]]:
        """Read the stored summaries of scopes, and what could not be read; none without a table for them."""
        name, wanted = self._settings.source_server_topology_table, list(scopes)
        if not name or not wanted:
            return {}, []
        reader = ValuesReader(TableReader(self._aws_client.hub(), name, self._aws_client.hub_region))
        with anyio.CancelScope(deadline=deadline.inventory):
            try:
                return await reader.summaries(wanted), []
            except AwsError as error:
                return {}, [replace(error.problem, region="")]
        return {}, [_late(name, "BatchGetItem")]

    async def _summaries_of_items(
        self, context: QueryContext, scopes: Iterable[Scope], deadline: QueryDeadline
    ) -> tuple[dict[Scope, Any], list[Problem]]:
        """Summarize the inventory items of scopes, as of the last complete scan of each."""
        name, made, problems = self._settings.source_server_inventory_table, dict[Scope, Any](), list[Problem]()
        if not name:
            return made, problems
        reader = InventoryReader(TableReader(self._aws_client.hub(), name, self._aws_client.hub_region))
        accounts: dict[str, set[str]] = {}
        for scope in scopes:
            accounts.setdefault(scope.region, set()).add(scope.account_id)
        objectives = Objectives.of(self._settings)

        async def read(region: str) -> None:
            with anyio.CancelScope(deadline=deadline.drs) as cancel_scope:
                try:
                    found = await reader.by_account(region, accounts[region])
                except AwsError as error:
                    problems.append(error.problem)
                    return
                for account_id, items in found.items():
                    scope = Scope(account_id, region)
                    entry = context.view.entry(scope)
                    as_of = entry.last_complete if entry and entry.last_complete else context.rules.now
                    made[scope] = _summary_of(items, objectives, as_of)
            if cancel_scope.cancelled_caught:
                problems.append(_late(name, "Query"))

        async with fan_out(accounts, read, concurrency=_REGIONS_AT_ONCE) as done:
            async for _ in done:
                pass
        return made, problems


def _state(context: QueryContext, scope: Scope) -> ScopeState:
    return state_in(scope, context.view.entry(scope), context.rules)


def _posture(context: QueryContext, scope: Scope, summary: object) -> ScopePosture:
    return posture_of_scope(scope, _state(context, scope), context.view.entry(scope), summary, context.rules)


def _summary_of(items: Iterable[Mapping[str, Any]], objectives: Objectives, as_of: datetime) -> dict[str, Any]:
    summary = ScopeSummary(objectives, as_of)
    for item in items:
        summary.add(
            item,
            moving_values(item),
            tags=as_map(item.get("tags")),
            since=as_str(item.get(POSTURE_SINCE)),
            topology_known=item.get("topologyComplete") is True,
        )
    return summary.as_json()


def _late(name: str, operation: str) -> Problem:
    message = f"the table {name} did not answer in time"
    return problem_of(
        "QueryDeadline", "DeadlineExceeded", message, Scope("", ""), service="dynamodb", operation=operation
    )
