"""Sessions for the accounts from which servers come: those that no record names are entered only if DRS names them.

The inventory table names candidates only. Other programs can write that table, and they must not be able to choose the
accounts in which the hub assumes a role.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import anyio

from service.accounts.access import AccountAccess
from service.accounts.records import AccountDirectory
from service.aws.client import AccountSession
from service.aws.drs import DrsReader
from service.error_codes import facts_of
from service.errors import AwsError
from service.inventory.server import SourceServer, parse_server
from service.models import Call, Scope

__all__ = ["OriginAccess"]


class OriginAccess:
    """Enters the accounts of source instances.

    Args:
        access: sessions for accounts.
        directory: the accounts that records name.
        witnesses: for each account a few ARNs of source servers that come from it, by the inventory.
        drs_of: makes a DRS reader of a session.
        hub_region: for errors.
    """

    def __init__(
        self,
        access: AccountAccess,
        directory: AccountDirectory,
        witnesses: Mapping[str, Sequence[str]],
        drs_of: Callable[[AccountSession], DrsReader],
        hub_region: str,
    ) -> None:
        self._access = access
        self._directory = directory
        self._witnesses = witnesses
        self._drs_of = drs_of
        self._hub_region = hub_region
        self._locks: dict[str, anyio.Lock] = {}
        self._confirmed: dict[str, AwsError | None] = {}

    async def session(self, account_id: str) -> AccountSession:
        """Return a session for an account; where no record names it, DRS is asked about one of its servers first.

        Raises:
            AwsError: the account could not be entered, DRS does not name it, or DRS could not be asked; later calls for
                the account raise the same error without a call.
        """
        if account_id not in self._directory:
            async with self._locks.setdefault(account_id, anyio.Lock()):
                if account_id not in self._confirmed:
                    self._confirmed[account_id] = await self._objection_to(account_id)
            if (error := self._confirmed[account_id]) is not None:
                raise error
        return await self._access.origin_session(account_id)

    async def _objection_to(self, account_id: str) -> AwsError | None:
        """Return why an account may not be entered; None if DRS names it as the origin of a server."""
        call = Call("sts", "AssumeRole", account_id, self._hub_region)
        message = "not assumed: DRS does not show a server that comes from the account"
        objection = AwsError("AccountNotNamed", message, call)
        for arn in self._witnesses.get(account_id, ()):
            try:
                if await self._comes_from(account_id, arn):
                    return None
            except AwsError as error:
                objection = _unconfirmed(error, arn, call)
        return objection

    async def _comes_from(self, account_id: str, arn: str) -> bool:
        """Ask DRS whether a server comes from an account."""
        parts = arn.split(":")
        scope = Scope(parts[4], parts[3])
        if scope.account_id not in self._directory:
            return False
        session = await self._access.drs_session(scope)
        record = await self._drs_of(session).source_server(scope.region, arn)
        server = parse_server(record, reported_by=scope) if record is not None else ""
        origin = server.origin(scope) if isinstance(server, SourceServer) else None
        return origin is not None and origin.account_id == account_id


def _unconfirmed(error: AwsError, arn: str, call: Call) -> AwsError:
    """Return the error of an account of which DRS could not say whether servers come from it, with cause and fix."""
    parts = arn.split(":")
    message = (
        f"not assumed: DRS in {parts[3]} of {parts[4]} could not confirm that servers come from the account"
        f" ({error.code}: {error.message})"
    )
    facts = {**facts_of(error.call.service, error.call.operation, error.call.account_id, error.message), **error.facts}
    return AwsError(
        error.code,
        message,
        call,
        http_status=error.http_status,
        advice=error.fix,
        error_class=error.error_class,
        facts=facts,
    )
