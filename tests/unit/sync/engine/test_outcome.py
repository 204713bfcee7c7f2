"""Outcome of a scope, and its observation for the region status table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from service.context import RunContext, SyncRequest
from service.errors import AwsError, unconfirmed_empty
from service.inventory.posture import Objectives
from service.models import Call, Coverage, Problem, RegionStatus, Scope
from service.regions.selection import RegionSource, ScanReason, Selection
from service.regions.status_rows import Observation, merge
from service.settings import Settings
from service.sync.engine.outcome import (
    RejectedTokens,
    ScopeResult,
    UnreachableRegions,
    account_problem,
    late_problem,
    outcome_of,
)
from service.sync.engine.sync import Deps, Run
from service.sync.inventory.doubt import believed_up_to, is_doubtful
from service.sync.inventory.scan import InventoryScan
from service.sync.inventory.sync import observation_of

ACCOUNT: Final = "111122223333"
SCOPE: Final = Scope(ACCOUNT, "us-west-2")
SCANNED_AT: Final = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
ARRIVAL: Final = timedelta(minutes=14)
LATER: Final = datetime(2026, 11, 23, 5, 1, tzinfo=UTC)
UNUSED: Final = cast("Any", None)
C, P, S, F = Coverage.COMPLETE, Coverage.PARTIAL, Coverage.SKIPPED, Coverage.FAILED
COUNTED: Final = {
    "written": "serversWritten",
    "unchanged": "serversUnchanged",
    "removed": "serversRemoved",
    "rejected": "serversRejected",
}
ALL_OF_IT: Final[dict[str, Any]] = {"listed_completely": True, "settled": True}


def scan_of(scope: Scope = SCOPE, **state: Any) -> InventoryScan:
    """Return a scan with these counts and attributes at its end."""
    tools = SimpleNamespace(
        now=lambda: SCANNED_AT,
        latest_arrival=ARRIVAL,
        values_table=None,
        keeps_values_apart=False,
        objectives=Objectives.of(Settings()),
        announcements=SimpleNamespace(has_announced=lambda _: True),
    )
    made = InventoryScan(scope, UNUSED, cast("Any", tools), known_count=None)
    for name, value in state.items():
        if name in COUNTED:
            made.counts[COUNTED[name]] = value
        else:
            setattr(made, name, value)
    return made


def problem(status: RegionStatus, code: str = "Code", service: str = "drs") -> Problem:
    return Problem(code, "text", status, service, "X", ACCOUNT, SCOPE.region)


def ended(
    made: InventoryScan | None, failure: Problem | None, why: ScanReason = ScanReason.ACTIVE
) -> tuple[ScopeResult, Observation | None]:
    known = why is ScanReason.ACTIVE
    if made is None:
        result = outcome_of(SCOPE, failure=failure, known=known, seconds=1.5)
    else:
        result = made.result(failure, known=known, seconds=1.5)
    active = frozenset({SCOPE}) if known else frozenset[Scope]()
    selection = Selection(RegionSource.STATUS_TABLE, "", {SCOPE: why}, (), active)
    context = RunContext(UNUSED, UNUSED, (), UNUSED, frozenset(), (), selection, None)
    deps = Deps(UNUSED, Settings(), UNUSED, lambda: LATER)
    return result, observation_of(result, made, Run(SyncRequest(), deps, context, UNUSED, LATER, UNUSED))


OFF: Final = RegionStatus.REGION_NOT_ENABLED
NOT_OPTED_IN: Final = RegionStatus.REGION_NOT_OPTED_IN
UNINITIALISED: Final = RegionStatus.NOT_INITIALIZED
SCP: Final = RegionStatus.SCP_DENIED
THROTTLED: Final = RegionStatus.THROTTLED
DENIED: Final = RegionStatus.IAM_PERMISSION_DENIED
ERROR: Final = RegionStatus.ERROR
ACTIVE: Final = RegionStatus.ACTIVE


@pytest.mark.parametrize(
    ("state", "failure", "why", "coverage", "status", "count"),
    [
        ({"servers": 4, "written": 1, "unchanged": 3, **ALL_OF_IT}, None, ScanReason.ACTIVE, C, ACTIVE, 4),
        (ALL_OF_IT, None, ScanReason.DISCOVERY, C, ACTIVE, 0),
        # Only details of topology are missing: a warning, and complete.
        ({"servers": 4, "written": 1, "unchanged": 3, **ALL_OF_IT}, THROTTLED, ScanReason.ACTIVE, C, ACTIVE, 4),
        # The listing is complete, the steps after it are not.
        ({"servers": 4, "written": 2, "listed_completely": True}, THROTTLED, ScanReason.ACTIVE, P, ACTIVE, 4),
        ({"listed_completely": True}, ERROR, ScanReason.ACTIVE, P, ACTIVE, 0),
        # The listing is incomplete: what was read does not count.
        ({"servers": 200, "written": 150, "rejected": 2}, THROTTLED, ScanReason.ACTIVE, P, THROTTLED, None),
        ({"servers": 200}, UNINITIALISED, ScanReason.ACTIVE, P, ERROR, None),
        ({"servers": 200}, OFF, ScanReason.DISCOVERY, P, OFF, None),
        ({}, THROTTLED, ScanReason.ACTIVE, F, THROTTLED, None),
        ({}, DENIED, ScanReason.DISCOVERY, F, DENIED, None),
        ({}, ERROR, ScanReason.NEW_ACCOUNT, F, ERROR, None),
        # DRS is not in use there: complete.
        ({"uninitialized": True, "settled": True}, None, ScanReason.ACTIVE, C, UNINITIALISED, 0),
        ({"uninitialized": True, "settled": True}, None, ScanReason.DISCOVERY, C, UNINITIALISED, 0),
        # Not in use, but the items of former servers could not be removed.
        ({"uninitialized": True}, THROTTLED, ScanReason.ACTIVE, P, UNINITIALISED, 0),
        # Switched off: a failure only if servers were known there.
        ({}, OFF, ScanReason.DISCOVERY, S, OFF, None),
        ({}, NOT_OPTED_IN, ScanReason.FULL_SCAN, S, NOT_OPTED_IN, None),
        ({}, OFF, ScanReason.ACTIVE, F, OFF, None),
        ({}, NOT_OPTED_IN, ScanReason.ACTIVE, F, NOT_OPTED_IN, None),
        # Forbidden by a service control policy: alike.
        ({}, SCP, ScanReason.DISCOVERY, S, SCP, None),
        ({}, SCP, ScanReason.NEW_ACCOUNT, S, SCP, None),
        ({}, SCP, ScanReason.ACTIVE, F, SCP, None),
        ({"_stored": {1: 1}}, SCP, ScanReason.DISCOVERY, F, SCP, None),
        ({"_stored": {1: 1}}, OFF, ScanReason.DISCOVERY, F, OFF, None),
        ({"servers": 3, "written": 3}, SCP, ScanReason.DISCOVERY, P, SCP, None),
    ],
)
def test_the_outcome_of_a_scope(
    state: dict[str, Any],
    failure: RegionStatus | None,
    why: ScanReason,
    *,
    coverage: Coverage,
    status: RegionStatus,
    count: int | None,
) -> None:
    result, observation = ended(scan_of(**state), problem(failure) if failure else None, why)
    assert result.coverage is coverage
    in_the_table = sum(state.get(each, 0) for each in ("written", "unchanged", "rejected"))
    assert (result.scope, result.servers, result.seconds) == (SCOPE, in_the_table, 1.5)
    assert observation is not None
    assert (observation.account_id, observation.status, observation.server_count, observation.scanned_at) == (
        ACCOUNT,
        status,
        count,
        SCANNED_AT,
    )
    assert bool(observation.error_message) is (count is None)
    failed = failure is not None and failure is not UNINITIALISED
    assert bool(result.problems or result.warnings) is (failed or coverage is P)
    assert bool(result.problems) is (coverage in {P, F})


def test_a_problem_on_the_way_makes_a_whole_listing_partial_and_its_count_stands() -> None:
    ec2 = problem(DENIED, service="ec2")
    result, observation = ended(scan_of(servers=4, written=4, removed=1, **ALL_OF_IT, problems=[ec2]), None)
    assert (result.coverage, result.problems) == (P, (ec2,))
    assert (result.counts["serversWritten"], result.counts["serversRemoved"]) == (4, 1)
    assert observation == Observation(ACCOUNT, ACTIVE, SCANNED_AT, 4)


def test_the_listings_own_failure_is_what_the_table_records() -> None:
    ec2 = problem(DENIED, "EC2 says no", "ec2")
    result, observation = ended(scan_of(servers=4, problems=[ec2], warnings=[ec2]), problem(THROTTLED, "Slow"))
    assert observation is not None
    assert (observation.status, observation.error_message) == (THROTTLED, "Slow: text")
    assert [each.code for each in result.problems] == ["EC2 says no", "Slow"]


@pytest.mark.parametrize("status", [DENIED, OFF])
def test_a_denial_by_our_own_tables_is_not_recorded_for_the_region(status: RegionStatus) -> None:
    result, observation = ended(scan_of(), problem(status, service="dynamodb"), ScanReason.DISCOVERY)
    assert result.coverage is F
    assert observation is not None
    assert observation.status is ERROR


@pytest.mark.parametrize(
    ("why", "noted"),
    [
        (ScanReason.ACTIVE, True),
        (ScanReason.REQUESTED, True),
        (ScanReason.SCAN_REQUESTED, True),
        (ScanReason.RETRY, True),
        (ScanReason.DISCOVERY, True),  # it counts as scanned, so that discovery goes on to other scopes
        (ScanReason.NEW_ACCOUNT, False),
        (ScanReason.RESUMED, False),
        (ScanReason.FULL_SCAN, False),
    ],
)
def test_an_account_that_cannot_be_entered_fails_everywhere_and_marks_only_what_it_is_known_to_use(
    why: ScanReason, *, noted: bool
) -> None:
    result, observation = ended(None, problem(DENIED, "AccessDenied"), why)
    assert result.coverage is F
    assert len(result.problems) == 1
    expected = Observation(ACCOUNT, DENIED, LATER, None, "AccessDenied: text")
    assert observation == (expected if noted else None)


def test_no_failed_scan_wipes_a_row() -> None:
    row = merge(None, SCOPE.region, [Observation(ACCOUNT, ACTIVE, SCANNED_AT, 40)])
    for status in RegionStatus:
        for state in (dict[str, Any](), dict[str, Any](servers=7)):
            if not (status is UNINITIALISED and not state):
                _, observation = ended(scan_of(**state), problem(status))
                assert observation is not None
                assert merge(row, SCOPE.region, [observation]).server_count == 40


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccessDenied", DENIED),
        ("InvalidClientTokenId", ERROR),
        ("RegionDisabledException", ERROR),
        ("ThrottlingException", ERROR),
        ("InvalidAccountRecord", ERROR),
        ("EndpointUnreachable", ERROR),
    ],
)
def test_an_account_that_cannot_be_entered_is_reported_without_blaming_a_region(
    code: str, status: RegionStatus
) -> None:
    reported = account_problem(AwsError(code, "text", Call("sts", "AssumeRole", ACCOUNT, "us-east-1")))
    assert (reported.status, reported.account_id, reported.region, reported.operation) == (
        status,
        ACCOUNT,
        "",
        "AssumeRole",
    )
    assert reported.advice


def off(region: str) -> ScopeResult:
    return scan_of(Scope(ACCOUNT, region)).result(problem(OFF), known=False, seconds=1.0)


def denied_in(region: str, status: RegionStatus) -> ScopeResult:
    return scan_of(Scope(ACCOUNT, region)).result(problem(status), known=False, seconds=1.0)


def listed_in(region: str) -> ScopeResult:
    return scan_of(Scope(ACCOUNT, region), **ALL_OF_IT).result(None, known=False, seconds=1.0)


def test_a_token_that_another_region_accepts_means_that_the_region_is_off() -> None:
    tokens = RejectedTokens()
    assert tokens.settle(off("r1")) == []
    assert [result.coverage for result in tokens.settle(listed_in("r2"))] == [C, S]
    assert [result.coverage for result in tokens.settle(off("r3"))] == [S]
    assert tokens.rest() == []


def test_a_token_that_every_region_rejects_is_the_accounts_problem() -> None:
    tokens = RejectedTokens()
    assert tokens.settle(off("r1")) == tokens.settle(off("r2")) == []
    rest = tokens.rest()
    assert [result.coverage for result in rest] == [F, F]
    assert {each.status for result in rest for each in result.problems} == {ERROR}
    assert all(not result.warnings for result in rest)


def test_one_region_alone_is_skipped_without_blaming_the_account() -> None:
    tokens = RejectedTokens()
    tokens.settle(off("r1"))
    assert [result.coverage for result in tokens.rest()] == [S]


@pytest.mark.parametrize(("status", "coverage"), [(SCP, S), (DENIED, F)])
def test_a_region_that_denies_the_call_has_accepted_the_token(status: RegionStatus, coverage: Coverage) -> None:
    tokens = RejectedTokens()
    assert tokens.settle(off("r1")) == []
    settled = tokens.settle(denied_in("r2", status))
    assert [result.coverage for result in settled] == [coverage, S]
    assert [each.status for result in settled for each in result.warnings] == ([SCP] if coverage is S else []) + [OFF]
    assert [result.coverage for result in tokens.settle(off("r3"))] == [S]
    assert tokens.rest() == []


def test_other_warnings_of_a_skipped_scope_stay_warnings_whatever_its_token_turns_out_to_be() -> None:
    tokens, other = RejectedTokens(), problem(ACTIVE, "Other")
    for region in ("r1", "r2"):
        made = scan_of(Scope(ACCOUNT, region), warnings=[other])
        assert tokens.settle(made.result(problem(OFF), known=False, seconds=1.0)) == []
    for result in tokens.rest():
        assert (result.coverage, result.warnings) == (F, (other,))
        assert [each.status for each in result.problems] == [ERROR]


DARK: Final = RegionStatus.ENDPOINT_UNREACHABLE


def dark(region: str, account: str = ACCOUNT) -> ScopeResult:
    return scan_of(Scope(account, region)).result(problem(DARK), known=False, seconds=1.0)


def test_a_region_that_cannot_be_reached_is_skipped_where_nothing_is_known_and_failed_elsewhere() -> None:
    result = dark("r1")
    assert (result.coverage, result.problems, result.warnings) == (S, (), (problem(DARK),))
    for made, known in ((scan_of(), True), (scan_of(_stored={1: 1}), False)):
        result = made.result(problem(DARK), known=known, seconds=1.0)
        assert (result.coverage, result.problems, result.warnings) == (F, (problem(DARK),), ())
    refused = scan_of().result(problem(DARK, "CertificateRefused"), known=False, seconds=1.0)
    assert refused.coverage is F  # a wrong setting, which no other region heals
    elsewhere = scan_of().result(problem(DARK, service="dynamodb"), known=False, seconds=1.0)
    assert elsewhere.coverage is F


@pytest.mark.parametrize(
    "reached",
    [listed_in("r2"), denied_in("r2", DENIED), denied_in("r2", SCP), denied_in("r2", OFF), denied_in("r2", THROTTLED)],
    ids=["listed", "denied", "policy", "off", "throttled"],
)
def test_another_region_that_responds_means_that_the_region_is_at_fault(reached: ScopeResult) -> None:
    network = UnreachableRegions()
    assert network.settle(dark("r1")) == network.settle(dark("r1", "444455556666")) == []
    assert [result.coverage for result in network.settle(reached)] == [reached.coverage, S, S]
    assert [result.coverage for result in network.settle(dark("r3"))] == [S]
    assert network.rest() == []


@pytest.mark.parametrize(
    "failure",
    [problem(ERROR, "DeadlineExceeded", ""), problem(DENIED, service="sts"), problem(DARK, "MalformedResponse")],
)
def test_where_no_region_responds_the_network_is_at_fault(failure: Problem) -> None:
    network = UnreachableRegions()
    other = outcome_of(SCOPE, failure=failure, known=True)
    assert network.settle(dark("r1")) == []
    assert network.settle(other) == [other]
    (result,) = network.rest()
    assert (result.coverage, result.problems, result.warnings) == (F, (problem(DARK),), ())


@pytest.mark.parametrize("service", ["dynamodb", "ec2", "sts"])
def test_a_policy_that_denies_another_service_is_a_failure(service: str) -> None:
    assert scan_of().result(problem(SCP, service=service), known=False, seconds=1.0).coverage is F


def test_what_is_unconfirmed_is_a_failure_without_a_count() -> None:
    error = AwsError("UninitializedAccountException", "no.", Call("drs", "DescribeSourceServers", ACCOUNT, "us-west-2"))
    found = unconfirmed_empty(error, SCOPE, 12)
    result, observation = ended(scan_of(is_unconfirmed_empty=True, problems=[found]), None)
    assert (result.coverage, result.problems, found.status) == (P, (found,), ERROR)
    assert "12 servers" in found.message
    assert found.advice
    text = f"UninitializedAccountException: {found.message}"
    assert observation == Observation(ACCOUNT, ERROR, SCANNED_AT, None, text, is_unconfirmed_empty=True)


@pytest.mark.parametrize(
    ("state", "rescanned"),
    [
        ({"listed_completely": True, "_stored": {1: 1}}, True),
        ({"listed_completely": True, "_known_count": 2}, True),  # counted, though the index shows no item
        ({"uninitialized": True, "_known_count": 2}, True),
        ({"listed_completely": True}, False),  # there never was anything
        ({"uninitialized": True}, False),
        ({"listed_completely": True, "servers": 1, "_stored": {1: 1}}, False),  # active: every run scans it
        ({"_stored": {1: 1}, "_known_count": 1}, False),  # failed: the count stays, and with it the scans
        ({"is_unconfirmed_empty": True, "_stored": {1: 1}}, False),
    ],
)
def test_a_scope_that_lost_its_servers_is_scanned_until_no_write_can_arrive(
    state: dict[str, Any], *, rescanned: bool
) -> None:
    assert scan_of(**state).rescan_from == (SCANNED_AT + ARRIVAL if rescanned else None)


@given(
    shown=st.integers(0, 9),
    stored=st.integers(0, 9),
    gone=st.integers(0, 9),
    known_count=st.integers(0, 9),
    share=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
)
def test_a_listing_is_repeated_where_it_shows_nothing_or_too_little(
    shown: int, stored: int, gone: int, known_count: int, share: float
) -> None:
    absent = min(gone, stored)
    assume(shown >= stored - absent)
    doubtful = is_doubtful(shown=shown, stored=stored, absent=absent, known_count=known_count, share=share)
    if shown == 0:
        assert doubtful is (stored > 0 or known_count > 0)
    else:
        is_short = absent > 0 and (stored - absent) / stored < share
        assert doubtful is (is_short or shown < share * known_count)


@given(shown=st.integers(0, 50), known_count=st.integers(0, 120), share=st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_a_listing_is_believed_up_to_the_count_beside_which_it_would_not_be_repeated(
    shown: int, known_count: int, share: float
) -> None:
    limit = believed_up_to(shown, share=share)
    doubtful = is_doubtful(shown=shown, stored=0, absent=0, known_count=known_count, share=share)
    assert doubtful is (limit is not None and known_count > limit)


@pytest.mark.parametrize(
    ("shown", "stored", "doubtful"),
    [(0, 1, True), (1, 2, False), (1, 3, True), (2, 3, False), (5, 12, True), (6, 12, False), (12, 12, False)],
)
def test_half_of_what_is_stored_is_enough(shown: int, stored: int, *, doubtful: bool) -> None:
    absent = stored - shown
    assert is_doubtful(shown=shown, stored=stored, absent=absent, known_count=stored, share=0.5) is doubtful


def test_a_scan_whose_time_was_up_is_not_complete_although_its_servers_are_counted() -> None:
    state = {"servers": 2, "unchanged": 2, **ALL_OF_IT}
    late = late_problem(SCOPE, "not done within 60 s: complete details of the servers", is_run_over=False)
    assert "SCOPE_DEADLINE_SECONDS" in late.advice
    result, observation = ended(scan_of(**state), late)
    assert (result.coverage, result.problems, result.warnings) == (P, (late,), ())
    assert observation is not None
    assert (observation.status, observation.server_count) == (ACTIVE, 2)
