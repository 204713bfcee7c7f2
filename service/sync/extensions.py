"""Which servers of a staging account are not extended into a target yet: read only.

`get_extended_source_servers` and `get_staging_account_servers` read the two sides, `read_pair` compares them. A side
that could not be read is an error or `Unread`, never an empty set: what seems to be missing would be extended again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from service.aws.drs import DrsReader, DrsReads, is_server_arn
from service.error_classes import ERROR_CLASSES
from service.errors import AwsError, unconfirmed_empty
from service.fanout import fan_out
from service.inventory.server import name_of_record
from service.models import Call, OddRecord, Problem, Scope
from service.sync.engine.outcome import is_switched_off
from service.sync.extension_plan import Pair, Plan, Unread, extended_arns, plan_extensions, replicating_arns
from service.sync.staging_access import StagingAccess

__all__ = [
    "QUOTA_CODE",
    "get_extended_source_servers",
    "get_staging_account_servers",
    "pair_problem",
    "read_extended_of",
    "read_pair",
]

QUOTA_CODE: Final = "ServiceQuotaExceededException"
_REGIONS_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class _Side:
    """The servers of one account that are extended, or that can be.

    Attributes:
        operation: whose log line tells which regions were chosen.
        account_id: the account.
        role: ARN and external id of the role to assume in it, each empty for that of its record.
        read: reads their ARNs in one region. Raises AwsError.
    """

    operation: str
    account_id: str
    role: tuple[str, str]
    read: Callable[[DrsReader, str], Awaitable[frozenset[str]]]


async def get_extended_source_servers(
    access: StagingAccess,
    target_account_id: str,
    role_arn: str = "",
    external_id: str = "",
    active_regions: Collection[str] = (),
    *,
    staging_accounts: Sequence[str] = (),
) -> set[str]:
    """Read the ARNs of the staging servers that are extended into a target account.

    Args:
        access: to the accounts.
        target_account_id: the target.
        role_arn: the role to assume in it; empty: that of its record.
        external_id: for the role; empty: that of its record.
        active_regions: where; empty: where a staging sync scans the target, by region status.
        staging_accounts: only servers of these; empty for all.

    Raises:
        UnknownScopeError: a region is none, or in another partition.
        ConfigurationError: the target accounts table is not set.
        AwsError: a region could not be read; a result without it would look as if nothing were extended there.
    """

    async def read(drs: DrsReader, region: str) -> frozenset[str]:
        pages = drs.source_servers(region, staging_accounts=staging_accounts)
        records = [record async for page in pages for record in page]
        _require_usable(records, Call("drs", "DescribeSourceServers", target_account_id, region))
        return extended_arns(records, target=target_account_id)

    side = _Side("get_extended_source_servers", target_account_id, (role_arn, external_id), read)
    return await _read_regions(side, active_regions, access)


async def get_staging_account_servers(
    access: StagingAccess,
    staging_account_id: str,
    role_arn: str = "",
    external_id: str = "",
    active_regions: Collection[str] = (),
) -> list[str]:
    """Read the ARNs of the servers that a staging account replicates and that can be extended, with its own rights.

    Args and raises as `get_extended_source_servers`; without regions, where a staging sync scans its targets.
    """

    async def read(drs: DrsReader, region: str) -> frozenset[str]:
        records = [record async for page in drs.source_servers(region) for record in page]
        call = Call("drs", "DescribeSourceServers", staging_account_id, region)
        _require_usable(records, call)
        arns = replicating_arns(records, staging=staging_account_id)
        if odd := sorted(arn for arn in arns if not is_server_arn(arn, staging_account_id, region)):
            raise AwsError("MalformedResponse", f"{odd[0][:100]!r} is not the ARN of a source server there", call)
        return arns

    side = _Side("get_staging_account_servers", staging_account_id, (role_arn, external_id), read)
    return sorted(await _read_regions(side, active_regions, access))


async def _read_regions(side: _Side, given: Collection[str], access: StagingAccess) -> set[str]:
    """Read regions concurrently. Raises the first error by region, if there is any."""
    access.deps.settings.check_regions(given, newer=True)
    drs = await access.reader(side.account_id, *side.role)
    regions = await access.choose_regions(side.account_id, given, operation=side.operation)

    async def read_one(region: str) -> tuple[str, frozenset[str] | AwsError]:
        try:
            return region, await side.read(drs, region)
        except AwsError as error:
            return region, await _nothing_or_error(error, Scope(side.account_id, region), access)

    async with fan_out(regions.names, read_one, concurrency=_REGIONS_AT_ONCE) as results:
        found = dict([result async for result in results])
    arns = {region: result for region, result in found.items() if not isinstance(result, AwsError)}
    failures = {region: result for region, result in found.items() if isinstance(result, AwsError)}
    # AWS answers alike in a region that is switched off and to a session that it rejects everywhere. No caller named
    # these regions, so one that is off has nothing, as for a sync; but only if the account has been read in another.
    off = {region for region, error in failures.items() if is_switched_off(error.problem)} if arns else set()
    if unread := sorted(set(failures) - (set() if regions.were_given else off - regions.known_active)):
        raise failures[unread[0]]
    return set().union(*arns.values())


async def _nothing_or_error(error: AwsError, scope: Scope, access: StagingAccess) -> frozenset[str] | AwsError:
    """Return nothing where DRS is not in use, which one answer proves only if no servers are known there."""
    if not error.is_drs_uninitialized:
        return error
    count = await access.known_count(scope)
    if not count:
        return frozenset()
    problem = unconfirmed_empty(error, scope, count)
    return AwsError(problem.code, problem.message, error.call, error_class=ERROR_CLASSES[problem.error_class])


async def read_pair(pair: Pair, drs: DrsReads, access: StagingAccess) -> Plan:
    """Find what of a staging account is not extended yet.

    ListExtensibleSourceServers answers that in one call per 300 servers, without a role in the staging account. Where
    it is denied, both sides are listed and compared. A side that fails holds the pair back.

    Args:
        pair: target, staging account and region.
        drs: DRS of the target.
        access: to both accounts.
    """
    try:
        found = await drs.extensible(pair.region, pair.staging)
    except AwsError as error:
        if error.is_drs_uninitialized:
            return plan_extensions(pair, ())  # the staging account does not use DRS here: a complete answer
        if not error.error_class.status.is_denied:
            return plan_extensions(pair, Unread(pair_problem(error, pair)))
        return plan_extensions(pair, await _read_replicating_of(pair, access), await read_extended_of(pair, access))
    return plan_extensions(pair, [str(record["arn"]) for record in found])


async def _read_replicating_of(pair: Pair, access: StagingAccess) -> Collection[str] | Unread:
    """Read what a pair's staging account replicates; a failure is a value."""
    try:
        return await get_staging_account_servers(access, pair.staging, active_regions=(pair.region,))
    except AwsError as error:
        return Unread(pair_problem(error, pair))


