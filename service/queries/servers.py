"""Servers query of one region: the older of the two server routes, with its own messages for what DRS refuses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from service.aws.client import AwsClient
from service.aws.dynamodb import TableReader
from service.errors import RefusalError
from service.fanout import prefetch
from service.inventory.posture import Objectives
from service.models import Now, Problem, RegionStatus, Scope
from service.queries.answer import Answer, build_answer
from service.queries.brief import ServerView
from service.queries.context import QueryContext, QueryContextLoader
from service.queries.freshness import StatusView, is_fresh
from service.queries.inventory import present_servers
from service.queries.paging import page_length
from service.queries.params import ScopesParams, ServersParams
from service.queries.presenter import display_state
from service.queries.protection_groups import NO_TABLE, Assignments, read_assignments
from service.queries.query_deadline import QueryDeadline
from service.queries.read_result import DataSource, ReadResult
from service.regions.scope_state import StateRules
from service.regions.status_reader import RegionStatusReader
from service.settings import Settings

__all__ = ["ServersQuery", "failure_of", "refusal_of"]

_log: Final = logging.getLogger(__name__)


class _Refusal(NamedTuple):
    code: str
    status: int
    message: str


# Old clients search the message for these phrases in this order, and take the first that they find: "not initialized",
# "not authorized", "service control policy", "not enabled", "not opted", "rate limit", "unreachable". So a message has
# its own phrase and none that comes before it, and AWS's text stays out of it.
_REFUSALS: Final[Mapping[RegionStatus, _Refusal]] = MappingProxyType(
    {
        # In order of precedence: where several accounts are refused, the first of these is the answer.
        RegionStatus.IAM_PERMISSION_DENIED: _Refusal(
            "REGION_ACCESS_DENIED", 403, "The role of {account} is not authorized to read DRS in {region}"
        ),
        RegionStatus.SCP_DENIED: _Refusal(
            "REGION_ACCESS_DENIED", 403, "A service control policy forbids {account} to read DRS in {region}"
        ),
        RegionStatus.REGION_NOT_ENABLED: _Refusal(
            "REGION_NOT_ENABLED", 400, "The region {region} is not enabled for {account}"
        ),
        RegionStatus.NOT_INITIALIZED: _Refusal(
            "DRS_NOT_INITIALIZED", 400, "DRS is not initialized in {region} for {account}"
        ),
    }
)
_FAILURES: Final[Mapping[RegionStatus, str]] = MappingProxyType(
    {
        RegionStatus.REGION_NOT_OPTED_IN: "{account} has not opted in to the region {region}",
        RegionStatus.THROTTLED: "DRS in {region} keeps {account} to its rate limit; try again later",
        RegionStatus.ENDPOINT_UNREACHABLE: "DRS in {region} is unreachable from here",
    }
)


def refusal_of(status: RegionStatus, scope: Scope) -> RefusalError | None:
    """Build the refusal that a region status stands for; None for a status that refuses nothing."""
    refusal = _REFUSALS.get(status)
    if refusal is None:
        return None
    message = refusal.message.format(account=scope.account_id, region=scope.region)
    details = {"region": scope.region, "initialized": False}
    return RefusalError(refusal.code, message, status=refusal.status, details=details)


def failure_of(problem: Problem, scope: Scope) -> RefusalError:
    """Build the DRS_ERROR of a scope that could not be read now, and may be readable later."""
    text = _FAILURES.get(problem.status, "DRS in {region} could not be read for {account}")
    return RefusalError(
        "DRS_ERROR",
        text.format(account=scope.account_id, region=scope.region),
        status=500,
        details={"region": scope.region, "code": problem.code},
    )


class ServersQuery:
    """Answers queries for the servers of one region; one instance serves many."""

    def __init__(self, aws_client: AwsClient, settings: Settings, status: RegionStatusReader, now: Now) -> None:
        self._aws_client = aws_client
        self._settings = settings
        self._now = now
        self._context_loader = QueryContextLoader(aws_client, settings, status, now)

    async def run(self, params: ServersParams) -> Answer:
        """Answer with every server of the region: from the inventory, or from DRS with the raw records as well.

        With PROTECTION_GROUPS_TABLE, `assignedToProtectionGroup` and `selectable` are those of the protection groups;
        groups that could not be read are problems of the answer. Without it, assignment is null.

        Raises:
            RefusalError: DRS cannot be read there by any requested account; `details` are members of the answer.
            ConfigurationError: the target accounts table is not set.
            AwsError: the target accounts could not be read.
        """
        deadline = QueryDeadline.start(self._settings.query_deadline_seconds)
        async with prefetch(lambda: self._assignments(params, deadline)) as assignments:
            context = await self._context_loader.load(deadline)
            result = await self._read(params, context, deadline)
            assigned = await assignments()
        requested = ScopesParams((params.account,) if params.account else (), (params.region,))
        hubs = {account_id for account_id, account in context.directory.targets.items() if account.is_hub}
        summary = context.summary(result, requested.accounts)
        members = {
            **_members(
                params.region,
                result,
                lambda servers: assigned.apply(servers, hubs),
                Objectives.of(self._settings),
            ),
            **summary,
            "errors": [*summary["errors"], *(problem.as_json() for problem in assigned.problems)],
            **({"assignmentKnown": not assigned.problems} if assigned.is_configured else {}),
        }
        is_whole = context.is_whole(requested.accounts) and not assigned.problems
        return build_answer(
            "get_drs_source_servers",
            members,
            result,
            self._context_loader.completeness(context, requested, result),
            is_empty=not members["servers"],
            is_whole=is_whole and "truncated" not in members,
        )

    async def _assignments(self, params: ServersParams, deadline: QueryDeadline) -> Assignments:
        name = self._settings.protection_groups_table
        if not name:
            return NO_TABLE
        table = TableReader(self._aws_client.hub(), name, self._aws_client.hub_region)
        return await read_assignments(table, params.region, params.current_group, until=deadline.inventory)

    async def _read(self, params: ServersParams, context: QueryContext, deadline: QueryDeadline) -> ReadResult:
        """Read the region for the requested accounts. Raises RefusalError when none of them can read DRS there."""
        if params.account:
            context.require_targets(params.account)
        accounts = (params.account,) if params.account else tuple(context.directory.targets)
        rules = StateRules.of(self._settings, self._now())
        candidates = (Scope(account_id, params.region) for account_id in sorted(accounts))
        scopes = [scope for scope in candidates if not rules.excludes(scope)]
        refused = self._refused_scopes(context.view, scopes)
        if len(refused) < len(scopes):
            # Another account may answer. Then an account that was refused is read again, so that it becomes a problem
            # of the answer; one without servers is left out.
            refused = {scope: status for scope, status in refused.items() if status.settles_count}
        result = await self._context_loader.read(
            context, tuple(scope for scope in scopes if scope not in refused), deadline
        )
        try:
            _raise_without_answer(refused, result)
        except RefusalError as refusal:
            hint = self._settings.region_hint(params.region)
            raise _with_hint(refusal, hint) if hint else refusal from None
        return result

    def _refused_scopes(self, view: StatusView, scopes: list[Scope]) -> dict[Scope, RegionStatus]:
        """Return the scopes whose recent status is a refusal, so that a call to DRS would be refused as well."""
        now = self._now()
        statuses = {scope: self._recent_refusal(view, scope, now) for scope in scopes}
        return {scope: status for scope, status in statuses.items() if status is not None}

    def _recent_refusal(self, view: StatusView, scope: Scope, now: datetime) -> RegionStatus | None:
        entry = view.entry(scope)
        if entry is None or entry.status not in _REFUSALS:
            return None
        is_recent = is_fresh(entry.last_checked, now, self._settings.inventory_fresh_seconds)
        return entry.status if is_recent else None


def _raise_without_answer(refused: Mapping[Scope, RegionStatus], result: ReadResult) -> None:
    """Raise when no scope has an answer: a failure that may pass first, then the refusal of highest precedence."""
    statuses = dict(refused)
    for each in result.results:
        if each.status is not None and each.status in _REFUSALS:
            statuses[each.scope] = each.status
        elif each.problem is None or each.source is not DataSource.NONE:
            return
        else:
            _log.warning("DRS could not be read", extra={"problem": each.problem.as_json()})
            raise failure_of(each.problem, each.scope)
    for status in _REFUSALS:
        scope = next((scope for scope, refused_as in statuses.items() if refused_as is status), None)
        refusal = refusal_of(status, scope) if scope else None
        if refusal is not None:
            raise refusal


def _with_hint(refusal: RefusalError, hint: str) -> RefusalError:
    return RefusalError(refusal.code, f"{refusal.message}; {hint}", status=refusal.status, details=refusal.details)


def _members(
    region: str,
    result: ReadResult,
    assign: Callable[[list[ServerView]], list[ServerView]],
    objectives: Objectives,
) -> dict[str, Any]:
    servers = assign(present_servers(result, objectives))
    has_records = result.source != DataSource.INVENTORY
    if has_records:
        servers = [display_state(server) for server in servers]
    records = [record for each in result.results for record in each.records]
    end = page_length(servers, limit=None)
    members: dict[str, Any] = {"servers": servers[:end], "region": region, "serverCount": len(servers)}
    if end < len(servers):
        members["truncated"] = True  # the inventory route has pages
    elif has_records and page_length([*servers, *records], limit=None) == len(servers) + len(records):
        members["sourceServers"] = records
    return members
