"""Which servers of which target are extended from which staging account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from service.aws.client import AwsClient
from service.models import Now, Scope
from service.queries.answer import Answer, answer_of
from service.queries.asked import ScopesAsked
from service.queries.ground import GroundKeeper
from service.queries.paging import cut
from service.queries.present import present
from service.queries.reading import QueryDeadline, Reading
from service.regions.status_reader import RegionStatusReader
from service.settings import Settings

__all__ = ["ExtendedQuery", "extended_items"]


class ExtendedQuery:
    """Answers questions for extended servers across accounts; one instance serves many."""

    def __init__(self, aws_client: AwsClient, settings: Settings, status: RegionStatusReader, now: Now) -> None:
        self._settings = settings
        self._now = now
        self._grounds = GroundKeeper(aws_client, settings, status, now)

    async def run(self, asked: ScopesAsked) -> Answer:
        """Answer from the inventory of active regions; roles are assumed for stale scopes only.

        Raises:
            RefusalError: an account asked for is no target.
            ConfigurationError: the target accounts table is not set.
            AwsError: the target accounts could not be read.
        """
        deadline = QueryDeadline.start(self._settings.query_deadline_seconds)
        ground = await self._grounds.prepare(deadline)
        regions, scopes = self._grounds.choose(ground, asked)
        reading = await self._grounds.read(ground, scopes, deadline)
        state = ground.state(reading, asked.accounts)
        servers, counts = _servers(reading)
        fits, now = cut(servers, limit=None), self._now()
        body: dict[str, Any] = {
            "extendedServers": servers[:fits],
            "count": len(servers),
            "byStagingAccount": dict(sorted(Counter(each["stagingAccountId"] for each in servers).items())),
            "regions": list(regions),
            "scopes": [result.as_json(now, servers=counts[result.scope]) for result in reading.results],
            **state,
            "complete": state["complete"] and fits == len(servers),
        }
        if fits < len(servers):
            body["truncated"] = True  # ask for fewer accounts or regions
        return answer_of("get_extended_source_servers", body, reading)


def extended_items(reading: Reading) -> Iterator[tuple[Scope, Mapping[str, Any], Mapping[str, Any]]]:
    """Give each server that another account replicates: where it was seen, its item, and its staging area.

    An area that does not name server and account as text tells of no extension.
    """
    for result in reading.results:
        for item in result.items:
            area = item.get("stagingArea")
            if not isinstance(area, Mapping):
                continue
            named = [area.get(name) for name in ("stagingSourceServerArn", "stagingAccountID")]
            if all(isinstance(each, str) and each for each in named) and named[1] != result.scope.account_id:
                yield result.scope, item, area


def _servers(reading: Reading) -> tuple[list[dict[str, Any]], Counter[Scope]]:
    counts: Counter[Scope] = Counter()
    servers: list[dict[str, Any]] = []
    for scope, item, area in extended_items(reading):
        counts[scope] += 1
        servers.append(_extended(scope, item, area))
    servers.sort(key=lambda each: (each["region"], each["sourceServerArn"], each["stagingAccountId"]))
    return servers, counts


def _extended(scope: Scope, item: Mapping[str, Any], area: Mapping[str, Any]) -> dict[str, Any]:
    shown = present(item)
    extended = {
        "sourceServerID": shown["sourceServerID"],
        "sourceServerArn": shown["sourceServerArn"],
        "stagingSourceServerArn": str(area["stagingSourceServerArn"]),
        "stagingAccountId": str(area["stagingAccountID"]),
        "targetAccountId": scope.account_id,
        "region": scope.region,
        "hostname": shown["hostname"],
        "replicationState": shown["replicationState"],
        "extensionStatus": str(area.get("status") or ""),
    }
    return {**extended, "errorMessage": str(area["errorMessage"])} if area.get("errorMessage") else extended
