"""Extending the servers of one staging account into one target, in one region: read, extend, and make sure."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Final

from service.aws.drs import DrsReads
from service.aws.drs_write import DrsWriter
from service.errors import AwsError
from service.fanout import fan_out
from service.models import Problem, RegionStatus, Scope
from service.sync.extension_plan import Pair, Plan, Unread, extended_arns, plan_extensions, replicating_arns

__all__ = ["Extension", "apply_plan", "read_extended", "read_pair", "read_replicating"]

_log = logging.getLogger(__name__)
_QUOTA: Final = "ServiceQuotaExceededException"
_MAX_PROBLEMS: Final = 10  # per pair; the log has them all


@dataclass(slots=True)
class Extension:
    """What became of one pair's servers so far: each is counted once, as soon as its fate is known."""

    extended: int = 0
    already: int = 0
    failed: int = 0
    vanished: int = 0
    held_back: int = 0
    full: bool = False
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


async def read_pair(pair: Pair, drs: DrsReads, staging_drs: Callable[[], Awaitable[DrsReads]]) -> Plan:
    """Find what of a staging account is not extended yet.

    ListExtensibleSourceServers answers that in one call per 300 servers, without a role in the staging account. Where
    it is denied, both sides are listed and compared. A side that fails holds the pair back.
    """
    try:
        found = await drs.extensible(pair.region, pair.staging)
    except AwsError as error:
        if error.error_class.status is RegionStatus.NOT_INITIALIZED:
            return plan_extensions(pair, ())  # the staging account does not use DRS here: a complete answer
        if not error.error_class.status.is_denied:
            return plan_extensions(pair, Unread(_at(error, pair)))
        return plan_extensions(pair, await _replicating(pair, staging_drs), await _extended(pair, drs))
    return plan_extensions(pair, [str(record["arn"]) for record in found if record.get("arn")])


async def _replicating(pair: Pair, staging_drs: Callable[[], Awaitable[DrsReads]]) -> frozenset[str] | Unread:
    try:
        return await read_replicating(await staging_drs(), pair.staging, pair.region)
    except AwsError as error:
        if error.error_class.status is RegionStatus.NOT_INITIALIZED and error.call.service == "drs":
            return frozenset()
        return Unread(_at(error, pair))


async def _extended(pair: Pair, drs: DrsReads) -> frozenset[str] | Unread:
    try:
        return await read_extended(drs, pair.target, pair.region, staging_accounts=(pair.staging,))
    except AwsError as error:
        return Unread(_at(error, pair))


async def read_replicating(drs: DrsReads, staging: str, region: str) -> frozenset[str]:
    """Name the servers that a staging account replicates, seen with its own eyes. Raises AwsError."""
    records = [record async for page in drs.source_servers(region) for record in page]
    return replicating_arns(records, staging=staging)


async def read_extended(
    drs: DrsReads, target: str, region: str, *, staging_accounts: Sequence[str] = ()
) -> frozenset[str]:
    """Name the staging servers extended into a target, all or those of some staging accounts. Raises AwsError."""
    pages = drs.source_servers(region, staging_accounts=staging_accounts)
    records = [record async for page in pages for record in page]
    return extended_arns(records, target=target)


class _Fate(Enum):
    EXTENDED = auto()
    DOUBTFUL = auto()
    REFUSED = auto()
    NOT_TRIED = auto()


async def apply_plan(plan: Plan, drs: DrsReads, writer: DrsWriter, done: Extension, *, concurrency: int) -> None:
    """Extend what is planned, each server by one call, and count it in `done`; never raises for a server's sake.

    DRS documents no answer for a server that is extended already, and an answer may be lost on its way. So whatever is
    neither done nor plainly refused is looked up afterwards in the target: what is there counts as done, be it by us or
    by another run at the same time. A refusal that holds for all (denied, quota) ends the pair.
    """
    pair, refusals = plan.pair, dict[str, AwsError]()
    stop = False

    async def extend(arn: str) -> tuple[str, _Fate]:
        nonlocal stop
        if stop:
            return arn, _Fate.NOT_TRIED
        try:
            await writer.extend(pair.region, arn)
        except AwsError as error:
            refusals[arn] = error
            if error.error_class.status.is_denied or error.code == _QUOTA:
                stop, done.full = True, done.full or error.code == _QUOTA
                return arn, _Fate.REFUSED
            return arn, _Fate.DOUBTFUL
        return arn, _Fate.EXTENDED

    doubtful: list[str] = []
    async with fan_out(plan.extend, extend, concurrency=concurrency) as fates:
        async for arn, fate in fates:
            done.extended += fate is _Fate.EXTENDED
            done.failed += fate is _Fate.REFUSED
            done.held_back += fate is _Fate.NOT_TRIED
            if fate is _Fate.DOUBTFUL:
                doubtful.append(arn)
    if doubtful:
        await _make_sure(pair, doubtful, refusals, drs, done)
    reasons = {arn: error for arn, error in refusals.items() if arn not in doubtful}
    _explain(pair, reasons, done)


async def _make_sure(
    pair: Pair, doubtful: Sequence[str], refusals: dict[str, AwsError], drs: DrsReads, done: Extension
) -> None:
    """Look up in the target what became of servers whose extension failed in an unclear way."""
    present = await _extended(pair, drs)
    if isinstance(present, Unread):
        done.failed += len(doubtful)
        done.problems.append(present.problem)
        return
    unexplained: dict[str, AwsError] = {}
    for arn in doubtful:
        error = refusals[arn]
        if arn in present:
            done.already += 1
        elif error.code == "ResourceNotFoundException":
            done.vanished += 1  # it left the staging account between the list and the call
        else:
            done.failed += 1
            unexplained[arn] = error
    _explain(pair, unexplained, done)


def _explain(pair: Pair, reasons: dict[str, AwsError], done: Extension) -> None:
    for arn, error in reasons.items():
        _log.warning("server not extended", extra={"server": arn, "target": pair.target, "code": error.code})
        if len(done.problems) < _MAX_PROBLEMS:
            done.problems.append(_at(error, pair))


def _at(error: AwsError, pair: Pair) -> Problem:
    """Say which pair suffers; the call may have been made as the staging account."""
    advice = error.error_class.advice
    if error.code == _QUOTA:
        advice = "the target is full in this region: raise its DRS quota, or extend into another target account"
    elif error.error_class.status.is_denied:
        advice = (
            f"let {pair.staging} trust {pair.target} (AWS DRS console, trusted accounts), and grant the role of "
            f"{error.call.account_id} this action"
        )
    scope = Scope(error.call.account_id, pair.region)
    message = f"staging account {pair.staging}: {error.message}"
    return replace(error.problem, account_id=scope.account_id, region=scope.region, advice=advice, message=message)
