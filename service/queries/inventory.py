"""Inventory query: the servers of accounts and regions, filtered, page by page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from service.aws.client import AwsClient
from service.inventory.posture import Objectives
from service.models import Now
from service.queries.answer import Answer, build_answer
from service.queries.brief import ServerView
from service.queries.context import QueryContextLoader
from service.queries.paging import Cursor, key_of, page_length, servers_after, write_token
from service.queries.params import InventoryParams
from service.queries.presenter import present
from service.queries.query_deadline import QueryDeadline
from service.queries.read_result import DataSource, ReadResult
from service.regions.status_reader import RegionStatusReader
from service.settings import Settings

__all__ = ["OPERATION", "InventoryQuery", "present_servers"]

OPERATION: Final = "get_source_server_inventory"
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

        A page after the first reads only the regions from which it continues; `scopes`, `errors` and completeness are
        of these regions.

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
        from_region = params.cursor.last.region if params.cursor else ""
        scopes = tuple(scope for scope in scopes if scope.region >= from_region)
        result = await self._context_loader.read(context, scopes, deadline)
        page = self._page(params, result, order)
        return build_answer(
            OPERATION,
            {**page, "regions": list(regions), **context.summary(result, params.scopes.accounts)},
            result,
            self._context_loader.completeness(context, params.scopes, result, from_region=from_region),
            is_empty=not page["totalCount"],
            nothing_synced=context.nothing_synced,
            is_whole=context.is_whole(params.scopes.accounts),
        )

    def _page(self, params: InventoryParams, result: ReadResult, order: Order | None) -> dict[str, Any]:
        now = self._now()
        servers = [server for server in present_servers(result, self._objectives) if params.matches(server, now)]
        counts = Counter((server["accountId"], server["region"]) for server in servers)
        remaining = servers_after(servers, params.cursor.last if params.cursor else None)
        if order is not None:
            remaining = sorted(remaining, key=order)
        end = page_length(remaining, limit=params.limit) if order is None else len(remaining[: params.limit])
        total = params.cursor.total if params.cursor else len(servers)
        page: dict[str, Any] = {
            "servers": [*remaining[:end]],
            "count": end,
            "totalCount": total,
            "scopes": [each.as_json(now, servers=counts[each.scope]) for each in result.results],
        }
        if end < len(remaining) and order is None:
            page["nextToken"] = write_token(Cursor(key_of(remaining[end - 1]), total), params.digest)
        return page


def present_servers(result: ReadResult, objectives: Objectives | None = None) -> list[ServerView]:
    """Return every server of a result, sorted by region, ARN and staging account; stale ones have `stale`."""
    servers: list[ServerView] = []
    for scope_result in result.results:
        views = [present(item, objectives) for item in scope_result.items]
        if scope_result.source is DataSource.STALE:
            views = [{**view, "stale": True} for view in views]
        servers.extend(views)
    servers.sort(key=key_of)
    return servers
