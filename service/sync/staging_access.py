"""What a staging sync and the functions it is made of work with: accounts, their roles, and the regions to look in."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from service.accounts.access import AccountAccess
from service.accounts.records import RoleRef
from service.aws.drs import DrsReader
from service.aws.drs_write import DrsWriter
from service.context import RunContext, SyncRequest
from service.models import Scope
from service.regions.scope_state import known_count
from service.sync.engine.sync import Deps

__all__ = ["ChosenRegions", "StagingAccess", "staging_context"]


async def staging_context(deps: Deps, request: SyncRequest, *, operation: str, writes: bool) -> RunContext:
    """Read accounts and region status, and select scopes: a region with servers of any target, for every target.

    Without region status every region is selected. Raises as `ContextLoader.load`.
    """
    return await deps.context_loader().load(request, operation=operation, discover=False, writes=writes, shared=True)


@dataclass(frozen=True, slots=True)
class ChosenRegions:
    """The regions in which to look for servers of an account.

    Attributes:
        names: of the regions, in order.
        were_given: the caller named them, so each must be read.
        known_active: regions in which the account itself has servers, by region status.
    """

    names: tuple[str, ...]
    were_given: bool
    known_active: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class StagingAccess:
    """DRS of target and staging accounts, as one run or one caller may use it.

    Attributes:
        deps: what every run works with.
        accounts: sessions for accounts with a record.
    """

    deps: Deps
    accounts: AccountAccess

    async def reader(self, account_id: str, role_arn: str, external_id: str) -> DrsReader:
        """Return DRS of a recorded account, to read. An empty role or external id is that of the record.

        Raises:
            AwsError: no record names the account, or it cannot be entered.
        """
        return self.deps.drs(await self.accounts.session(account_id, self._role(account_id, role_arn, external_id)))

    async def writer(self, target_account_id: str, role_arn: str, external_id: str) -> DrsWriter:
        """Return DRS of a target account, to write. Args and raises as `reader`."""
        role = self._role(target_account_id, role_arn, external_id)
        return DrsWriter(await self.accounts.target_session(target_account_id, role))

    async def choose_regions(self, account_id: str, given: Collection[str], *, operation: str) -> ChosenRegions:
        """Return the regions that the caller named; if none, those that a staging sync scans for an account.

        A staging account is looked for where the sync scans its targets.

        Raises:
            ConfigurationError: the target accounts table is not set.
            AwsError: it could not be read.
        """
        if given:
            return ChosenRegions(tuple(sorted(set(given))), were_given=True)
        context = await staging_context(self.deps, SyncRequest(), operation=operation, writes=False)
        targets = context.directory.targets_of(account_id) or context.accounts
        selection = context.selection
        return ChosenRegions(
            tuple(sorted({scope.region for scope in selection.scopes if scope.account_id in targets})),
            were_given=False,
            known_active=frozenset(scope.region for scope in selection.known_active if scope.account_id == account_id),
        )

    async def known_count(self, scope: Scope) -> int | None:
        """Return the server count of a scope by region status; None where it has none, or cannot be read."""
        return known_count(await self.deps.status.rows(), scope)

    def _role(self, account_id: str, role_arn: str, external_id: str) -> RoleRef:
        recorded = self.accounts.role_of(account_id)
        return replace(recorded, arn=role_arn or recorded.arn, external_id=external_id or recorded.external_id)
