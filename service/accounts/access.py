"""Access to accounts: the hub with its own credentials, every other account by assuming its role once."""

from __future__ import annotations

from collections.abc import Collection

import anyio

from service.accounts.records import Account, AccountDirectory, parse_account
from service.aws.client import AccountSession, AwsClient, RoleToAssume
from service.aws.dynamodb import TableReader
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
    """Sessions for accounts, with one AssumeRole call per account. Failures are cached too."""

    def __init__(self, aws_client: AwsClient, directory: AccountDirectory) -> None:
        self._aws_client = aws_client
        self._directory = directory
        self._locks: dict[str, anyio.Lock] = {}
        self._failures: dict[str, AwsError] = {}

    async def drs_session(self, scope: Scope) -> AccountSession:
        """Return a session for an account that is to call DRS in a region.

        Raises:
            AwsError: this run found DRS of the region unreachable, and the role is not assumed; or as `session`.
        """
        await self._aws_client.require_reachable("drs", "DescribeSourceServers", scope)
        return await self.session(scope.account_id)

    async def session(self, account_id: str) -> AccountSession:
        """Return a session for an account. The hub's own credentials are never used for another account.

        Raises:
            AwsError: the role could not be assumed; later calls for the account raise the same error without a call.
        """
        identity = await self._aws_client.identity()
        if account_id == identity.account_id:
            return self._aws_client.hub()
        async with self._locks.setdefault(account_id, anyio.Lock()):
            if account_id in self._failures:
                raise self._failures[account_id]
            role = self._directory.role_of(account_id)
            call = Call("sts", "AssumeRole", account_id, self._aws_client.hub_region)
            try:
                arn = role.arn_in(account_id, identity.partition)
                return await self._aws_client.account(RoleToAssume(account_id, arn, role.external_id))
            except ConfigurationError as error:
                self._failures[account_id] = AwsError("InvalidAccountRecord", str(error), call)
            except AwsError as error:
                self._failures[account_id] = error.about(call)
            raise self._failures[account_id]
