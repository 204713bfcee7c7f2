"""Inventory query: the servers of accounts and regions, filtered, page by page."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from service.aws.client import AwsClient
from service.inventory.posture import Objectives
from service.models import Now, Scope
from service.queries.answer import Answer, build_answer
from service.queries.brief import ServerView
from service.queries.context import QueryContextLoader
from service.queries.matches import Matches, Order
from service.queries.page_scopes import from_key, plan_page, scope_of
from service.queries.paging import Cursor, Key, item_key, key_of, page_length, write_token
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
        if not params.is_unfiltered or order is not None:
            size = params.limit or (_MAX_PAGE if order is None else None)
            matches = Matches(params, self._objectives, self._now(), size=size, order=order)
            result = await self._context_loader.read(context, scopes, deadline, matches=matches)
            page = self._filtered_page(params, result, matches, is_ordered=order is not None)
        else:
            plan = plan_page(
                scopes,
                context.view,
                cursor=params.cursor,
                needed=params.limit or _MAX_PAGE,
                now=context.rules.now,
                fresh_s=self._settings.inventory_fresh_seconds,
            )
            result = await self._context_loader.read(context, scopes, deadline, plan=plan)
            page = self._plain_page(params, result)
            if plan and not page["count"]:  # the servers that were counted before the end of the page are all gone
                result = await self._context_loader.read(context, scopes, deadline)
                page = self._plain_page(params, result)
        return build_answer(
            OPERATION,
            {**page, "regions": list(regions), **context.summary(result, params.scopes.accounts)},
            result,
            self._context_loader.completeness(context, params.scopes, result, from_region=last.region if last else ""),
            is_empty=not page["totalCount"],
            nothing_synced=context.nothing_synced,
            is_whole=context.is_whole(params.scopes.accounts),
        )

    def _filtered_page(
        self, params: InventoryParams, result: ReadResult, matches: Matches, *, is_ordered: bool
    ) -> dict[str, Any]:
        """Build a page of the servers that match. Where the time was up, the next page goes on from there."""
        cursor, counts = params.cursor, matches.counts
        is_resumed = cursor is not None and cursor.shown is not None
        counted_before = cursor.total if cursor and is_resumed else 0
        total = cursor.total if cursor and not is_resumed else counted_before + counts.total()
        servers = matches.page()
        if is_ordered:
            return self._members(result, servers, counts, total=total)
        ended = next((number for number, each in enumerate(result.results) if each.read_to is not None), None)
        read_to = None if ended is None else result.results[ended].read_to
        if read_to is not None:
            servers = [server for server in servers if key_of(server) <= read_to]
        shown = servers[: page_length(servers, limit=params.limit)]
        following: Cursor | None = None
        if ended is not None and read_to is not None and len(shown) == len(servers) < (params.limit or _MAX_PAGE):
            counted = sum(counts[each.scope] for each in result.results[: ended + 1])
            following = Cursor(read_to, counted_before + counted, result.results[ended].skipped)
        elif shown and (ended is not None or len(shown) < matches.following):
            following = Cursor(key_of(shown[-1]), total)
        return self._members(result, shown, counts, total=total, token=_token(following, params))

    def _plain_page(self, params: InventoryParams, result: ReadResult) -> dict[str, Any]:
        """Build a page without filters: only its own servers are presented, and it ends before what was not read."""
        counts = Counter({each.scope: each.servers for each in result.results})
        total = params.cursor.total if params.cursor else counts.total()
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
        shown = views[: page_length(views, limit=params.limit)]
        following: Cursor | None = None
        if shown and (len(shown) < len(reached) or end is not None):
            last = key_of(shown[-1])
            following = Cursor(last, total, _shown_of_scope(result, last))
        return self._members(result, shown, counts, total=total, token=_token(following, params))

    def _members(
        self,
        result: ReadResult,
        shown: Sequence[Mapping[str, Any]],
        counts: Mapping[Scope, int],
        *,
        total: int,
        token: str = "",
    ) -> dict[str, Any]:
        """Build the members of a page.

        Args:
            result: what was read.
            shown: the servers of the page.
            counts: number of servers that match, by account and region.
            total: number of servers that match.
            token: of the next page; empty if there is none.
        """
        now = self._now()
        page: dict[str, Any] = {
            "servers": [*shown],
            "count": len(shown),
            "totalCount": total,
            "scopes": [each.as_json(now, servers=counts.get(each.scope, 0)) for each in result.results],
        }
        return {**page, "nextToken": token} if token else page


def _token(cursor: Cursor | None, params: InventoryParams) -> str:
    return write_token(cursor, params.digest) if cursor else ""


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
