"""Client of the queries in these tests: each query gets an AWS client of its own, which refuses every write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from service.aws.client import AwsClient
from service.aws.dynamodb import TableReader
from service.aws.operations import READ_OPERATIONS
from service.models import iso
from service.queries.answer import Answer
from service.queries.estate.query import EstateQuery
from service.queries.extended import ExtendedQuery
from service.queries.inventory import InventoryQuery
from service.queries.request_models import InventoryRequest, ScopesRequest, ServersRequest
from service.queries.servers import ServersQuery
from service.queries.staging import StagingQueries
from service.queries.validation import StagingValidation
from service.regions.status_reader import RegionStatusReader
from service.settings import Settings, load_settings
from tests.support.sandbox import EngineSandbox

Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class QueryDeps:
    """The dependencies of a query."""

    aws_client: AwsClient
    settings: Settings
    status: RegionStatusReader
    now: Now


class QueryClient:
    """Runs queries against a sandbox, at a time taken from its region status table."""

    def __init__(self, sandbox: EngineSandbox) -> None:
        self.sandbox = sandbox
        self._moment: datetime | None = None
        self.calls: dict[tuple[str, str], int] = {}

    def now(self) -> datetime:
        """Return the time of all queries: one minute after the newest scan in the status table when first called."""
        if self._moment is None:
            scans = [
                datetime.fromisoformat(entry["lastComplete"])
                for row in self.sandbox.status().values()
                for entry in row.get("accounts", {}).values()
                if "lastComplete" in entry
            ]
            self._moment = max(scans, default=datetime.now(UTC)) + timedelta(minutes=1)
        return self._moment

    @asynccontextmanager
    async def open(self) -> AsyncIterator[QueryDeps]:
        """Open the dependencies of a query; afterwards `calls` has the calls that were made with them."""
        settings, moment = load_settings(), self.now()
        self.sandbox.calls()
        async with AwsClient(settings, lambda: moment, allowed=READ_OPERATIONS) as aws_client:
            name = settings.drs_region_status_table
            status = RegionStatusReader(
                TableReader(aws_client.hub(), name, aws_client.hub_region) if name else None,
                lambda: moment,
                cache_s=60,
                timeout_s=60,
            )
            yield QueryDeps(aws_client, settings, status, lambda: moment)
        self.calls = dict(self.sandbox.calls())

    async def inventory(self, **given: Any) -> Answer:
        """Run the inventory query with the parameters of a query string."""
        async with self.open() as deps:
            query = InventoryQuery(deps.aws_client, deps.settings, deps.status, deps.now)
            return await query.run(InventoryRequest.parse(given, deps.settings).params)

    async def servers(self, **given: Any) -> Answer:
        """Run the query for the servers of a region."""
        async with self.open() as deps:
            query = ServersQuery(deps.aws_client, deps.settings, deps.status, deps.now)
            return await query.run(ServersRequest.parse(given, deps.settings).params)

    async def extended(self, **given: Any) -> Answer:
        """Run the query for extended servers."""
        async with self.open() as deps:
            query = ExtendedQuery(deps.aws_client, deps.settings, deps.status, deps.now)
            return await query.run(ScopesRequest.parse(given, deps.settings).scopes)

    async def estate(self, **given: Any) -> Answer:
        """Run the estate query."""
        async with self.open() as deps:
            query = EstateQuery(deps.aws_client, deps.settings, deps.status, deps.now)
            return await query.run(ScopesRequest.parse(given, deps.settings).scopes)

    @asynccontextmanager
    async def staging(self) -> AsyncIterator[StagingQueries]:
        """Open the queries about staging accounts."""
        async with self.open() as deps:
            yield StagingQueries(deps.aws_client, deps.settings, deps.status, deps.now)

    async def validate(self, given: object) -> Answer:
        """Validate a staging account."""
        async with self.open() as deps:
            return await StagingValidation(deps.aws_client, deps.settings).validate_staging_account(given)

    def age(self, account_id: str, region: str, seconds: float) -> None:
        """Set the last complete scan of a scope to so many seconds before the time of the queries."""
        moment = self.now() - timedelta(seconds=seconds)
        self.sandbox.table("DRS_REGION_STATUS_TABLE").update_item(
            Key={"region": region},
            UpdateExpression="SET accounts.#account.lastComplete = :then",
            ExpressionAttributeNames={"#account": account_id},
            ExpressionAttributeValues={":then": iso(moment)},
        )

    @property
    def calls_beyond_tables(self) -> dict[str, int]:
        """The calls to services other than DynamoDB, by operation."""
        return {name: count for (service, name), count in self.calls.items() if service in {"drs", "sts", "ec2"}}


async def synced(sandbox: EngineSandbox) -> QueryClient:
    """Sync every scope of the sandbox, and return a client whose time is one minute later."""
    await sandbox.sync(full_scan=True)
    client = QueryClient(sandbox)
    client.now()
    return client
