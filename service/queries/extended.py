"""Extended servers query: which servers of which target are extended from which staging account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from service.aws.client import AwsClient
from service.models import Now, Scope
from service.queries.answer import Answer, build_answer
from service.queries.context import QueryContextLoader
from service.queries.paging import page_length
from service.queries.params import ScopesParams
from service.queries.presenter import present
from service.queries.query_deadline import QueryDeadline
from service.queries.read_result import ReadResult
from service.regions.status_reader import RegionStatusReader
from service.settings import Settings

__all__ = ["OPERATION", "ExtendedQuery", "extended_items"]

OPERATION: Final = "get_extended_source_servers"


class ExtendedQuery:
    """Answers queries for extended servers across accounts; one instance serves many."""

    def __init__(self, aws_client: AwsClient, settings: Settings, status: RegionStatusReader, now: Now) -> None:
        self._settings = settings
        self._now = now
        self._context_loader = QueryContextLoader(aws_client, settings, status, now)

    async def run(self, params: ScopesParams) -> Answer:
        """Answer from the inventory of active regions; roles are assumed for stale scopes only.

        Raises:
            RefusalError: a requested account is not a target.
            ConfigurationError: the target accounts table is not set.
            AwsError: the target accounts could not be read.
        """
        deadline = QueryDeadline.start(self._settings.query_deadline_seconds)
        context = await self._context_loader.load(deadline)
        regions, scopes = self._context_loader.choose(context, params, OPERATION)
        result = await self._context_loader.read(context, scopes, deadline)
        servers, counts = _servers(result)
        end, now = page_length(servers, limit=None), self._now()
        body: dict[str, Any] = {
            "extendedServers": servers[:end],
            "count": len(servers),
            "byStagingAccount": dict(sorted(Counter(each["stagingAccountId"] for each in servers).items())),
            "regions": list(regions),
            "scopes": [each.as_json(now, servers=counts[each.scope]) for each in result.results],
            **context.summary(result, params.accounts),
        }
        if end < len(servers):
            body["truncated"] = True  # this query has no pages: callers request fewer accounts or regions
        return build_answer(
            OPERATION,
            body,
            result,
            self._context_loader.completeness(context, params, result),
            is_empty=not servers,
            nothing_synced=context.nothing_synced,
            is_whole=context.is_whole(params.accounts) and end == len(servers),
        )


def extended_items(result: ReadResult) -> Iterator[tuple[Scope, Mapping[str, Any], Mapping[str, Any]]]:
    """Yield each server that another account replicates: its scope, its item, and its staging area.

    A staging area without a server ARN and an account id, both as text, does not count as an extension.
    """
    for scope_result in result.results:
        for item in scope_result.items:
            area = item.get("stagingArea")
            if not isinstance(area, Mapping):
                continue
            arn, account_id = area.get("stagingSourceServerArn"), area.get("stagingAccountID")
            if not (isinstance(arn, str) and arn and isinstance(account_id, str) and account_id):
                continue
            if account_id != scope_result.scope.account_id:
                yield scope_result.scope, item, area


def _servers(result: ReadResult) -> tuple[list[dict[str, Any]], Counter[Scope]]:
    counts: Counter[Scope] = Counter()
    servers: list[dict[str, Any]] = []
    for scope, item, area in extended_items(result):
        counts[scope] += 1
        servers.append(_extended(scope, item, area))
    servers.sort(key=lambda each: (each["region"], each["sourceServerArn"], each["stagingAccountId"]))
    return servers, counts


def _extended(scope: Scope, item: Mapping[str, Any], area: Mapping[str, Any]) -> dict[str, Any]:
    server = present(item)
    extended = {
        "sourceServerID": server["sourceServerID"],
        "sourceServerArn": server["sourceServerArn"],
        "stagingSourceServerArn": str(area["stagingSourceServerArn"]),
        "stagingAccountId": str(area["stagingAccountID"]),
        "targetAccountId": scope.account_id,
        "region": scope.region,
        "hostname": server["hostname"],
        "replicationState": server["replicationState"],
        "extensionStatus": str(area.get("status") or ""),
    }
    return {**extended, "errorMessage": str(area["errorMessage"])} if area.get("errorMessage") else extended
