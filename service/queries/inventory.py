"""The inventory query: servers of accounts and regions, filtered, page by page."""

from __future__ import annotations

from collections import Counter
from typing import Any

from service.aws.client import AwsClient
from service.models import Now
from service.queries.answer import Answer, answer_of
from service.queries.asked import InventoryAsked
from service.queries.ground import GroundKeeper
from service.queries.paging import Cursor, cut, key_of, rest_after, write_token
from service.queries.present import Shown, present
from service.queries.reading import QueryDeadline, Reading, Source
from service.regions.status_reader import RegionStatusReader
from service.settings import Settings

__all__ = ["InventoryQuery", "shown_of"]


class InventoryQuery:
    """Answers questions to the inventory; one instance serves many."""

    def __init__(self, aws_client: AwsClient, settings: Settings, status: RegionStatusReader, now: Now) -> None:
        self._settings = settings
        self._now = now
        self._grounds = GroundKeeper(aws_client, settings, status, now)

    async def run(self, asked: InventoryAsked) -> Answer:
        """Answer a question within QUERY_DEADLINE_SECONDS, with what there is by then.

        A page after the first reads only the regions from which it goes on; scopes and errors are those of the page.

        Raises:
            RefusalError: an account asked for is no target.
            ConfigurationError: the target accounts table is not set.
            AwsError: the target accounts could not be read.
        """
        deadline = QueryDeadline.start(self._settings.query_deadline_seconds)
        ground = await self._grounds.prepare(deadline)
        regions, scopes = self._grounds.choose(ground, asked.scopes)
        if asked.cursor is not None:
            scopes = tuple(scope for scope in scopes if scope.region >= asked.cursor.last.region)
        reading = await self._grounds.read(ground, scopes, deadline)
        body = {
            **self._page(asked, reading),
            "regions": list(regions),
            **ground.state(reading, asked.scopes.accounts),
        }
        return answer_of("get_source_server_inventory", body, reading)

    def _page(self, asked: InventoryAsked, reading: Reading) -> dict[str, Any]:
        servers = [shown for shown in shown_of(reading) if asked.lets_through(shown)]
        counts = Counter((shown["accountId"], shown["region"]) for shown in servers)
        now = self._now()
        rest = rest_after(servers, asked.cursor.last if asked.cursor else None)
        end = cut(rest, limit=asked.limit)
        total = asked.cursor.total if asked.cursor else len(servers)
        page: dict[str, Any] = {
            "servers": [*rest[:end]],
            "count": end,
            "totalCount": total,
            "scopes": [result.as_json(now, servers=counts[result.scope]) for result in reading.results],
        }
        if end < len(rest):
            page["nextToken"] = write_token(Cursor(key_of(rest[end - 1]), total), asked.digest)
        return page


def shown_of(reading: Reading) -> list[Shown]:
    """Give every server of a reading, sorted by region, ARN and staging account; those of an old inventory say so."""
    servers: list[Shown] = []
    for result in reading.results:
        shown = [present(item) for item in result.items]
        if result.source is Source.STALE:
            shown = [{**each, "stale": True} for each in shown]
        servers.extend(shown)
    servers.sort(key=key_of)
    return servers
