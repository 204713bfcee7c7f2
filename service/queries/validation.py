"""Whether an account can serve as a staging account: its role lets us in, and DRS is in use there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import anyio

from service.accounts.records import RoleRef
from service.aws.client import AccountSession, AwsClient, RoleToAssume
from service.aws.drs import DrsReader
from service.errors import AwsError, ConfigurationError, RefusalError
from service.queries.filters import invalid
from service.queries.reading import QueryDeadline
from service.queries.request_models import StagingValidationRequest
from service.settings import Settings

__all__ = ["REPLICATING", "StagingValidation"]

REPLICATING: Final = frozenset({"CONTINUOUS", "INITIAL_SYNC", "RESCAN", "INITIATING", "CREATING_SNAPSHOT", "BACKLOG"})
"""States that count against the 300 servers which an account may replicate per region."""


class StagingValidation:
    """Tries accounts; one instance serves many."""

    def __init__(self, aws_client: AwsClient, settings: Settings) -> None:
        self._aws_client = aws_client
        self._settings = settings

    async def validate_staging_account(self, given: object) -> dict[str, Any]:
        """Assume the role of an account and count its servers in one region. Not to get in is an answer, too.

        Args:
            given: `accountId`, `externalId`, `region`, and `roleArn`, which has a default.

        Raises:
            RefusalError: a parameter is missing or wrong, a role of another account among them; or AWS could not be
                asked at all, which says nothing about the account.
        """
        deadline = QueryDeadline.start(self._settings.query_deadline_seconds)
        with anyio.CancelScope(deadline=deadline.drs):
            try:
                account_id, role, region = await self._parse(given)
            except RefusalError as error:
                error.details["valid"] = False
                raise
            try:
                session = await self._enter(account_id, role)
            except AwsError as error:
                _raise_if_passing(error)
                return {"valid": False, "roleAccessible": False, "error": _text(error)}
            try:
                return await self._count(session, region)
            except AwsError as error:
                _raise_if_passing(error)
                return {"valid": False, "roleAccessible": True, "drsInitialized": False, "error": _text(error)}
        raise _unknown("STS, or DRS in that account and region, did not answer in time")

    async def _parse(self, given: object) -> tuple[str, RoleToAssume, str]:
        request = StagingValidationRequest.parse(given, self._settings)
        account_id, role_arn = request.account_id, request.role_arn
        try:
            partition = (await self._aws_client.identity()).partition
            arn = RoleRef(arn=role_arn, external_id=request.external_id).arn_in(account_id, partition)
        except ConfigurationError:
            expected = f"arn:<partition>:iam::{account_id}:role/<name>, a role of that account"
            raise invalid("roleArn", role_arn, expected) from None
        except AwsError as error:
            raise _unknown(str(error)) from None
        return account_id, RoleToAssume(account_id, arn, request.external_id), request.region

    async def _enter(self, account_id: str, role: RoleToAssume) -> AccountSession:
        if account_id == (await self._aws_client.identity()).account_id:
            return self._aws_client.hub()
        return await self._aws_client.account(role)

    async def _count(self, session: AccountSession, region: str) -> dict[str, Any]:
        total = replicating = 0
        async for page in DrsReader(session, page_size=self._settings.drs_page_size).source_servers(region):
            total += len(page)
            replicating += sum(_replicates(record, session.account_id) for record in page)
        return {
            "valid": True,
            "roleAccessible": True,
            "drsInitialized": True,
            "currentServers": total,
            "replicatingServers": replicating,
            "totalAfter": replicating,
        }


def _replicates(record: Mapping[str, Any], account_id: str) -> bool:
    """Tell whether a server is replicated by this account itself; an extended one is replicated by another."""
    own = record.get("stagingArea", {}).get("stagingAccountID") in {None, "", account_id}
    return own and record.get("dataReplicationInfo", {}).get("dataReplicationState") in REPLICATING


def _raise_if_passing(error: AwsError) -> None:
    """Raise when an error says nothing about the account, and another try may succeed."""
    if error.error_class.retry and not error.error_class.expired:
        raise _unknown(str(error)) from None


def _unknown(text: str) -> RefusalError:
    return RefusalError("INTERNAL_ERROR", text, status=500, details={"error": text, "valid": False})


def _text(error: AwsError) -> str:
    return f"{error.code}: {error.message}"
