"""Staging account validation: can its role be assumed, and is DRS initialised there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import anyio

from service.accounts.access import read_directory
from service.accounts.records import RoleRef
from service.aws.client import AccountSession, AwsClient
from service.aws.drs import DrsReader
from service.aws.roles import NamedBy, RoleToAssume
from service.errors import AwsError, ConfigurationError, RefusalError
from service.models import Scope
from service.queries.answer import Answer
from service.queries.completeness import Completeness
from service.queries.context import targets_table
from service.queries.filters import invalid
from service.queries.query_deadline import QueryDeadline
from service.queries.request_models import StagingValidationRequest
from service.queries.unknown_scopes import UnknownScope
from service.regions.scope_state import ScopeState
from service.settings import Settings

__all__ = ["REPLICATING_STATES", "StagingValidation"]

REPLICATING_STATES: Final = frozenset(
    {"CONTINUOUS", "INITIAL_SYNC", "RESCAN", "INITIATING", "CREATING_SNAPSHOT", "BACKLOG"}
)
"""Replication states of servers that count towards the DRS quota of 300 per account and region."""


class StagingValidation:
    """Validates staging accounts; one instance serves many."""

    def __init__(self, aws_client: AwsClient, settings: Settings) -> None:
        self._aws_client = aws_client
        self._settings = settings

    async def validate_staging_account(self, given: object) -> Answer:
        """Assume the role of an account and count its servers in one region. A denied role or DRS is an answer too.

        The answer is about that one scope, which is unknown if it could not be read.

        Args:
            given: `accountId`, `externalId`, `region`, and `roleArn`, which has a default.

        Raises:
            RefusalError: a parameter is missing or wrong, for example a role of another account; or AWS could not be
                reached, which says nothing about the account.
        """
        self._aws_client.begin_run()
        deadline = QueryDeadline.start(self._settings.query_deadline_seconds)
        with anyio.CancelScope(deadline=deadline.drs):
            try:
                account_id, role, region = await self._parse(given)
            except RefusalError as error:
                error.details["valid"] = False
                raise
            try:
                session = await self._open_session(account_id, role)
            except AwsError as error:
                _raise_if_transient(error)
                return _unread(Scope(account_id, region), error, {"roleAccessible": False})
            try:
                return await self._count(session, region)
            except AwsError as error:
                hint = self._settings.region_hint(region)
                _raise_if_transient(error, hint)
                members = {"roleAccessible": True, "drsInitialized": False}
                return _unread(Scope(account_id, region), error, members, hint)
        raise _not_validated(
            "STS, or DRS in that account and region, did not answer in time. Fix: try again, or raise"
            " QUERY_DEADLINE_SECONDS"
        )

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
            raise _not_validated(str(error)) from None
        try:
            named_by = await self._named_by(account_id)
        except AwsError as error:
            raise _not_validated(str(error)) from None
        return account_id, RoleToAssume(account_id, arn, request.external_id, named_by), request.region

    async def _named_by(self, account_id: str) -> NamedBy:
        """Return who names the account: usually the request, since an account is validated before it is recorded.

        The records are read only where they matter, under ENTER_RECORDED_ACCOUNTS_ONLY.
        """
        if not self._settings.enter_recorded_accounts_only:
            return NamedBy.VALIDATION
        directory, _ = await read_directory(targets_table(self._aws_client, self._settings))
        return NamedBy.RECORD if account_id in directory else NamedBy.VALIDATION

    async def _open_session(self, account_id: str, role: RoleToAssume) -> AccountSession:
        if account_id == (await self._aws_client.identity()).account_id:
            return self._aws_client.hub()
        return await self._aws_client.account(role)

    async def _count(self, session: AccountSession, region: str) -> Answer:
        total = replicating = 0
        async for page in DrsReader(session, page_size=self._settings.drs_page_size).source_servers(region):
            total += len(page)
            replicating += sum(_replicates(record, session.account_id) for record in page)
        members = {
            "valid": True,
            "roleAccessible": True,
            "drsInitialized": True,
            "currentServers": total,
            "replicatingServers": replicating,
            "totalAfter": replicating,
        }
        return Answer(members, Completeness({ScopeState.FRESH: 1}))


def _unread(scope: Scope, error: AwsError, members: Mapping[str, Any], hint: str = "") -> Answer:
    """Build the answer about a scope that could not be read; without an initialised DRS it is known to be empty."""
    members = {"valid": False, **members, "error": _with_hint(f"{error.code}: {error.message}", hint)}
    if error.is_drs_uninitialized:
        return Answer(members, Completeness({ScopeState.EMPTY: 1}))
    unknown = UnknownScope(*scope, problem=error.problem)
    return Answer(members, Completeness({ScopeState.UNKNOWN: 1}, (unknown,)))


def _replicates(record: Mapping[str, Any], account_id: str) -> bool:
    """Whether the account itself replicates a server; an extended server is replicated by another account."""
    own = record.get("stagingArea", {}).get("stagingAccountID") in {None, "", account_id}
    return own and record.get("dataReplicationInfo", {}).get("dataReplicationState") in REPLICATING_STATES


def _raise_if_transient(error: AwsError, hint: str = "") -> None:
    """Raise when an error says nothing about the account because a later try may succeed."""
    if error.error_class.retry and not error.error_class.expired:
        raise _not_validated(_with_hint(str(error), hint)) from None


def _with_hint(text: str, hint: str) -> str:
    return f"{text}; {hint}" if hint else text


def _not_validated(text: str) -> RefusalError:
    return RefusalError("INTERNAL_ERROR", text, status=500, details={"error": text, "valid": False})
