"""Inventory query: the servers of accounts and regions, filtered, page by page."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from service.aws.client import AwsClient
from service.inventory.posture import Objectives
from service.models import Now, Scope
from service.queries.answer import Answer, build_answer
from service.queries.brief import ServerView
from service.queries.context import QueryContextLoader
from service.queries.page_scopes import WHOLE, from_key, plan_page, scope_of
from service.queries.paging import Cursor, Key, item_key, key_of, page_length, servers_after, write_token
from service.queries.params import InventoryParams
from service.queries.presenter import present
from service.queries.query_deadline import QueryDeadline
from service.queries.read_result import DataSource, ReadResult
from service.regions.status_reader import RegionStatusReader
from service.settings import Settings

__all__ = ["OPERATION", "InventoryQuery", "present_servers"]

OPERATION: Final = "get_source_server_inventory"
_MAX_PAGE: Final = 4000
"""Servers that a page may have that names no limit; more do not fit into a response."""
Order = Callable[[Mapping[str, Any]], Any]


class InventoryQuery:
    """Answers inventory queries; one instance serves many."""

    def __init__(self, aws_client: AwsClient, settings: Settings, status: RegionStatusReader, now: Now) -> None:
        self._settings = settings
        self._objectives = Objectives.of(settings)
        self._now = now
        self._context_loader = QueryContextLoader(aws_client, settings, status, now)

    async def run(self, params: InventoryParams, *, order: Order | None = None) -> Answer:
        """Answer a query within QUERY_DEADLINE_SECONDS, with what could be read by then.

        Without filters, a page reads only its own servers of the scopes that it reaches; the others are counted. A page
        after the first reads only from where it continues; `scopes`, `errors` and completeness are of these scopes and
        regions.

        Args:
            params: the query.
            order: sorts all servers by this key, and gives no token of a next page: it would continue in another order.

        Raises:
            RefusalError: a requested account is not a target.
            ConfigurationError: the target accounts table is not set.
            AwsError: the target accounts could not be read.
        """
        deadline = QueryDeadline.start(self._settings.query_deadline_seconds)
        context = await self._context_loader.load(deadline)
        regions, scopes = self._context_loader.choose(context, params.scopes, OPERATION)
        last = params.cursor.last if params.cursor else None
        scopes = from_key(scopes, last)
        plan = WHOLE
        if params.is_unfiltered and order is None:
            plan = plan_page(
                scopes,
                context.view,
                cursor=params.cursor,
                needed=params.limit or _MAX_PAGE,
                now=context.rules.now,
                fresh_s=self._settings.inventory_fresh_seconds,
            )
        result = await self._context_loader.read(context, scopes, deadline, plan)
        page = self._page(params, result, order)
        if plan and not page["count"]:  # the servers that were counted before the end of the page are all gone
            result = await self._context_loader.read(context, scopes, deadline)
            page = self._page(params, result, order)
        return build_answer(
            OPERATION,
            {**page, "regions": list(regions), **context.summary(result, params.scopes.accounts)},
            result,
            self._context_loader.completeness(context, params.scopes, result, from_region=last.region if last else ""),
            is_empty=not page["totalCount"],
            nothing_synced=context.nothing_synced,
            is_whole=context.is_whole(params.scopes.accounts),
        )

    def _page(self, params: InventoryParams, result: ReadResult, order: Order | None) -> dict[str, Any]:
        if params.is_unfiltered and order is None:
            return self._plain_page(params, result)
        now = self._now()
        servers = [server for server in present_servers(result, self._objectives) if params.matches(server, now)]
        counts = Counter(Scope(server["accountId"], server["region"]) for server in servers)
        remaining = servers_after(servers, params.cursor.last if params.cursor else None)
        if order is not None:
            remaining = sorted(remaining, key=order)
        end = page_length(remaining, limit=params.limit) if order is None else len(remaining[: params.limit])
        return self._members(params, result, remaining[:end], counts, has_more=end < len(remaining) and order is None)

    def _plain_page(self, params: InventoryParams, result: ReadResult) -> dict[str, Any]:
        """Build a page without filters: only its own servers are presented, and it ends before what was not read."""
        counts = Counter({each.scope: each.servers for each in result.results})
        end = next((number for number, each in enumerate(result.results, 1) if each.counted is not None), None)
        reached = [
            (item_key(item), item, each.source is DataSource.STALE)
            for each in result.results[:end]
            for item in each.items
        ]
        reached.sort(key=itemgetter(0))
        if params.cursor:
            reached = reached[bisect_right(reached, params.cursor.last, key=itemgetter(0)) :]
        views = [
            _view(item, self._objectives, is_stale=is_stale)
            for _, item, is_stale in reached[: params.limit or _MAX_PAGE]
        ]
        length = page_length(views, limit=params.limit)
        has_more = length < len(reached) or end is not None
        return self._members(params, result, views[:length], counts, has_more=has_more)

    def _members(
        self,
        params: InventoryParams,
        result: ReadResult,
        shown: Sequence[Mapping[str, Any]],
        counts: Mapping[Scope, int],
        *,
        has_more: bool,
    ) -> dict[str, Any]:
        """Build the members of a page.

        Args:
            params: the query.
            result: what was read.
            shown: the servers of the page.
            counts: number of servers that match, by account and region.
            has_more: another page follows.
        """
        total = params.cursor.total if params.cursor else sum(counts.values())
        now = self._now()
        page: dict[str, Any] = {
            "servers": [*shown],
            "count": len(shown),
            "totalCount": total,
            "scopes": [each.as_json(now, servers=counts.get(each.scope, 0)) for each in result.results],
        }
        if has_more and shown:
            last = key_of(shown[-1])
            cursor = Cursor(last, total, _shown_of_scope(result, last) if params.is_unfiltered else None)
            page["nextToken"] = write_token(cursor, params.digest)
        return page


def _shown_of_scope(result: ReadResult, last: Key) -> int | None:
    """Return how many servers of its account and region come before a server, itself included; None if not known."""
    for each in result.results:
        if each.scope == scope_of(last):
            return each.skipped + sum(item_key(item) <= last for item in each.items)
    return None


def present_servers(result: ReadResult, objectives: Objectives | None = None) -> list[ServerView]:
    """Return every server of a result, sorted by region, ARN and staging account; stale ones have `stale`."""
    servers: list[ServerView] = []
    for scope_result in result.results:
        is_stale = scope_result.source is DataSource.STALE
        servers += [_view(item, objectives, is_stale=is_stale) for item in scope_result.items]
    servers.sort(key=key_of)
    return servers


def _view(item: Mapping[str, Any], objectives: Objectives | None, *, is_stale: bool) -> ServerView:
    view = present(item, objectives)
    return {**view, "stale": True} if is_stale else view
