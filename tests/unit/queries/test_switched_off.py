"""A region that its account has switched off, and a session that every region rejects, in a query that reads DRS."""

from __future__ import annotations

import pytest

from service.models import Problem, RegionStatus, Scope
from service.queries.read_result import DataSource, ScopeReadResult
from service.queries.switched_off import settle_switched_off

A, B = "111122223333", "444455556666"
OFF, OTHER = Scope(A, "me-south-1"), Scope(A, "us-west-2")


def failed(
    scope: Scope, status: RegionStatus, service: str = "drs", source: DataSource = DataSource.NONE
) -> ScopeReadResult:
    return ScopeReadResult(scope, source, problem=Problem("Refused", "no", status, service), status=status)


def read(scope: Scope) -> ScopeReadResult:
    return ScopeReadResult(scope, DataSource.DRS, status=RegionStatus.ACTIVE)


@pytest.mark.parametrize("status", [RegionStatus.REGION_NOT_ENABLED, RegionStatus.REGION_NOT_OPTED_IN])
@pytest.mark.parametrize(
    ("other", "settled"),
    [
        (read(OTHER), True),
        (failed(OTHER, RegionStatus.IAM_PERMISSION_DENIED), True),  # only an accepted session is denied a call
        (failed(OTHER, RegionStatus.SCP_DENIED), True),
        (failed(OTHER, RegionStatus.REGION_NOT_ENABLED), False),  # every region rejects the session
        (failed(OTHER, RegionStatus.ENDPOINT_UNREACHABLE), False),
        (failed(OTHER, RegionStatus.IAM_PERMISSION_DENIED, "sts"), False),
        (read(Scope(B, "us-west-2")), False),  # another account's session
        (None, False),
    ],
)
def test_another_region_has_to_accept_the_session(
    status: RegionStatus, other: ScopeReadResult | None, *, settled: bool
) -> None:
    results = {each.scope: each for each in (failed(OFF, status), other) if each is not None}
    after = settle_switched_off(results, ())
    assert {scope: result for scope, result in after.items() if scope != OFF} == {
        scope: result for scope, result in results.items() if scope != OFF
    }
    assert after[OFF].is_complete is settled
    assert (after[OFF].problem is None) is settled


def test_where_servers_are_known_the_failure_stays() -> None:
    results = {OFF: failed(OFF, RegionStatus.REGION_NOT_ENABLED), OTHER: read(OTHER)}
    assert settle_switched_off(results, [OFF]) == results


def test_another_failure_stays() -> None:
    results = {OFF: failed(OFF, RegionStatus.SCP_DENIED), OTHER: read(OTHER)}
    assert settle_switched_off(results, ()) == results