async def read_extended_of(pair: Pair, access: StagingAccess) -> Collection[str] | Unread:
    """Read the servers of a pair's staging account that are extended into its target; a failure is a value."""
    try:
        return await get_extended_source_servers(
            access, pair.target, active_regions=(pair.region,), staging_accounts=(pair.staging,)
        )
    except AwsError as error:
        return Unread(pair_problem(error, pair))


def _require_usable(records: Iterable[Mapping[str, Any]], call: Call) -> None:
    """Check that all records can be used: any of the others may be the server that is, or must not be, extended.

    Raises:
        AwsError: one has an unexpected structure.
    """
    odd = next((record for record in records if isinstance(record, OddRecord)), None)
    if odd is not None:
        raise AwsError("MalformedResponse", f"{name_of_record(odd)}: {odd.why}", call)


def pair_problem(error: AwsError, pair: Pair) -> Problem:
    """Make the problem of the pair that an error is about; the call may have been made as the staging account."""
    problem = error.problem
    if error.code == QUOTA_CODE:
        problem = error.problem_as("TargetFull", target=f"account {pair.target}")
    elif _may_lack_trust(error, pair):
        problem = error.problem_as("StagingTrust", staging=f"account {pair.staging}", target=f"account {pair.target}")
    message = f"staging account {pair.staging}: {error.message}"
    return replace(problem, account_id=error.call.account_id, region=pair.region, message=message)


def _may_lack_trust(error: AwsError, pair: Pair) -> bool:
    """Whether the staging account may not trust the target: AWS names no policy, or denies the second way to read it.

    The staging account's own servers are only listed when DRS has denied the target the list of what it may extend.
    """
    name = error.error_class.name
    is_second_way = error.call.account_id == pair.staging
    return error.call.service == "drs" and (
        name in {"Denied", "ResourcePolicy"} or (name == "IdentityPolicy" and is_second_way)
    )
