"""Query context: the target accounts, region status and account access that a query starts from."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import anyio

from service.accounts.access import AccountAccess, read_directory
from service.accounts.records import AccountDirectory
from service.accounts.registration import add_fix
from service.aws.client import AwsClient
from service.aws.dynamodb import TableReader
from service.error_classes import ERROR_CLASSES
from service.errors import AwsError, RefusalError
from service.fanout import fan_out
from service.models import Call, Now, Problem, Scope
from service.queries.completeness import Completeness, all_regions, completeness_of
from service.queries.freshness import StatusView, active_regions, choose_scopes
from service.queries.matches import Matches
from service.queries.page_scopes import WHOLE, PagePlan
from service.queries.params import ScopesParams
from service.queries.query_deadline import QueryDeadline
from service.queries.read_result import NOTHING_READ, ReadResult
from service.queries.scope_reader import ScopeReader
from service.regions.scope_state import StateRules
from service.regions.selection import ADVICE_OF_FALLBACK, RegionSource, StatusUnavailable
from service.regions.status_reader import RegionStatusReader
from service.regions.status_rows import RegionRow, unreachable_regions
from service.settings import Settings

__all__ = ["QueryContext", "QueryContextLoader", "table_timeout", "targets_table"]

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QueryContext:
    """Accounts, region status and access, read for one query.

    Args:
        directory: the accounts.
        problems: account records that cannot be used.
        view: region status.
        access: opens sessions of the accounts.
        rules: ages and exclusions at the time of the query, the same for what is read and for what is known.
    """

    directory: AccountDirectory
    problems: tuple[Problem, ...]
    view: StatusView
    access: AccountAccess
    rules: StateRules

    @property
    def nothing_synced(self) -> bool:
        """Whether region status is empty: no sync has stored anything yet."""
        return not self.view.rows and not self.view.unavailable

    def require_targets(self, *accounts: str) -> None:
        """Check that accounts are targets. Raises RefusalError naming the first that is not."""
        for account_id in accounts:
            if account_id not in self.directory.targets:
                raise RefusalError(
                    "TARGET_ACCOUNT_NOT_FOUND",
                    f"there is no target account {account_id}. {add_fix(account_id, self.directory.targets)}",
                    status=404,
                    details={"parameter": "accountId", "value": account_id},
                )

    def is_whole(self, requested_accounts: Collection[str]) -> bool:
        """Whether no account is missing. A record that cannot be used counts unless only other accounts are requested.

        Args:
            requested_accounts: the accounts that the query names; none means all of them.
        """
        return bool(requested_accounts) or not self.problems

    def summary(self, result: ReadResult, requested_accounts: Collection[str]) -> dict[str, Any]:
        """Return the members `source` and `errors` of an answer; the arguments are as in `is_whole`."""
        problems = () if requested_accounts else self.problems
        return {
            "source": result.source,
            "errors": [*result.errors(), *(problem.as_json() for problem in problems)],
        }


class QueryContextLoader:
    """Loads the context of queries, and chooses and reads their scopes; one instance serves many."""

    def __init__(self, aws_client: AwsClient, settings: Settings, status: RegionStatusReader, now: Now) -> None:
        self._aws_client = aws_client
        self._settings = settings
        self._status = status
        self._now = now
        self._scopes = ScopeReader(aws_client, settings, now)

    async def load(self, deadline: QueryDeadline) -> QueryContext:
        """Read accounts and region status concurrently; no call to DRS or STS.

        Raises:
            ConfigurationError: the target accounts table is not set.
            AwsError: it could not be read. Region status that cannot be read is no error.
        """
        table = targets_table(self._aws_client, self._settings)
        rows: list[tuple[RegionRow, ...] | StatusUnavailable] = []
        accounts: list[tuple[AccountDirectory, list[Problem]]] = []

        async def read_rows() -> None:
            with anyio.CancelScope(deadline=deadline.context):
                rows.append(await self._status.rows())

        async def read_accounts() -> None:
            with anyio.CancelScope(deadline=deadline.context):
                accounts.append(await read_directory(table))

        async with fan_out((read_rows, read_accounts), lambda read: read(), concurrency=2) as done:
            async for _ in done:
                pass
        if not accounts:
            raise table_timeout(table, "Scan", self._aws_client.hub_region)
        directory, problems = accounts[0]
        view = StatusView(rows[0] if rows else StatusUnavailable("the region status table did not answer in time"))
        self._aws_client.begin_run(unreachable_regions(view.rows.values()))
        access, rules = AccountAccess(self._aws_client, directory), StateRules.of(self._settings, self._now())
        return QueryContext(directory, tuple(problems), view, access, rules)

    def choose(
        self, context: QueryContext, params: ScopesParams, operation: str
    ) -> tuple[tuple[str, ...], tuple[Scope, ...]]:
        """Choose the regions and scopes of a query, and log the choice under its name.

        Raises:
            RefusalError: a requested account is not a target.
        """
        context.require_targets(*params.accounts)
        settings = self._settings
        active = active_regions(context.view, settings.catalog, settings.drs_excluded_regions)
        regions = tuple(sorted(params.regions)) or active
        accounts = params.accounts or tuple(context.directory.targets)
        scopes = choose_scopes(context.view, accounts, regions, context.rules, requested=bool(params.regions))
        _log_choice(context.view, settings, regions, scopes, operation=operation, requested=bool(params.regions))
        return regions, scopes

    def completeness(
        self, context: QueryContext, params: ScopesParams, result: ReadResult = NOTHING_READ, *, from_region: str = ""
    ) -> Completeness:
        """Compute what is known about all scopes of a question.

        Args:
            context: of the query.
            params: the accounts and regions that it names; none means all there are.
            result: what was read.
            from_region: only regions from this one on, for a page that continues there.
        """
        accounts = params.accounts or context.directory.targets
        regions = params.regions or all_regions(context.view, self._settings)
        return completeness_of(
            context.view,
            accounts,
            [region for region in regions if region >= from_region],
            context.rules,
            result.results,
        )

    def scopes_of(self, context: QueryContext, params: ScopesParams) -> tuple[Scope, ...]:
        """Return every scope that a question is about, known or not, by region and account."""
        accounts = sorted(params.accounts or context.directory.targets)
        regions = sorted(params.regions or all_regions(context.view, self._settings))
        return tuple(Scope(account_id, region) for region in regions for account_id in accounts)

    async def read(
        self,
        context: QueryContext,
        scopes: tuple[Scope, ...],
        deadline: QueryDeadline,
        plan: PagePlan = WHOLE,
        matches: Matches | None = None,
    ) -> ReadResult:
        """Read scopes as far as a page needs them: from the inventory where it is fresh, else from DRS."""
        return await self._scopes.read(scopes, context.view, context.access, deadline, plan=plan, matches=matches)


def _log_choice(
    view: StatusView,
    settings: Settings,
    regions: Collection[str],
    scopes: Collection[Scope],
    *,
    operation: str,
    requested: bool,
) -> None:
    """Log which regions a query reads and why, as a sync does: a warning where region status is missing."""
    active = sum(row.server_count > 0 and row.region not in settings.drs_excluded_regions for row in view.rows.values())
    if requested:
        source = RegionSource.REQUESTED
    elif view.unavailable:
        source = RegionSource.FALLBACK_UNAVAILABLE
    elif not view.rows:
        source = RegionSource.FALLBACK_EMPTY
    else:
        source = RegionSource.STATUS_TABLE if active else RegionSource.FULL_SCAN_NONE_ACTIVE
    _log.log(
        logging.WARNING if source.is_fallback else logging.INFO,
        "regions chosen",
        extra={
            "operation": operation,
            "regionSource": str(source),
            "reason": view.unavailable,
            "activeRegions": active if view.rows else None,
            "regions": len(regions),
            "regionsSkipped": len(set(settings.catalog) - set(regions)),
            "scopes": len(scopes),
            **({"advice": ADVICE_OF_FALLBACK} if source.is_fallback else {}),
        },
    )


def targets_table(aws_client: AwsClient, settings: Settings) -> TableReader:
    """Return the target accounts table. Raises ConfigurationError when it is not set."""
    settings.require("target_accounts_table")
    return TableReader(aws_client.hub(), settings.target_accounts_table, aws_client.hub_region)


def table_timeout(table: TableReader, operation: str, region: str) -> AwsError:
    """Build the error of a table that did not answer within its share of the time."""
    return AwsError(
        "DeadlineExceeded",
        f"the table {table.name} did not answer in time",
        Call("dynamodb", operation, "hub", region),
        error_class=ERROR_CLASSES["QueryDeadline"],
    )
