"""Scope reader: the servers of scopes, from the inventory where it is fresh and from DRS where it is not.

This is the one module of the queries that calls DRS. A scope that cannot be read is a problem beside the results of the
others, and everything ends by the query's deadline: an account or region that hangs delays only itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Final

import anyio

from service.accounts.access import AccountAccess
from service.aws.client import AwsClient
from service.aws.drs import DrsReader
from service.aws.dynamodb import Item, TableReader
from service.errors import AwsError, unconfirmed_empty
from service.fanout import fan_out, prefetch
from service.inventory.posture import Objectives
from service.inventory.reader import InventoryReader, ServersPage
from service.models import Now, Problem, RegionStatus, Scope
from service.queries.freshness import Freshness, ScopeFreshness, StatusView, check_items, freshness_of
from service.queries.live import to_items
from service.queries.matches import Matches
from service.queries.page_scopes import WHOLE, PagePlan
from service.queries.presenter import VIEW_ATTRIBUTES
from service.queries.query_deadline import QueryDeadline
from service.queries.read_result import DataSource, ReadResult, Record, ScopeReadResult
from service.queries.scope_problems import failed, late, left_out, with_hint
from service.queries.scope_stream import ScopeStream, Streamed
from service.queries.switched_off import settle_switched_off
from service.queries.values_overlay import StoredValues, live_summary, read_values
from service.settings import Settings

__all__ = ["ScopeReader"]

_TABLE_READS_AT_ONCE: Final = 16


@dataclass(slots=True)
class _Inventory:
    """Inventory items by scope, the pages of the scopes that are read in part, and what could not be read."""

    items: dict[Scope, Sequence[Item]] = field(default_factory=dict)
    pages: dict[Scope, ServersPage] = field(default_factory=dict)
    unread: dict[Scope, Problem] = field(default_factory=dict)


class ScopeReader:
    """Reads the servers of scopes; one instance serves many queries."""

    def __init__(self, aws_client: AwsClient, settings: Settings, now: Now) -> None:
        self._aws_client = aws_client
        self._settings = settings
        self._now = now

    async def read(
        self,
        scopes: Sequence[Scope],
        view: StatusView,
        access: AccountAccess,
        deadline: QueryDeadline,
        *,
        plan: PagePlan = WHOLE,
        matches: Matches | None = None,
    ) -> ReadResult:
        """Read scopes concurrently. A role is assumed only in accounts whose DRS must be read.

        Args:
            scopes: the scopes.
            view: region status.
            access: opens the sessions of the accounts.
            deadline: of the query.
            plan: what the page of the query needs of the scopes.
            matches: collects the servers of a query with filters; then no result has items.
        """
        fresh_s, now = self._settings.inventory_fresh_seconds, self._now()
        freshness_by_scope = {scope: freshness_of(view, scope, now=now, fresh_s=fresh_s) for scope in scopes}
        stored_scopes = [
            scope for scope in scopes if not freshness_by_scope[scope].is_empty and scope not in plan.beyond
        ]
        until = deadline.values if matches else deadline.inventory
        async with prefetch(
            lambda: read_values(self._aws_client, self._settings, stored_scopes, until=until)
        ) as values:
            streamed = Streamed()
            if matches is not None:
                fresh = {
                    scope: freshness_by_scope[scope]
                    for scope in stored_scopes
                    if freshness_by_scope[scope].level is Freshness.FRESH
                }
                streamed = await self._stream(fresh, matches, values, deadline)
            settled = {*streamed.done, *streamed.late}
            unsettled = [scope for scope in stored_scopes if scope not in settled]
            inventory = await self._read_inventory(unsettled, deadline, plan)
            moving = await values()
        for scope in unsettled:
            if scope in inventory.unread:
                freshness_by_scope[scope] = replace(freshness_by_scope[scope], level=Freshness.STALE)
            elif scope not in inventory.pages:
                items = inventory.items.get(scope, ())
                freshness_by_scope[scope] = check_items(freshness_by_scope[scope], items, now=now, fresh_s=fresh_s)
        results = {
            scope: _from_inventory(scope, freshness, inventory, plan)
            for scope, freshness in freshness_by_scope.items()
            if freshness.level is Freshness.FRESH
        }
        results |= streamed.results(freshness_by_scope, self._settings.query_deadline_seconds)
        stale_scopes = [scope for scope in scopes if scope not in results]
        results |= await self._read_stale(stale_scopes, freshness_by_scope, inventory, access, deadline)
        problems = dict.fromkeys((*inventory.unread.values(), *moving.problems))
        seconds = anyio.current_time() - deadline.started_at
        overlaid = [moving.overlay(results[scope]) for scope in scopes]
        if matches is not None:
            overlaid = [each if each.scope in settled else matches.take(each) for each in overlaid]
        return ReadResult(tuple(overlaid), tuple(problems), seconds)

    async def _stream(
        self,
        fresh: Mapping[Scope, ScopeFreshness],
        matches: Matches,
        values: Callable[[], Awaitable[StoredValues]],
        deadline: QueryDeadline,
    ) -> Streamed:
        name = self._settings.source_server_inventory_table
        if not name or not fresh:
            return Streamed()
        reader = InventoryReader(TableReader(self._aws_client.hub(), name, self._aws_client.hub_region))
        return await ScopeStream(reader, matches, values, deadline.inventory).read(fresh)

    async def _read_inventory(self, scopes: Collection[Scope], deadline: QueryDeadline, plan: PagePlan) -> _Inventory:
        """Read the items of scopes; one that cannot be read is listed, and not an error.

        That is one query per region, and one per account in a region that is read in part.
        """
        partly_read = {scope.region for scope in (*plan.beyond, *plan.parts)}
        inventory, name = _Inventory(), self._settings.source_server_inventory_table
        accounts: dict[str, set[str]] = {}
        for scope in scopes:
            accounts.setdefault(scope.region, set()).add(scope.account_id)
        if not name:
            unset = Problem("NotConfigured", "SOURCE_SERVER_INVENTORY_TABLE is not set", RegionStatus.ERROR)
            inventory.unread = dict.fromkeys(scopes, unset)
            return inventory
        reader = InventoryReader(TableReader(self._aws_client.hub(), name, self._aws_client.hub_region))

        async def read(query: tuple[str, Collection[str]]) -> None:
            region, account_ids = query
            problem: Problem | None = None
            with anyio.CancelScope(deadline=deadline.inventory) as cancel_scope:
                try:
                    if not await _read_part(reader, Scope(next(iter(account_ids)), region), plan, inventory):
                        by_account = await reader.by_account(region, account_ids, only=VIEW_ATTRIBUTES)
                        inventory.items |= {Scope(each, region): items for each, items in by_account.items()}
                except AwsError as error:
                    problem = replace(error.problem, region="")
            if cancel_scope.cancelled_caught:
                problem = late(f"the table {name}", "dynamodb", "Query")
            if problem is not None:
                inventory.unread |= {Scope(each, region): problem for each in account_ids}

        queries: list[tuple[str, Collection[str]]] = []
        for region, account_ids in accounts.items():
            queries += [(region, (each,)) for each in account_ids] if region in partly_read else [(region, account_ids)]
        async with fan_out(queries, read, concurrency=_TABLE_READS_AT_ONCE) as done:
            async for _ in done:
                pass
        return inventory

    async def _read_stale(
        self,
        scopes: Collection[Scope],
        freshness_by_scope: Mapping[Scope, ScopeFreshness],
        inventory: _Inventory,
        access: AccountAccess,
        deadline: QueryDeadline,
    ) -> dict[Scope, ScopeReadResult]:
        """Read scopes from DRS; where that fails, the stale items of the inventory are the result, marked as such."""
        if not scopes:
            return {}
        identity_problem = await self._check_identity(deadline)

        async def read(scope: Scope) -> ScopeReadResult:
            stored = inventory.items.get(scope, ())
            if identity_problem is not None:
                result = failed(scope, identity_problem)
            else:
                known = max(len(stored), freshness_by_scope[scope].server_count or 0)
                result = await self._read_drs(scope, access, stored=stored, known=known, until=deadline.drs)
            if result.source is not DataSource.NONE:
                return result
            result = with_hint(result, self._settings.region_hint(scope.region))
            source = DataSource.STALE if stored else DataSource.NONE
            last_complete = freshness_by_scope[scope].last_complete
            return replace(result, source=source, items=stored, last_complete=last_complete)

        async with fan_out(scopes, read, concurrency=self._settings.scopes_at_once) as results:
            read_now = {result.scope: result async for result in results}
        with_servers = {
            scope for scope in scopes if inventory.items.get(scope) or freshness_by_scope[scope].server_count
        }
        return settle_switched_off(read_now, with_servers)

    async def _check_identity(self, deadline: QueryDeadline) -> Problem | None:
        """Call STS once before every scope needs its answer; a problem here is the problem of every scope."""
        with anyio.CancelScope(deadline=deadline.drs):
            try:
                await self._aws_client.identity()
            except AwsError as error:
                return error.problem
            return None
        return late("STS", "sts", "GetCallerIdentity")

    async def _read_drs(
        self, scope: Scope, access: AccountAccess, *, stored: Sequence[Mapping[str, Any]], known: int, until: float
    ) -> ScopeReadResult:
        """Read the servers of a scope from DRS.

        A region where DRS is not initialised has none, which is no problem unless servers are known there.

        Args:
            scope: the account and region.
            access: opens the session of the account.
            stored: inventory items of the scope; tags of EC2 and the original topology are taken from them.
            known: how many servers are known there.
            until: when to give up, by the event loop's clock.
        """
        started_at, records = self._now(), list[Record]()
        with anyio.CancelScope(deadline=until) as cancel_scope:
            try:
                session = await access.drs_session(scope)
                pages = DrsReader(session, page_size=self._settings.drs_page_size).source_servers(scope.region)
                async with aclosing(pages):
                    async for page in pages:
                        records.extend(page)
            except AwsError as error:
                if records or not error.is_drs_uninitialized:
                    return failed(scope, error.problem)
                if known:
                    return failed(scope, unconfirmed_empty(error, scope, known))
                return ScopeReadResult(
                    scope, DataSource.DRS, last_complete=started_at, status=RegionStatus.NOT_INITIALIZED
                )
        if cancel_scope.cancelled_caught:
            return failed(scope, late("DRS", "drs", "DescribeSourceServers"))
        live = to_items(records, stored, scope, now=started_at)
        return ScopeReadResult(
            scope,
            DataSource.DRS,
            live.items,
            live.records,
            last_complete=started_at,
            rejected=live.rejected,
            status=RegionStatus.ACTIVE,
            summary=live_summary(live.records, Objectives.of(self._settings), as_of=started_at),
        )


async def _read_part(reader: InventoryReader, scope: Scope, plan: PagePlan, inventory: _Inventory) -> bool:
    """Read the part of a scope that a page needs; return False where the whole scope must be read. Raises AwsError.

    That is so for a scope without a part, and for one whose inventory proves to lack servers.
    """
    part = plan.parts.get(scope)
    if part is None:
        return False
    after = part.after[1:] if part.after else None
    page = await reader.page(scope, after=after, size=part.size, only=VIEW_ATTRIBUTES)
    if page.is_last and part.shown + len(page.items) < part.stored:
        return False
    inventory.items[scope], inventory.pages[scope] = page.items, page
    return True


def _from_inventory(scope: Scope, freshness: ScopeFreshness, inventory: _Inventory, plan: PagePlan) -> ScopeReadResult:
    page = inventory.pages.get(scope)
    is_cut = scope in plan.beyond or (page is not None and not page.is_last)
    return ScopeReadResult(
        scope,
        DataSource.INVENTORY,
        inventory.items.get(scope, ()),
        last_complete=freshness.last_complete,
        rejected=left_out(scope, freshness),
        counted=freshness.stored if is_cut else None,
        skipped=plan.parts[scope].shown if page is not None else 0,
    )
