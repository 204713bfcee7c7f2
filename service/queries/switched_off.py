"""Regions that an account has switched off, as a query that reads DRS finds them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from service.models import Scope
from service.queries.read_result import DataSource, ScopeReadResult
from service.regions.scope_state import SWITCHED_OFF

__all__ = ["settle_switched_off"]


def settle_switched_off(
    results: Mapping[Scope, ScopeReadResult], with_servers: Collection[Scope]
) -> dict[Scope, ScopeReadResult]:
    """Make the failure of a region that its account has switched off a result without servers, as the sync does.

    AWS answers alike for a region that is off and for a session that every region rejects. So it counts as off only
    where another region accepted the account's session, be it to deny the call.

    Args:
        results: what was read of DRS.
        with_servers: scopes where servers are known; there the failure stays.
    """
    accepting = {scope.account_id for scope, result in results.items() if _is_accepted(result)}
    return {
        scope: replace(result, source=DataSource.DRS, problem=None)
        if _is_switched_off(result) and scope.account_id in accepting and scope not in with_servers
        else result
        for scope, result in results.items()
    }


def _is_accepted(result: ScopeReadResult) -> bool:
    problem = result.problem
    return result.source is DataSource.DRS or bool(problem and problem.service == "drs" and problem.status.is_denied)


def _is_switched_off(result: ScopeReadResult) -> bool:
    problem = result.problem
    return problem is not None and problem.service == "drs" and problem.status in SWITCHED_OFF
