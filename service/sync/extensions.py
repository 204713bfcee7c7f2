"""Which servers of a staging account are not extended into a target yet, in one region: read only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from service.aws.drs import DrsReads
from service.errors import AwsError
from service.inventory.server import name_of_record
from service.models import Call, OddRecord, Problem
from service.sync.extension_plan import Pair, Plan, Unread, extended_arns, plan_extensions, replicating_arns

__all__ = ["QUOTA_CODE", "pair_problem", "read_extended", "read_extended_of", "read_pair", "read_replicating"]

QUOTA_CODE: Final = "ServiceQuotaExceededException"


async def read_pair(pair: Pair, drs: DrsReads, staging_drs: Callable[[], Awaitable[DrsReads]]) -> Plan:
    """Find what of a staging account is not extended yet.

    ListExtensibleSourceServers answers that in one call per 300 servers, without a role in the staging account. Where
    it is denied, both sides are listed and compared. A side that fails holds the pair back.
    """
    try:
        found = await drs.extensible(pair.region, pair.staging)
    except AwsError as error:
        if error.is_drs_uninitialized:
            return plan_extensions(pair, ())  # the staging account does not use DRS here: a complete answer
        if not error.error_class.status.is_denied:
            return plan_extensions(pair, Unread(pair_problem(error, pair)))
        return plan_extensions(pair, await _replicating(pair, staging_drs), await read_extended_of(pair, drs))
    return plan_extensions(pair, [str(record["arn"]) for record in found])


async def _replicating(pair: Pair, staging_drs: Callable[[], Awaitable[DrsReads]]) -> frozenset[str] | Unread:
    try:
        return await read_replicating(await staging_drs(), pair.staging, pair.region)
    except AwsError as error:
        if error.is_drs_uninitialized:
            return frozenset()
        return Unread(pair_problem(error, pair))


async def read_extended_of(pair: Pair, drs: DrsReads) -> frozenset[str] | Unread:
    """Read the servers of a pair's staging account that are extended into its target; a failure is a value."""
    try:
        return await read_extended(drs, pair.target, pair.region, staging_accounts=(pair.staging,))
    except AwsError as error:
        return Unread(pair_problem(error, pair))


async def read_replicating(drs: DrsReads, staging: str, region: str) -> frozenset[str]:
    """Read the ARNs of the servers that a staging account replicates, with its own rights. Raises AwsError."""
    records = [record async for page in drs.source_servers(region) for record in page]
    _require_usable(records, Call("drs", "DescribeSourceServers", staging, region))
    return replicating_arns(records, staging=staging)


async def read_extended(
    drs: DrsReads, target: str, region: str, *, staging_accounts: Sequence[str] = ()
) -> frozenset[str]:
    """Read the ARNs of staging servers extended into a target, of all or some staging accounts. Raises AwsError."""
    pages = drs.source_servers(region, staging_accounts=staging_accounts)
    records = [record async for page in pages for record in page]
    _require_usable(records, Call("drs", "DescribeSourceServers", target, region))
    return extended_arns(records, target=target)


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
