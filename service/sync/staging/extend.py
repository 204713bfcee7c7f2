"""Extension of servers into a target: one call each, and a second read for unclear answers."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from service.aws.drs import is_server_arn
from service.errors import AwsError, RefusalError
from service.fanout import fan_out
from service.models import Problem
from service.sync.extension_plan import Plan, Unread
from service.sync.extensions import QUOTA_CODE, get_extended_source_servers, pair_problem, read_extended_of
from service.sync.staging_access import StagingAccess

__all__ = ["Extension", "ExtensionCounts", "extend_source_server"]

_log = logging.getLogger(__name__)
_MAX_PROBLEMS: Final = 10  # per pair; the log has them all
_ARN_PARTS: Final = 6


async def extend_source_server(
    access: StagingAccess,
    target_account_id: str,
    target_role_arn: str,
    target_external_id: str,
    staging_server_arn: str,
    *,
    looks_up: bool = True,
) -> dict[str, Any]:
    """Extend one server into a target account, in the region of its ARN; success if it is extended already.

    Args:
        access: to the accounts; it must be allowed to write.
        target_account_id: the target.
        target_role_arn: the role to assume in it; empty: that of its record.
        target_external_id: for the role; empty: that of its record.
        staging_server_arn: the server of the staging account.
        looks_up: look up after a refusal whether the server is extended already, which DRS does not say. The sync does
            that itself, once for all servers of a pair.

    Returns:
        `extended` and the new record as `sourceServer`; or `extended` false and `alreadyExtended`.

    Raises:
        RefusalError: the ARN is not that of a source server.
        UnknownScopeError: its region is none, or in another partition.
        AwsError: DRS refused, and the server is not known to be extended already; or no record names the target.
    """
    region, staging = _scope_of(staging_server_arn)
    access.deps.settings.check_regions((region,), newer=True)
    role = (target_role_arn, target_external_id)
    writer = await access.writer(target_account_id, *role)
    try:
        record = await writer.extend(region, staging_server_arn)
    except AwsError as refusal:
        if not looks_up:
            raise
        try:
            extended = await get_extended_source_servers(
                access, target_account_id, *role, (region,), staging_accounts=(staging,)
            )
        except AwsError:
            raise refusal from None  # the caller needs the reason of the first failure, not that of the look-up
        if staging_server_arn not in extended:
            raise refusal from None
        return {"extended": False, "alreadyExtended": True}
    return {"extended": True, "sourceServer": record}


def _scope_of(arn: str) -> tuple[str, str]:
    """Return region and account of a source server's ARN. Raises RefusalError if it is none."""
    parts = arn.split(":")
    if len(parts) < _ARN_PARTS or not is_server_arn(arn, parts[4], parts[3]):
        raise RefusalError("INVALID_PARAMETER", f"{arn[:100]!r} is not the ARN of a source server")
    return parts[3], parts[4]


@dataclass(slots=True)
class ExtensionCounts:
    """What came of one pair's servers so far: each is counted once, as soon as that is known."""

    extended: int = 0
    already: int = 0
    failed: int = 0
    vanished: int = 0
    held_back: int = 0
    is_full: bool = False
    problems: list[Problem] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """The same by the report's names."""
        return {
            "serversExtended": self.extended,
            "serversAlreadyExtended": self.already,
            "serversFailed": self.failed,
            "serversVanished": self.vanished,
            "serversHeldBack": self.held_back,
        }


class _Attempt(Enum):
    EXTENDED = auto()
    UNCLEAR = auto()
    REFUSED = auto()
    NOT_TRIED = auto()


class Extension:
    """Extends what is planned for one pair. `counts` stays true when it is cancelled half-way.

    DRS documents no answer for a server that is extended already, and an answer may be lost on its way. So whatever is
    neither done nor plainly refused is looked up afterwards in the target: what is there counts as done, be it by us or
    by another run at the same time. A refusal that holds for all (denied, quota) ends the pair.
    """

    def __init__(self, plan: Plan, access: StagingAccess) -> None:
        self.counts = ExtensionCounts()
        self._plan = plan
        self._access = access
        self._refusals: dict[str, AwsError] = {}
        self._is_ended = False

    async def apply(self, *, concurrency: int) -> None:
        """Extend each planned server by one call; never raises because of a server."""
        unclear: dict[str, None] = {}  # in order, and found without a search: each may be one of thousands
        async with fan_out(self._plan.extend, self._extend, concurrency=concurrency) as attempts:
            async for arn, attempt in attempts:
                self.counts.extended += attempt is _Attempt.EXTENDED
                self.counts.failed += attempt is _Attempt.REFUSED
                self.counts.held_back += attempt is _Attempt.NOT_TRIED
                if attempt is _Attempt.UNCLEAR:
                    unclear[arn] = None
        if unclear:
            await self._look_up(unclear)
        self._explain({arn: error for arn, error in self._refusals.items() if arn not in unclear})

    async def _extend(self, arn: str) -> tuple[str, _Attempt]:
        if self._is_ended:
            return arn, _Attempt.NOT_TRIED
        try:
            await extend_source_server(self._access, self._plan.pair.target, "", "", arn, looks_up=False)
        except AwsError as error:
            self._refusals[arn] = error
            if error.error_class.status.is_denied or error.code == QUOTA_CODE:
                self._is_ended = True
                self.counts.is_full = self.counts.is_full or error.code == QUOTA_CODE
                return arn, _Attempt.REFUSED
            return arn, _Attempt.UNCLEAR
        return arn, _Attempt.EXTENDED

    async def _look_up(self, arns: Collection[str]) -> None:
        """Look up in the target what became of servers whose extension failed in an unclear way."""
        present = await read_extended_of(self._plan.pair, self._access)
        if isinstance(present, Unread):
            self.counts.failed += len(arns)
            self.counts.problems.append(present.problem)
            return
        unexplained: dict[str, AwsError] = {}
        for arn in arns:
            error = self._refusals[arn]
            if arn in present:
                self.counts.already += 1
            elif error.code == "ResourceNotFoundException":
                self.counts.vanished += 1  # it left the staging account between the list and the call
            else:
                self.counts.failed += 1
                unexplained[arn] = error
        self._explain(unexplained)

    def _explain(self, errors: Mapping[str, AwsError]) -> None:
        pair = self._plan.pair
        for arn, error in errors.items():
            _log.warning("server not extended", extra={"server": arn, "target": pair.target, "code": error.code})
            if len(self.counts.problems) < _MAX_PROBLEMS:
                self.counts.problems.append(pair_problem(error, pair))
