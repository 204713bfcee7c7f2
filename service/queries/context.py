"""What every query starts from: the accounts there are, what the status table says, and the right to ask elsewhere."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import anyio

from service.accounts.access import AccountAccess, read_directory
from service.accounts.records import AccountDirectory
from service.aws.client import AwsClient
from service.aws.dynamodb import TableReader
from service.errors import AwsError, RefusalError
from service.fanout import fan_out
from service.models import Call, Now, Problem, Scope
from service.queries.freshness import StatusView, active_regions, choose_scopes
from service.queries.params import ScopesParams
from service.queries.reading import LATE_ADVICE, QueryDeadline, Reading
from service.queries.scope_reader import ScopeReader
from service.regions.selection import StatusUnavailable
from service.regions.status_reader import RegionStatusReader
from service.regions.status_rows import RegionRow
from service.settings import Settings

__all__ = ["QueryContext", "QueryContextLoader", "targets_table", "too_late"]


@dataclass(frozen=True, slots=True)
class QueryContext:
    """Accounts, region status and access, read for one question. `troubles`: account records that cannot be used."""

    directory: AccountDirectory
    problems: tuple[Problem, ...]
    view: StatusView
    access: AccountAccess

    def check(self, *accounts: str) -> None:
        """Make sure that accounts are targets. Raises RefusalError naming the first that is none."""
        for account_id in accounts:
            if account_id not in self.directory.targets:
                raise RefusalError(
                    "TARGET_ACCOUNT_NOT_FOUND",
                    f"there is no target account {account_id}; add it first",
                    status=404,
                    details={"parameter": "accountId", "value": account_id},
                )

    def state(self, reading: Reading, params: Collection[str]) -> dict[str, Any]:
        """Give what every answer says of itself: `source`, `complete`, `errors`.

        A record that cannot be used hides an account, but not from those who asked for others.

        Args:
            reading: what was read.
            params: the accounts asked for; none means all of them.
        """
        problems = () if params else self.problems
        return {
            "source": reading.source,
            "complete": reading.is_complete and not problems,
            "errors": [*reading.errors(), *(problem.as_json() for problem in problems)],
        }


class QueryContextLoader:
    """Prepares the ground for questions, and reads the scopes that they are about."""

    def __init__(self, aws_client: AwsClient, settings: Settings, status: RegionStatusReader, now: Now) -> None:
        self._aws_client = aws_client
        self._settings = settings
        self._status = status
        self._scopes = ScopeReader(aws_client, settings, now)

    async def prepare(self, deadline: QueryDeadline) -> QueryContext:
        """Read accounts and region status side by side; no call to DRS or STS.

        Raises:
            ConfigurationError: the target accounts table is not set.
            AwsError: it could not be read. Region status that cannot be read is no error.
        """
        table = targets_table(self._aws_client, self._settings)
        rows: list[tuple[RegionRow, ...] | StatusUnavailable] = []
        accounts: list[tuple[AccountDirectory, list[Problem]]] = []

        async def read_rows() -> None:
            with anyio.CancelScope(deadline=deadline.opening):
                rows.append(await self._status.rows())

        async def read_accounts() -> None:
            with anyio.CancelScope(deadline=deadline.opening):
                accounts.append(await read_directory(table))

        async with fan_out((read_rows, read_accounts), lambda read: read(), concurrency=2) as done:
            async for _ in done:
                pass
        if not accounts:
            raise too_late(table, "Scan", self._aws_client.hub_region)
        directory, problems = accounts[0]
        view = StatusView(rows[0] if rows else StatusUnavailable("the region status table did not answer in time"))
        return QueryContext(directory, tuple(problems), view, AccountAccess(self._aws_client, directory))

    def choose(self, context: QueryContext, params: ScopesParams) -> tuple[tuple[str, ...], tuple[Scope, ...]]:
        """Name the regions and the places of a question.

        Raises:
            RefusalError: an account asked for is no target.
        """
        context.check(*params.accounts)
        settings = self._settings
        active = active_regions(context.view, settings.catalog, settings.drs_excluded_regions)
        regions = tuple(sorted(params.regions)) or active
        accounts = params.accounts or tuple(context.directory.targets)
        return regions, choose_scopes(context.view, accounts, regions, asked_for=bool(params.regions))

    async def read(self, context: QueryContext, scopes: tuple[Scope, ...], deadline: QueryDeadline) -> Reading:
        """Read places: from the inventory where it is fresh, else from DRS."""
        return await self._scopes.read(scopes, context.view, context.access, deadline)


def targets_table(aws_client: AwsClient, settings: Settings) -> TableReader:
    """Give the target accounts table. Raises ConfigurationError when it is not set."""
    settings.require("target_accounts_table")
    return TableReader(aws_client.hub(), settings.target_accounts_table, aws_client.hub_region)


def too_late(table: TableReader, operation: str, region: str) -> AwsError:
    """Say that a table did not answer within its share of the time."""
    return AwsError(
        "DeadlineExceeded",
        f"the table {table.name} did not answer in time",
        Call("dynamodb", operation, "hub", region),
        advice=LATE_ADVICE,
    )
