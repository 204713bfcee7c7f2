"""What becomes of a scope, and what the status table is told of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, cast

import pytest

from service.accounts.records import AccountDirectory, parse_account
from service.context import ContextLoader, SyncRequest
from service.errors import AwsError, ConfigurationError
from service.models import Call, Coverage, Problem, RegionStatus, Scope
from service.regions.selection import RegionSource, ScanReason, Selection
from service.regions.status_rows import Observation, merge
from service.settings import Settings
from service.sync.engine.outcome import Tokens, Visit, account_problem, judge, observation_of
from service.sync.engine.report import Looked
from service.sync.inventory.rows import LookTools, Seen
from service.sync.inventory.scan import Look

ACCOUNT: Final = "111122223333"
SCOPE: Final = Scope(ACCOUNT, "us-west-2")
LOOKED_AT: Final = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
LATER: Final = datetime(2026, 11, 23, 5, 1, tzinfo=UTC)
UNUSED: Final = cast("Any", None)
C, P, S, F = Coverage.COMPLETE, Coverage.PARTIAL, Coverage.SKIPPED, Coverage.FAILED
ALL_OF_IT: Final = {"listed_completely": True, "settled": True}


def look(**seen: Any) -> Look:
    tools = LookTools(UNUSED, UNUSED, UNUSED, Settings(), lambda: LOOKED_AT, "aws", LOOKED_AT, UNUSED, UNUSED, UNUSED)
    made = Look(SCOPE, UNUSED, tools)
    made.seen = Seen(**seen)
    return made


def problem(status: RegionStatus, code: str = "Code", service: str = "drs") -> Problem:
    return Problem(code, "text", status, service, "X", ACCOUNT, SCOPE.region)


def error_class(
    made: Look | None, failure: Problem | None, why: ScanReason = ScanReason.ACTIVE
) -> tuple[Looked, Observation | None]:
    known = why is ScanReason.ACTIVE
    visit = judge(SCOPE, made, failure, known=known, seconds=1.5)
    active = frozenset({SCOPE}) if known else frozenset[Scope]()
    return visit.looked, observation_of(
        visit, Selection(RegionSource.STATUS_TABLE, "", {SCOPE: why}, (), active), LATER
    )


OFF: Final = RegionStatus.REGION_NOT_ENABLED
NOT_OPTED_IN: Final = RegionStatus.REGION_NOT_OPTED_IN
UNINITIALISED: Final = RegionStatus.NOT_INITIALIZED
THROTTLED: Final = RegionStatus.THROTTLED
DENIED: Final = RegionStatus.IAM_PERMISSION_DENIED
ERROR: Final = RegionStatus.ERROR
ACTIVE: Final = RegionStatus.ACTIVE


@pytest.mark.parametrize(
    ("seen", "failure", "why", "coverage", "status", "count"),
    [
        ({"servers": 4, "written": 1, "unchanged": 3, **ALL_OF_IT}, None, ScanReason.ACTIVE, C, ACTIVE, 4),
        (ALL_OF_IT, None, ScanReason.DISCOVERY, C, ACTIVE, 0),
        # Only details of topology are missing: warned of, and complete.
        ({"servers": 4, "written": 1, "unchanged": 3, **ALL_OF_IT}, THROTTLED, ScanReason.ACTIVE, C, ACTIVE, 4),
        # The listing is whole, what follows is not.
        ({"servers": 4, "written": 2, "listed_completely": True}, THROTTLED, ScanReason.ACTIVE, P, ACTIVE, 4),
        ({"listed_completely": True}, ERROR, ScanReason.ACTIVE, P, ACTIVE, 0),
        # The listing broke off: whatever was seen is no count.
        ({"servers": 200, "written": 150, "rejected": 2}, THROTTLED, ScanReason.ACTIVE, P, THROTTLED, None),
        ({"servers": 200}, UNINITIALISED, ScanReason.ACTIVE, P, ERROR, None),
        ({"servers": 200}, OFF, ScanReason.DISCOVERY, P, OFF, None),
        ({}, THROTTLED, ScanReason.ACTIVE, F, THROTTLED, None),
        ({}, DENIED, ScanReason.DISCOVERY, F, DENIED, None),
        ({}, ERROR, ScanReason.NEW_ACCOUNT, F, ERROR, None),
        # Not in use there: a complete answer.
        ({"uninitialized": True, "settled": True}, None, ScanReason.ACTIVE, C, UNINITIALISED, 0),
        ({"uninitialized": True, "settled": True}, None, ScanReason.DISCOVERY, C, UNINITIALISED, 0),
        # Not in use, but the records of what was there could not be removed.
        ({"uninitialized": True}, THROTTLED, ScanReason.ACTIVE, P, UNINITIALISED, 0),
        # Switched off: no failure, unless servers were known there.
        ({}, OFF, ScanReason.DISCOVERY, S, OFF, None),
        ({}, NOT_OPTED_IN, ScanReason.FULL_SCAN, S, NOT_OPTED_IN, None),
        ({}, OFF, ScanReason.ACTIVE, F, OFF, None),
        ({}, NOT_OPTED_IN, ScanReason.ACTIVE, F, NOT_OPTED_IN, None),
    ],
)
def test_what_becomes_of_a_scope(
    seen: dict[str, Any],
    failure: RegionStatus | None,
    why: ScanReason,
    *,
    coverage: Coverage,
    status: RegionStatus,
    count: int | None,
) -> None:
    looked, observation = error_class(look(**seen), problem(failure) if failure else None, why)
    assert looked.coverage is coverage
    in_the_table = sum(seen.get(each, 0) for each in ("written", "unchanged", "rejected"))
    assert (looked.scope, looked.servers, looked.seconds) == (SCOPE, in_the_table, 1.5)
    assert observation is not None
    assert (observation.account_id, observation.status, observation.server_count, observation.scanned_at) == (
        ACCOUNT,
        status,
        count,
        LOOKED_AT,
    )
    assert bool(observation.error_message) is (count is None)
    failed = failure is not None and failure is not UNINITIALISED
    assert bool(looked.problems or looked.warnings) is (failed or coverage is P)
    assert bool(looked.problems) is (coverage in {P, F})


def test_trouble_on_the_way_makes_a_whole_listing_partial_and_its_count_stands() -> None:
    ec2 = problem(DENIED, service="ec2")
    looked, observation = error_class(look(servers=4, written=4, removed=1, **ALL_OF_IT, problems=[ec2]), None)
    assert (looked.coverage, looked.problems) == (P, (ec2,))
    assert (looked.counts["serversWritten"], looked.counts["serversRemoved"]) == (4, 1)
    assert observation == Observation(ACCOUNT, ACTIVE, LOOKED_AT, 4)


def test_the_listings_own_failure_is_what_the_table_is_told() -> None:
    ec2 = problem(DENIED, "EC2 says no", "ec2")
    looked, observation = error_class(look(servers=4, problems=[ec2], warnings=[ec2]), problem(THROTTLED, "Slow"))
    assert observation is not None
    assert (observation.status, observation.error_message) == (THROTTLED, "Slow: text")
    assert [each.code for each in looked.problems] == ["EC2 says no", "Slow"]


@pytest.mark.parametrize("status", [DENIED, OFF])
def test_our_own_tables_refusing_us_is_not_held_against_the_region(status: RegionStatus) -> None:
    looked, observation = error_class(look(), problem(status, service="dynamodb"), ScanReason.DISCOVERY)
    assert looked.coverage is F
    assert observation is not None
    assert observation.status is ERROR


@pytest.mark.parametrize(
    ("why", "noted"),
    [
        (ScanReason.ACTIVE, True),
        (ScanReason.REQUESTED, True),
        (ScanReason.SCAN_REQUESTED, True),
        (ScanReason.RETRY, True),
        (ScanReason.DISCOVERY, True),  # its turn is over, so that others get theirs
        (ScanReason.NEW_ACCOUNT, False),
        (ScanReason.RESUMED, False),
        (ScanReason.FULL_SCAN, False),
    ],
)
def test_an_account_that_cannot_be_entered_fails_everywhere_and_marks_only_what_it_is_known_to_use(
    why: ScanReason, *, noted: bool
) -> None:
    looked, observation = error_class(None, problem(DENIED, "AccessDenied"), why)
    assert looked.coverage is F
    assert len(looked.problems) == 1
    expected = Observation(ACCOUNT, DENIED, LATER, None, "AccessDenied: text")
    assert observation == (expected if noted else None)


def test_no_failed_look_wipes_a_row() -> None:
    row = merge(None, SCOPE.region, [Observation(ACCOUNT, ACTIVE, LOOKED_AT, 40)])
    for status in RegionStatus:
        for seen in ({}, {"servers": 7}):
            if not (status is UNINITIALISED and not seen):
                _, observation = error_class(look(**seen), problem(status))
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
def test_an_account_that_cannot_be_entered_is_told_without_blaming_a_region(code: str, status: RegionStatus) -> None:
    told = account_problem(AwsError(code, "text", Call("sts", "AssumeRole", ACCOUNT, "us-east-1")))
    assert (told.status, told.account_id, told.region, told.operation) == (status, ACCOUNT, "", "AssumeRole")
    assert told.advice


def test_accounts_asked_for_must_be_known() -> None:
    directory = AccountDirectory([parse_account({"accountId": ACCOUNT}), parse_account({"accountId": "222233334444"})])
    check = context_loader().check_accounts
    assert set(check(SyncRequest(), directory)) == {ACCOUNT, "222233334444"}
    assert set(check(SyncRequest(accounts=(ACCOUNT,)), directory)) == {ACCOUNT}
    assert set(check(SyncRequest(scopes=(SCOPE,)), directory)) == {ACCOUNT}
    with pytest.raises(ConfigurationError, match=r"999999999999.*accounts in it: 111122223333, 222233334444"):
        check(SyncRequest(accounts=(ACCOUNT, "999999999999")), directory)


def context_loader() -> ContextLoader:
    return ContextLoader(UNUSED, Settings(), UNUSED, lambda: LATER)


def test_a_region_both_requested_and_excluded_leaves_nothing_to_look_at() -> None:
    rows = [merge(None, "us-west-2", [Observation(ACCOUNT, ACTIVE, LOOKED_AT, 4)])]
    request = SyncRequest(regions=("us-east-1",), excluded_regions=("us-east-1",))
    selection = context_loader()._select(request, rows, [ACCOUNT], operation="x", discover=True, shared=False)
    assert selection.source is RegionSource.REQUESTED
    assert not selection.scopes


def test_an_unknown_region_is_refused_and_the_known_ones_named() -> None:
    context_loader().check_regions(["us-east-1"])
    with pytest.raises(ConfigurationError, match=r"mars-north-1.*us-east-1.*DRS_REGIONS"):
        context_loader().check_regions(["us-east-1", "mars-north-1"])


def off(region: str) -> Visit:
    return judge(Scope(ACCOUNT, region), look(), problem(OFF), known=False, seconds=1.0)


def seen_in(region: str) -> Visit:
    return judge(Scope(ACCOUNT, region), look(**ALL_OF_IT), None, known=False, seconds=1.0)


def test_a_token_that_another_region_takes_means_that_the_region_is_off() -> None:
    tokens = Tokens()
    assert tokens.judge(off("r1")) == []
    assert [visit.looked.coverage for visit in tokens.judge(seen_in("r2"))] == [C, S]
    assert [visit.looked.coverage for visit in tokens.judge(off("r3"))] == [S]
    assert tokens.rest() == []


def test_a_token_that_no_region_takes_is_the_accounts_trouble() -> None:
    tokens = Tokens()
    assert tokens.judge(off("r1")) == tokens.judge(off("r2")) == []
    rest = tokens.rest()
    assert [visit.looked.coverage for visit in rest] == [F, F]
    assert {each.status for visit in rest for each in visit.looked.problems} == {ERROR}
    assert all(not visit.looked.warnings for visit in rest)


def test_one_region_alone_does_not_tell() -> None:
    tokens = Tokens()
    tokens.judge(off("r1"))
    assert [visit.looked.coverage for visit in tokens.rest()] == [S]
