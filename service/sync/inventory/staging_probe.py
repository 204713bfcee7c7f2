"""Servers that wait in staging accounts for a target that has none in a region yet.

The staging sync scans where the table knows of servers. The first server that a staging account replicates in a region
that is new to its target would never be found, so the inventory sync looks for it where it found nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from service.accounts.records import Account
from service.aws.drs import DrsReads
from service.fanout import fan_out
from service.models import Problem
from service.sync.engine.outcome import is_switched_off
from service.sync.extension_plan import Pair, Plan
from service.sync.extensions import read_pair
from service.sync.staging_access import StagingAccess

__all__ = ["Waiting", "find_waiting"]

_PAIRS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Waiting:
    """Whether any staging account has a server to extend, and which of them could not be read."""

    found: bool
    warnings: tuple[Problem, ...] = ()


async def find_waiting(target: Account, region: str, drs: DrsReads, access: StagingAccess) -> Waiting:
    """Read for each staging account of a target whether it has servers that the target lacks in a region.

    One call for each staging account, unless it is denied (see `read_pair`). A region that a staging account has
    switched off has nothing to extend.

    Args:
        target: the account to extend into.
        region: where.
        drs: DRS of the target.
        access: to the staging accounts; used only where the target itself is denied the list.
    """

    async def read(staging_id: str) -> Plan:
        return await read_pair(Pair(target.account_id, staging_id, region), drs, access)

    async with fan_out(sorted(target.staging), read, concurrency=_PAIRS_AT_ONCE) as reads:
        plans = [plan async for plan in reads]
    held_back = [plan.held_back for plan in plans if plan.held_back is not None]
    return Waiting(any(plan.extend for plan in plans), tuple(each for each in held_back if not is_switched_off(each)))
