"""Access to accounts: the hub with its own credentials, every other account by assuming its role once."""

from __future__ import annotations

from collections.abc import Collection, Container

import anyio

from service.accounts.records import Account, AccountDirectory, RoleRef, parse_account
from service.aws.client import AccountSession, AwsClient
from service.aws.dynamodb import TableReader
from service.aws.operations import Purpose
from service.aws.roles import NamedBy, RoleToAssume
from service.errors import AwsError, ConfigurationError
from service.models import Call, Problem, RegionStatus, Scope

__all__ = ["AccountAccess", "existing_accounts", "read_directory"]


async def read_directory(table: TableReader) -> tuple[AccountDirectory, list[Problem]]:
    """Read the target accounts, all pages. Each record that cannot be used becomes a problem instead of an account.

    Raises:
        AwsError: the table could not be read.
    """
    accounts: list[Account] = []
    problems: list[Problem] = []
    async for item in table.scan():
        try:
            accounts.append(parse_account(item))
        except ConfigurationError as error:
            problems.append(
                Problem(
                    "InvalidAccountRecord", str(error), RegionStatus.ERROR, advice=f"fix the record in {table.name}"
                )
            )
    return AccountDirectory(accounts), problems


async def existing_accounts(table: TableReader, account_ids: Collection[str]) -> frozenset[str]:
    """Return which of these accounts have a record now, including records that cannot be used.

    Raises:
        AwsError: the table could not be read.
    """
    items = await table.get_many({"accountId": account_id} for account_id in sorted(account_ids))
    return frozenset(str(item["accountId"]) for item in items)


class AccountAccess:
    """Sessions for accounts, with one AssumeRole call per account. Failures are cached too.

    Args:
        aws_client: assumes the roles.
        directory: target accounts and staging accounts with their roles.
        writes: sessions for target accounts may write; those for all other accounts never do.
    """

    def __init__(self, aws_client: AwsClient, directory: AccountDirectory, *, writes: bool = False) -> None:
        self._aws_client = aws_client
        self._directory = directory
        self._writes = writes
        self._locks: dict[tuple[str, NamedBy, RoleRef], anyio.Lock] = {}
        self._failures: dict[tuple[str, NamedBy, RoleRef], AwsError] = {}

    def role_of(self, account_id: str) -> RoleRef:
        """Return the role of an account by its record; the default role if it has none."""
        return self._directory.role_of(account_id)

    async def drs_session(self, scope: Scope) -> AccountSession:
        """Return a session for an account that is to call DRS in a region.

        Raises:
            AwsError: this run found DRS of the region unreachable, and the role is not assumed; or as `session`.
        """
        await self._aws_client.require_reachable("drs", "DescribeSourceServers", scope)
        return await self.session(scope.account_id)

    async def session(self, account_id: str, role: RoleRef | None = None) -> AccountSession:
        """Return a session for an account with a record. The hub's own credentials are never used for another account.

        Args:
            account_id: the account.
            role: the role to assume; None: that of the account's record.

        Raises:
            AwsError: no record names the account, or the role could not be assumed; later calls for the account raise
                the same error without a call.
        """
        return await self._session(account_id, _recorded(account_id, self._directory), role)

    async def target_session(self, account_id: str, role: RoleRef | None = None) -> AccountSession:
        """Return a session for a target account, which may write if this access may. Args and raises as `session`."""
        return await self._session(account_id, _recorded(account_id, self._directory.targets), role)

    async def origin_session(self, account_id: str) -> AccountSession:
        """Return a session for the account where a source server of a recorded account came from, as DRS says.

        Where no record names the account, the session can read EC2 instances and nothing else.

        Raises: as `session`, and if ENTER_RECORDED_ACCOUNTS_ONLY forbids to enter the account.
        """
        return await self._session(account_id, NamedBy.RECORD if account_id in self._directory else NamedBy.DRS)

    async def _session(self, account_id: str, named_by: NamedBy, role: RoleRef | None = None) -> AccountSession:
        identity = await self._aws_client.identity()
        if account_id == identity.account_id:
            return self._aws_client.hub()
        role = role or self.role_of(account_id)
        key = (account_id, named_by, role)
        async with self._locks.setdefault(key, anyio.Lock()):
            if key in self._failures:
                raise self._failures[key]
            call = Call("sts", "AssumeRole", account_id, self._aws_client.hub_region)
            try:
                arn = role.arn_in(account_id, identity.partition)
                return await self._aws_client.account(
                    RoleToAssume(account_id, arn, role.external_id, named_by, self._purpose(account_id, named_by))
                )
            except ConfigurationError as error:
                self._failures[key] = AwsError("InvalidAccountRecord", str(error), call)
            except AwsError as error:
                self._failures[key] = error.about(call)
            raise self._failures[key]

    def _purpose(self, account_id: str, named_by: NamedBy) -> Purpose:
        if named_by is NamedBy.DRS:
            return Purpose.ORIGIN
        return Purpose.WRITE if self._writes and account_id in self._directory.targets else Purpose.READ


def _recorded(account_id: str, accounts: Container[str]) -> NamedBy:
    return NamedBy.RECORD if account_id in accounts else NamedBy.NOBODY
