"""Staging accounts of a target: those that DRS knows, those that are on record, and how full they are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import anyio

from service.aws.client import AwsClient
from service.aws.dynamodb import Item
from service.context import ContextLoader, RunContext, SyncRequest
from service.errors import AwsError, RefusalError
from service.models import Call, Now
from service.queries.answer import Answer, answer_of
from service.queries.asked import account_asked
from service.queries.extended import extended_items
from service.queries.freshness import StatusView
from service.queries.ground import targets_table, too_late
from service.queries.present import present
from service.queries.reading import LATE_ADVICE, QueryDeadline, Reading
from service.queries.scopes import ScopeReader
from service.queries.validation import REPLICATING
from service.regions.status_reader import RegionStatusReader
from service.settings import Settings

__all__ = ["StagingQueries"]


class StagingQueries:
    """Answers questions about staging accounts; one instance serves many."""

    def __init__(self, aws_client: AwsClient, settings: Settings, status: RegionStatusReader, now: Now) -> None:
        self._aws_client = aws_client
        self._settings = settings
        self._context_loader = ContextLoader(aws_client, settings, status, now)
        self._scopes = ScopeReader(aws_client, settings, now)

    def begin(self) -> QueryDeadline:
        """Begin the time of a question that takes more than one of these queries."""
        return QueryDeadline.start(self._settings.query_deadline_seconds)

    async def get_staging_accounts_direct(
        self, target: object, deadline: QueryDeadline | None = None
    ) -> dict[str, Any]:
        """Give the staging accounts on record for a target, as they are.

        Args:
            target: its id.
            deadline: of the question that this is a part of; None for a question of its own.

        Raises:
            RefusalError: the id is missing or wrong, or there is no such target.
            ConfigurationError: the target accounts table is not set.
            AwsError: it could not be read.
        """
        target_id = account_asked({"targetAccountId": target}, "targetAccountId")
        record = await self._record(target_id, deadline or self.begin(), "NOT_FOUND")
        listed = record.get("stagingAccounts")
        return {"targetAccountId": target_id, "stagingAccounts": listed if isinstance(listed, list) else []}

    async def discover_staging_accounts(self, target: object) -> Answer:
        """Name the accounts that replicate servers of a target, as its extended servers tell.

        Staging accounts none of whose servers is extended are not known to DRS.

        Raises:
            RefusalError: the id is missing or wrong, or there is no such target.
            ConfigurationError: a setting is missing, or the record of the target cannot be used.
            AwsError: the target accounts could not be read, or this process has no identity.
        """
        target_id = account_asked({"targetAccountId": target}, "targetAccountId")
        reading = await self._read(target_id, "discover_staging_accounts", self.begin())
        counts = Counter(str(area["stagingAccountID"]) for _, _, area in extended_items(reading))
        body = {
            "targetAccountId": target_id,
            "stagingAccounts": [_discovered(account_id, count) for account_id, count in sorted(counts.items())],
            "totalServers": counts.total(),
            "message": _message(len(counts), reading),
            "source": reading.source,
            "complete": reading.is_complete,
            "errors": reading.errors(),
        }
        return answer_of("discover_staging_accounts", body, reading)

    async def query_staging_accounts_from_target(
        self, target: object, staging: Sequence[Mapping[str, Any]], deadline: QueryDeadline | None = None
    ) -> list[dict[str, Any]]:
        """Count the servers of each staging account, region by region, as the target sees them.

        `accessible` is false when no region of the target could be read; zeros mean nothing then. When some could not
        be read, `error` names them. `deadline` is as in `get_staging_accounts_direct`.

        Raises: as `discover_staging_accounts`.
        """
        target_id = account_asked({"targetAccountId": target}, "targetAccountId")
        reading = await self._read(target_id, "query_staging_accounts_from_target", deadline or self.begin())
        totals: dict[str, Counter[str]] = defaultdict(Counter)
        replicating: dict[str, Counter[str]] = defaultdict(Counter)
        for scope, item, area in extended_items(reading):
            account_id = str(area["stagingAccountID"])
            totals[account_id][scope.region] += 1
            replicating[account_id][scope.region] += present(item)["replicationState"] in REPLICATING
        return [
            _capacity(record, totals[account_id], replicating[account_id], reading)
            for record in staging
            for account_id in (str(record.get("accountId", "")),)
        ]

    async def _record(self, target_id: str, deadline: QueryDeadline, code: str) -> Item:
        table = targets_table(self._aws_client, self._settings)
        with anyio.CancelScope(deadline=deadline.opening):
            record = await table.get({"accountId": target_id})
            if record is None:
                raise RefusalError(code, f"there is no target account {target_id}", status=404)
            return record
        raise too_late(table, "GetItem", self._aws_client.hub_region)

    async def _read(self, target_id: str, operation: str, deadline: QueryDeadline) -> Reading:
        """Read the target's servers in the regions where it has some, as far as known."""
        await self._record(target_id, deadline, "TARGET_ACCOUNT_NOT_FOUND")
        context: RunContext | None = None
        who = None
        with anyio.CancelScope(deadline=deadline.opening):
            who = await self._aws_client.identity()
        if who is None:
            region = self._aws_client.hub_region
            call = Call("sts", "GetCallerIdentity", "hub", region)
            raise AwsError("DeadlineExceeded", "STS did not answer in time", call, advice=LATE_ADVICE)
        with anyio.CancelScope(deadline=deadline.opening):
            context = await self._context_loader.load(
                SyncRequest(accounts=(target_id,)), operation=operation, discover=False
            )
        if context is None:
            raise too_late(targets_table(self._aws_client, self._settings), "Scan", self._aws_client.hub_region)
        scopes = tuple(sorted(context.selection.scopes))
        return await self._scopes.read(scopes, StatusView(context.rows), context.access, deadline)


def _discovered(account_id: str, count: int) -> dict[str, Any]:
    return {
        "accountId": account_id,
        "accountName": f"Staging Account {account_id[-4:]}",
        "replicatingServers": count,
        "totalServers": count,
        "serverCount": count,
        "status": "discovered",
    }


def _message(accounts: int, reading: Reading) -> str:
    lacking = _lacking(reading)
    found = f"Discovered {accounts} staging account{'' if accounts == 1 else 's'}"
    return f"{found}; not read: {', '.join(lacking)}" if lacking else found


def _lacking(reading: Reading) -> list[str]:
    return sorted({result.scope.region for result in reading.results if not result.is_complete})


_NOTHING: Final = "no region of the target could be read"


def _capacity(
    record: Mapping[str, Any], totals: Mapping[str, int], replicating: Mapping[str, int], reading: Reading
) -> dict[str, Any]:
    lacking = _lacking(reading)
    accessible = not reading.results or any(result.is_complete for result in reading.results)
    account_id = str(record.get("accountId", ""))
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
        "accessible": accessible,
    }
    if not lacking:
        return capacity
    return {**capacity, "error": f"could not read {', '.join(lacking)}" if accessible else _NOTHING}
