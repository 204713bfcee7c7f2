"""Reads scopes: from the inventory where it is fresh, from DRS where it is not, and says which.

The one place where questions touch AWS. What a scope cannot give is a trouble beside the others' answers, and a whole
reading ends in time: an account or region that hangs costs only itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Final

import anyio

from service.accounts.access import AccountAccess
from service.aws.client import AwsClient
from service.aws.drs import DrsReader
from service.aws.dynamodb import Item, TableReader
from service.errors import AwsError
from service.fanout import fan_out
from service.inventory.reading import InventoryReader
from service.models import Now, Problem, RegionStatus, Scope
from service.queries.freshness import Standing, StatusView, Trust, judge_items, standing_of
from service.queries.live import items_of
from service.queries.reading import LATE_ADVICE, QueryDeadline, Reading, Record, ScopeReading, Source
from service.settings import Settings

__all__ = ["ScopeReader"]

_TABLES_AT_ONCE: Final = 16


@dataclass(slots=True)
class _Stock:
    """What the inventory gave, region by region."""

    items: dict[Scope, list[Item]] = field(default_factory=dict)
    unread: dict[str, Problem] = field(default_factory=dict)


class ScopeReader:
    """Reads scopes; one instance serves many questions."""

    def __init__(self, aws_client: AwsClient, settings: Settings, now: Now) -> None:
        self._aws_client = aws_client
        self._settings = settings
        self._now = now

    async def read(
        self, scopes: Sequence[Scope], view: StatusView, access: AccountAccess, deadline: QueryDeadline
    ) -> Reading:
        """Read scopes, all at once. Roles are assumed for those alone that DRS must be asked about."""
        fresh_s, now = self._settings.inventory_fresh_seconds, self._now()
        standings = {scope: standing_of(view, scope, now=now, fresh_s=fresh_s) for scope in scopes}
        wanted = [scope for scope in scopes if not standings[scope].is_empty]
        stock = await self._stock(wanted, deadline)
        for scope in wanted:
            read = scope.region not in stock.unread
            standings[scope] = (
                judge_items(standings[scope], stock.items.get(scope, ()), now=now, fresh_s=fresh_s)
                if read
                else replace(standings[scope], trust=Trust.STALE)
            )
        found: dict[Scope, ScopeReading] = {
            scope: ScopeReading(
                scope, Source.INVENTORY, stock.items.get(scope, ()), last_complete=standing.last_complete
            )
            for scope, standing in standings.items()
            if standing.trust is Trust.FRESH
        }
        found |= await self._live([scope for scope in scopes if scope not in found], standings, stock, access, deadline)
        return Reading(tuple(found[scope] for scope in scopes), tuple(dict.fromkeys(stock.unread.values())))

    async def _stock(self, scopes: Iterable[Scope], deadline: QueryDeadline) -> _Stock:
        """Read the inventory of the regions of these places; a region that cannot be read is named, and no error."""
        stock, name = _Stock(), self._settings.source_server_inventory_table
        accounts: dict[str, set[str]] = {}
        for scope in scopes:
            accounts.setdefault(scope.region, set()).add(scope.account_id)
        if not name:
            unset = Problem("NotConfigured", "SOURCE_SERVER_INVENTORY_TABLE is not set", RegionStatus.ERROR)
            stock.unread = dict.fromkeys(accounts, unset)
            return stock
        reader = InventoryReader(TableReader(self._aws_client.hub(), name, self._aws_client.hub_region))

        async def read(region: str) -> None:
            with anyio.CancelScope(deadline=deadline.inventory) as cancel_scope:
                try:
                    by_account = await reader.by_account(region, accounts[region])
                except AwsError as error:
                    stock.unread[region] = replace(error.problem, region="")
                else:
                    stock.items |= {Scope(account_id, region): items for account_id, items in by_account.items()}
            if cancel_scope.cancelled_caught:
                stock.unread[region] = _late(f"the table {name}", "dynamodb", "Query")

        async with fan_out(accounts, read, concurrency=_TABLES_AT_ONCE) as done:
            async for _ in done:
                pass
        return stock

    async def _live(
        self,
        scopes: Collection[Scope],
        standings: Mapping[Scope, Standing],
        stock: _Stock,
        access: AccountAccess,
        deadline: QueryDeadline,
    ) -> dict[Scope, ScopeReading]:
        """Ask DRS about these places; where it does not tell, the inventory's older servers stand in, marked."""
        if not scopes:
            return {}
        unknown = await self._introduce(deadline)

        async def look(scope: Scope) -> ScopeReading:
            if unknown is not None:
                seen = _failed(scope, replace(unknown, account_id=scope.account_id, region=scope.region))
            else:
                seen = await self.ask(scope, access, held=stock.items.get(scope, ()), until=deadline.drs)
            if seen.source is not Source.NONE:
                return seen
            held = stock.items.get(scope, ())
            source = Source.STALE if held else Source.NONE
            return replace(seen, source=source, items=held, last_complete=standings[scope].last_complete)

        async with fan_out(scopes, look, concurrency=self._settings.scopes_at_once) as looks:
            return {seen.scope: seen async for seen in looks}

    async def _introduce(self, deadline: QueryDeadline) -> Problem | None:
        """Learn who we are before many ask for it at once; what stands in the way, stands in the way of all."""
        with anyio.CancelScope(deadline=deadline.drs):
            try:
                await self._aws_client.identity()
            except AwsError as error:
                return error.problem
            return None
        return _late("STS", "sts", "GetCallerIdentity")

    async def ask(
        self, scope: Scope, access: AccountAccess, *, held: Sequence[Mapping[str, Any]] = (), until: float
    ) -> ScopeReading:
        """Ask DRS for the servers of a place. A region where DRS is not in use has none: that is an answer.

        Args:
            place: the account and region.
            access: gives the right to ask.
            held: what the inventory holds of them; from there come EC2's facts and the original topology.
            until: when to give up, by the event loop's clock.
        """
        began, records = self._now(), list[Record]()
        with anyio.CancelScope(deadline=until) as cancel_scope:
            try:
                session = await access.session(scope.account_id)
                pages = DrsReader(session, page_size=self._settings.drs_page_size).source_servers(scope.region)
                async with aclosing(pages):
                    async for page in pages:
                        records.extend(page)
            except AwsError as error:
                unused = error.call.service == "drs" and error.error_class.status is RegionStatus.NOT_INITIALIZED
                if records or not unused:
                    return _failed(scope, replace(error.problem, account_id=scope.account_id, region=scope.region))
                return ScopeReading(scope, Source.DRS, last_complete=began, status=RegionStatus.NOT_INITIALIZED)
        if cancel_scope.cancelled_caught:
            late = _late("DRS", "drs", "DescribeSourceServers")
            return _failed(scope, replace(late, account_id=scope.account_id, region=scope.region))
        live = items_of(records, held, scope, now=began)
        return ScopeReading(
            scope,
            Source.DRS,
            live.items,
            live.records,
            last_complete=began,
            rejected=live.rejected,
            status=RegionStatus.ACTIVE,
        )


def _failed(scope: Scope, problem: Problem) -> ScopeReading:
    return ScopeReading(scope, Source.NONE, problem=problem, status=problem.status)


def _late(who: str, service: str, operation: str) -> Problem:
    return Problem(
        "DeadlineExceeded", f"{who} did not answer in time", RegionStatus.ERROR, service, operation, advice=LATE_ADVICE
    )
