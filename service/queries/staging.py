"""Staging account queries: those discovered in DRS, those recorded for a target, and their server counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import anyio

from service.accounts.records import staging_id_problem
from service.aws.client import AwsClient
from service.aws.dynamodb import Item
from service.context import ContextLoader, RunContext, SyncRequest
from service.error_classes import ERROR_CLASSES
from service.errors import AwsError, RefusalError
from service.models import Call, Now, RegionStatus, Scope
from service.queries.answer import Answer, build_answer
from service.queries.completeness import Completeness, all_regions, completeness_of
from service.queries.context import table_timeout, targets_table
from service.queries.extended import extended_items
from service.queries.freshness import StatusView
from service.queries.params import account_param
from service.queries.presenter import present
from service.queries.query_deadline import QueryDeadline
from service.queries.read_result import NOTHING_READ, ReadResult
from service.queries.scope_reader import ScopeReader
from service.queries.validation import REPLICATING_STATES
from service.regions.scope_state import StateRules
from service.regions.selection import StatusUnavailable
from service.regions.status_reader import RegionStatusReader
from service.regions.status_rows import RegionRow
from service.settings import Settings

__all__ = ["StagingQueries"]


class StagingQueries:
    """Answers queries about staging accounts; one instance serves many."""

    def __init__(self, aws_client: AwsClient, settings: Settings, status: RegionStatusReader, now: Now) -> None:
        self._aws_client = aws_client
        self._settings = settings
        self._status = status
        self._now = now
        self._context_loader = ContextLoader(aws_client, settings, status, now)
        self._scopes = ScopeReader(aws_client, settings, now)

    async def get_staging_accounts_direct(self, target: object) -> Answer:
        """Return the staging accounts recorded for a target, unchanged.

        A sync adds the staging accounts that it finds in DRS to the record, so an unknown scope of the target makes the
        answer incomplete.

        Args:
            target: account id of the target.

        Raises:
            RefusalError: the id is missing or wrong, or there is no such target.
            ConfigurationError: the target accounts table is not set.
            AwsError: it could not be read.
        """
        target_id = account_param({"targetAccountId": target}, "targetAccountId")
        deadline = self._begin()
        records = await self._recorded(target_id, deadline)
        rows: tuple[RegionRow, ...] | StatusUnavailable = StatusUnavailable("region status was not read in time")
        with anyio.CancelScope(deadline=deadline.context):
            rows = await self._status.rows()
        members = {"targetAccountId": target_id, "stagingAccounts": records}
        return Answer(members, self._completeness(target_id, StatusView(rows)))

    async def discover_staging_accounts(self, target: object) -> Answer:
        """Discover the accounts that replicate servers of a target, from its extended servers.

        A staging account without extended servers is not found, because DRS of the target does not know it. Where none
        was found and a scope could not be read, the answer is a failure: an empty list would be taken for "none".

        Raises:
            RefusalError: the id is missing or wrong, or there is no such target.
            ConfigurationError: a setting is missing, or the record of the target cannot be used.
            AwsError: the target accounts could not be read, or STS did not confirm the identity of this process.
        """
        target_id = account_param({"targetAccountId": target}, "targetAccountId")
        deadline = self._begin()
        await self._record(target_id, deadline, "TARGET_ACCOUNT_NOT_FOUND")
        result, completeness, view = await self._read(target_id, "discover_staging_accounts", deadline)
        counts = Counter(str(area["stagingAccountID"]) for _, _, area in extended_items(result))
        members = {
            "targetAccountId": target_id,
            "stagingAccounts": [_discovered(account_id, count) for account_id, count in sorted(counts.items())],
            "totalServers": counts.total(),
            "message": _message(len(counts), result),
            "source": result.source,
            "errors": result.errors(),
        }
        return build_answer(
            "discover_staging_accounts",
            members,
            result,
            completeness,
            is_empty=not counts,
            tolerated=_without_servers(result, view),
        )

    async def query_recorded_staging_accounts(self, target: object) -> Answer:
        """Count the servers of the staging accounts recorded for a target; as `query_staging_accounts_from_target`."""
        target_id = account_param({"targetAccountId": target}, "targetAccountId")
        deadline = self._begin()
        return await self._count(target_id, await self._recorded(target_id, deadline), deadline)

    async def query_staging_accounts_from_target(self, target: object, staging: Sequence[Mapping[str, Any]]) -> Answer:
        """Count the servers of each staging account per region, as DRS of the target reports them.

        `accessible` is false when no region of the target could be read; the zeros are then no counts. `error` names
        the regions that could not be read.

        Raises: as `discover_staging_accounts`.
        """
        target_id = account_param({"targetAccountId": target}, "targetAccountId")
        deadline = self._begin()
        await self._record(target_id, deadline, "TARGET_ACCOUNT_NOT_FOUND")
        return await self._count(target_id, staging, deadline)

    async def _count(self, target_id: str, staging: Sequence[Mapping[str, Any]], deadline: QueryDeadline) -> Answer:
        operation = "query_staging_accounts_from_target"
        result, completeness, _ = await self._read(target_id, operation, deadline)
        totals: dict[str, Counter[str]] = defaultdict(Counter)
        replicating: dict[str, Counter[str]] = defaultdict(Counter)
        for scope, item, area in extended_items(result):
            account_id = str(area["stagingAccountID"])
            totals[account_id][scope.region] += 1
            replicating[account_id][scope.region] += present(item)["replicationState"] in REPLICATING_STATES
        accounts = [
            _capacity(record, target_id, totals=totals[account_id], replicating=replicating[account_id], result=result)
            for record in staging
            for account_id in (str(record.get("accountId", "")),)
        ]
        members = {"targetAccountId": target_id, "stagingAccounts": accounts}
        return build_answer(
            operation, members, result, completeness, is_empty=False
        )  # a failed read shows in `accessible`

    def _begin(self) -> QueryDeadline:
        return QueryDeadline.start(self._settings.query_deadline_seconds)

    def _completeness(self, target_id: str, view: StatusView, result: ReadResult = NOTHING_READ) -> Completeness:
        rules = StateRules.of(self._settings, self._now())
        return completeness_of(view, (target_id,), all_regions(view, self._settings), rules, result.results)

    async def _recorded(self, target_id: str, deadline: QueryDeadline) -> list[Any]:
        """Return the staging accounts in the record of a target."""
        accounts = (await self._record(target_id, deadline, "NOT_FOUND")).get("stagingAccounts")
        return accounts if isinstance(accounts, list) else []

    async def _record(self, target_id: str, deadline: QueryDeadline, code: str) -> Item:
        table = targets_table(self._aws_client, self._settings)
        with anyio.CancelScope(deadline=deadline.context):
            record = await table.get({"accountId": target_id})
            if record is None:
                raise RefusalError(
                    code,
                    f"there is no target account {target_id}. Fix: add it to the target accounts first",
                    status=404,
                )
            return record
        raise table_timeout(table, "GetItem", self._aws_client.hub_region)

    async def _read(
        self, target_id: str, operation: str, deadline: QueryDeadline
    ) -> tuple[ReadResult, Completeness, StatusView]:
        """Read the servers of a target in its active regions, and compute what is known about all of them."""
        context: RunContext | None = None
        identity = None
        with anyio.CancelScope(deadline=deadline.context):
            identity = await self._aws_client.identity()
        if identity is None:
            region = self._aws_client.hub_region
            call = Call("sts", "GetCallerIdentity", "hub", region)
            late = ERROR_CLASSES["QueryDeadline"]
            raise AwsError("DeadlineExceeded", "STS did not answer in time", call, error_class=late)
        with anyio.CancelScope(deadline=deadline.context):
            context = await self._context_loader.load(
                SyncRequest(accounts=(target_id,)), operation=operation, discover=False, full_scan_if_none_active=True
            )
        if context is None:
            raise table_timeout(targets_table(self._aws_client, self._settings), "Scan", self._aws_client.hub_region)
        scopes = tuple(sorted(context.selection.scopes))
        view = StatusView(context.rows)
        result = await self._scopes.read(scopes, view, context.access, deadline)
        return result, self._completeness(target_id, view, result), view


_CLOSED: Final = frozenset({RegionStatus.SCP_DENIED, RegionStatus.ENDPOINT_UNREACHABLE})


def _without_servers(result: ReadResult, view: StatusView) -> set[Scope]:
    """Return scopes that a policy or the network closes and where no servers are known: a sound set-up has such."""
    closed = (each for each in result.results if each.problem and each.problem.status in _CLOSED and not each.items)
    entries = {each.scope: view.entry(each.scope) for each in closed}
    return {scope for scope, entry in entries.items() if entry is None or not entry.server_count}


def _discovered(account_id: str, count: int) -> dict[str, Any]:
    return {
        "accountId": account_id,
        "accountName": f"Staging Account {account_id[-4:]}",
        "replicatingServers": count,
        "totalServers": count,
        "serverCount": count,
        "status": "discovered",
    }


def _message(accounts: int, result: ReadResult) -> str:
    unread = _unread_regions(result)
    discovered = f"Discovered {accounts} staging account{'' if accounts == 1 else 's'}"
    return f"{discovered}; could not read {', '.join(unread)}" if unread else discovered


def _unread_regions(result: ReadResult) -> list[str]:
    return sorted({each.scope.region for each in result.results if not each.is_complete})


_NO_REGION_READ: Final = "no region of the target could be read"


def _capacity(
    record: Mapping[str, Any],
    target_id: str,
    *,
    totals: Mapping[str, int],
    replicating: Mapping[str, int],
    result: ReadResult,
) -> dict[str, Any]:
    unread = _unread_regions(result)
    accessible = not result.results or any(each.is_complete for each in result.results)
    account_id = str(record.get("accountId", ""))
    problem = staging_id_problem(record, target_id)
    capacity = {
        "accountId": account_id,
        "accountName": str(record.get("accountName") or f"Staging Account {account_id[-4:]}"),
        "accountType": "staging",
        "replicatingServers": sum(replicating.values()),
        "totalServers": sum(totals.values()),
        "regionalBreakdown": [
            {"region": region, "totalServers": count, "replicatingServers": replicating[region]}
            for region, count in sorted(totals.items())
        ],
        "accessible": accessible and not problem,
    }
    if problem:
        return {**capacity, "error": problem}
    if not unread:
        return capacity
    return {**capacity, "error": f"could not read {', '.join(unread)}" if accessible else _NO_REGION_READ}
