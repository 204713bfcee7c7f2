"""The report of a run: its numbers add up, and its status is never better than the run was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.models import Coverage, Problem, RegionStatus, Scope
from service.sync.engine.outcome import ScopeResult
from service.sync.engine.report import RunFacts, RunReport, exit_code
from service.sync.inventory.scan import COUNTS

ACCOUNTS: Final = ("111122223333", "444455556666")
REGIONS: Final = ("us-east-1", "us-west-2", "eu-west-1", "eu-west-2")
CALLS: Final = {"drs": {"DescribeSourceServers": 6, "GetReplicationConfiguration": 2}, "sts": {"AssumeRole": 3}}


def facts(calls: Mapping[str, Mapping[str, int]] = CALLS, regions: tuple[str, ...] = REGIONS) -> RunFacts:
    return RunFacts(
        operation="sync_source_server_inventory",
        accounts=2,
        region_source="status_table",
        region_reason="because",
        regions=regions,
        discovered=1,
        started_at="2026-11-23T05:00:00.000000+00:00",
        duration_s=1.23456,
        calls=calls,
        throttled=4,
        scopes_at_once=8,
    )


def problem(region: str = "", code: str = "AccessDenied", account: str = ACCOUNTS[0]) -> Problem:
    return Problem(code, "no", RegionStatus.IAM_PERMISSION_DENIED, "drs", "X", account, region, "grant it")


scopes = st.builds(Scope, st.sampled_from(ACCOUNTS), st.sampled_from(REGIONS))
problems = st.lists(
    st.builds(problem, st.sampled_from(["", *REGIONS]), st.sampled_from("ABC"), st.sampled_from(ACCOUNTS)), max_size=3
).map(tuple)


@st.composite
def results(draw: st.DrawFn) -> ScopeResult:
    counts = {name: draw(st.integers(0, 40)) for name in COUNTS}
    return ScopeResult(
        draw(scopes),
        draw(st.sampled_from(Coverage)),
        servers=draw(st.integers(0, 40)),
        counts=counts,
        seconds=draw(st.floats(0, 60)),
        problems=draw(problems),
        warnings=draw(problems),
    )


@given(made=st.lists(results(), max_size=12), left_out=st.lists(scopes, max_size=12))
def test_scopes_servers_and_regions_add_up(made: list[ScopeResult], left_out: list[Scope]) -> None:
    report = RunReport(COUNTS)
    for scanned in made:
        report.add(scanned)
    report.skip(left_out)
    document = report.as_json(facts())
    scopes = document["scopes"]
    assert scopes["asked"] == sum(scopes[each] for each in Coverage) == len(made) + len(left_out)
    assert document["serversSynced"] == sum(document["serversByRegion"].values()) == sum(each.servers for each in made)
    for name in COUNTS:
        assert document[name] == sum(each.counts[name] for each in made)
    assert document["timeSavedSeconds"] >= 0
    regions = document["regions"]
    assert set(regions["scanned"]) | set(regions["skipped"]) == set(REGIONS)
    assert set(regions["scanned"]).isdisjoint(regions["skipped"])
    assert document["regionsScanned"] == len(regions["scanned"])
    assert document["regionsSkipped"] == len(regions["skipped"])
    assert document["regionsFailed"] == len(regions["failed"])
    assert 0 <= document["apiCallReductionPercent"] <= 100
    assert (document["apiCallsTotal"], document["drsCalls"]) == (11, 8)
    assert json.loads(json.dumps(document)) == orjson.loads(orjson.dumps(document)) == document
    assert all(set(entry["regions"]) <= set(REGIONS) for entry in (*document["errors"], *document["warnings"]))


@given(made=st.lists(results(), max_size=12))
def test_every_problem_is_reported_once_with_all_its_regions(made: list[ScopeResult]) -> None:
    report = RunReport(COUNTS)
    expected: dict[tuple[str, str], set[str]] = {}
    for scanned in made:
        report.add(scanned)
        for each in scanned.problems:
            expected.setdefault((each.code, each.account_id), set()).add(each.region or scanned.scope.region)
    document = report.as_json(facts())
    assert len(document["errors"]) == report.problems
    assert {(entry["code"], entry["accountId"]): set(entry["regions"]) for entry in document["errors"]} == expected


def closed(number: int, region: str, status: RegionStatus) -> Problem:
    account = f"{number:012}"
    return Problem("Closed", f"no, {account}", status, "drs", "X", account, region, "open it")


@pytest.mark.parametrize("status", [RegionStatus.ENDPOINT_UNREACHABLE, RegionStatus.SCP_DENIED])
def test_a_closed_region_is_one_entry_however_many_accounts_it_has(status: RegionStatus) -> None:
    report = RunReport(COUNTS)
    report.warn(*(closed(number, REGIONS[0], status) for number in range(500)))
    (entry,) = report.as_json(facts())["warnings"]
    assert entry == {
        "service": "drs",
        "operation": "X",
        "code": "Closed",
        "status": str(status),
        "message": "no, 000000000000",
        "advice": "open it",
        "regions": [REGIONS[0]],
        "accounts": 500,
        "accountIds": [f"{number:012}" for number in range(50)],
    }


def test_two_unreachable_regions_are_two_entries_and_denied_regions_are_one() -> None:
    report = RunReport(COUNTS)
    for status in (RegionStatus.ENDPOINT_UNREACHABLE, RegionStatus.SCP_DENIED):
        report.problem(*(closed(number, region, status) for number in range(5) for region in REGIONS[:2]))
    # An endpoint's message names it, so that it differs by region.
    report.problem(*(closed(number, REGIONS[2], RegionStatus.ENDPOINT_UNREACHABLE) for number in range(5, 9)))
    found = [(each["status"], each["regions"], each["accounts"]) for each in report.as_json(facts())["errors"]]
    assert sorted(found) == [
        ("ENDPOINT_UNREACHABLE", [REGIONS[2]], 4),
        ("ENDPOINT_UNREACHABLE", sorted(REGIONS[:2]), 5),
        ("SCP_DENIED", sorted(REGIONS[:2]), 5),
    ]


def test_few_accounts_with_a_closed_region_are_named_apart() -> None:
    report = RunReport(COUNTS)
    report.warn(*(closed(number, REGIONS[0], RegionStatus.SCP_DENIED) for number in range(3)))
    assert [each["accountId"] for each in report.as_json(facts())["warnings"]] == [f"{n:012}" for n in range(3)]


def test_a_problem_of_no_region_names_none() -> None:
    report = RunReport(COUNTS)
    report.problem(problem(), problem())
    (entry,) = report.as_json(facts())["errors"]
    assert entry == {
        "accountId": ACCOUNTS[0],
        "service": "drs",
        "operation": "X",
        "code": "AccessDenied",
        "status": "IAM_PERMISSION_DENIED",
        "message": "no",
        "advice": "grant it",
        "regions": [],
    }


C, P, S, F = Coverage.COMPLETE, Coverage.PARTIAL, Coverage.SKIPPED, Coverage.FAILED


@pytest.mark.parametrize(
    ("coverages", "skipped", "failing", "status", "code"),
    [
        ([], 0, False, "complete", 0),
        ([C, C], 3, False, "complete", 0),
        ([C, S], 3, False, "complete", 0),
        ([], 5, False, "complete", 0),
        ([C, P], 0, False, "partial", 3),
        ([P], 0, False, "partial", 3),
        ([C, F], 0, False, "partial", 3),
        ([F, F], 0, False, "failed", 1),
        ([F, F], 20, False, "failed", 1),
        ([F, S], 0, False, "failed", 1),
        ([F, P], 0, False, "partial", 3),
        ([C], 0, True, "partial", 3),
        ([], 0, True, "partial", 3),
    ],
)
def test_status_and_exit_code(
    coverages: list[Coverage], skipped: int, status: str, code: int, *, failing: bool
) -> None:
    report = RunReport(COUNTS)
    for coverage in coverages:
        report.add(ScopeResult(Scope(ACCOUNTS[0], REGIONS[0]), coverage))
    report.skip([Scope(ACCOUNTS[1], REGIONS[1])] * skipped)
    if failing:
        report.problem(problem())
    document = report.as_json(facts())
    assert (document["status"], exit_code(document)) == (status, code)


def test_warnings_alone_do_not_make_a_run_partial() -> None:
    report = RunReport(COUNTS)
    report.add(ScopeResult(Scope(ACCOUNTS[0], REGIONS[0]), Coverage.COMPLETE, warnings=(problem(),)))
    document = report.as_json(facts())
    assert document["status"] == "complete"
    assert document["warnings"][0]["regions"] == [REGIONS[0]]


def report_after(scanned: int, skipped: int, calls: int) -> dict[str, Any]:
    report = RunReport(COUNTS)
    for _ in range(scanned):
        report.add(ScopeResult(Scope(ACCOUNTS[0], REGIONS[0]), Coverage.COMPLETE, seconds=2.0))
    report.skip([Scope(ACCOUNTS[0], REGIONS[1])] * skipped)
    return report.as_json(facts({"drs": {"DescribeSourceServers": calls}}))


@pytest.mark.parametrize(
    ("scanned", "skipped", "calls", "percent", "full", "saved_s"),
    [
        (5, 23, 5, 82.1, 28, 5.75),
        (28, 0, 28, 0.0, 28, 0.0),
        (5, 23, 10, 69.7, 33, 2.875),  # several pages in some scopes
        (0, 28, 0, 100.0, 28, 0.0),
        (0, 0, 0, 0.0, 0, 0.0),
    ],
)
def test_what_the_choice_of_regions_saved(
    scanned: int, skipped: int, calls: int, *, percent: float, full: int, saved_s: float
) -> None:
    document = report_after(scanned, skipped, calls)
    assert (document["apiCallReductionPercent"], document["apiCallsFullScan"]) == (percent, full)
    assert document["timeSavedSeconds"] == saved_s


def test_scopes_in_which_there_is_nothing_to_do_were_not_saved() -> None:
    report = RunReport(COUNTS)
    report.add(ScopeResult(Scope(ACCOUNTS[0], REGIONS[0]), Coverage.COMPLETE, seconds=1.0))
    report.leave_out([Scope(ACCOUNTS[1], region) for region in REGIONS])
    document = report.as_json(facts({"drs": {"ListStagingAccounts": 1}}))
    assert (document["apiCallsFullScan"], document["apiCallReductionPercent"]) == (1, 0.0)
    assert document["timeSavedSeconds"] == 0
    assert document["scopes"]["skipped"] == document["scopes"]["asked"] - 1 == len(REGIONS)


def test_a_dry_run_claims_no_server() -> None:
    report = RunReport(COUNTS)
    report.add(ScopeResult(Scope(ACCOUNTS[0], REGIONS[0]), Coverage.COMPLETE, servers=3))
    document = report.as_json(replace(facts(), dry_run=True))
    assert (document["serversSynced"], document["serversByRegion"]) == (0, {REGIONS[0]: 3})


def test_a_call_that_found_the_region_switched_off_was_not_saved() -> None:
    report = RunReport(COUNTS)
    report.add(ScopeResult(Scope(ACCOUNTS[0], REGIONS[0]), Coverage.COMPLETE, seconds=1.0))
    report.add(ScopeResult(Scope(ACCOUNTS[0], REGIONS[1]), Coverage.SKIPPED, seconds=1.0, warnings=(problem(),)))
    document = report.as_json(facts({"drs": {"DescribeSourceServers": 2}}, REGIONS[:2]))
    assert (document["apiCallsFullScan"], document["apiCallReductionPercent"]) == (2, 0.0)
    assert document["regions"]["skipped"] == [REGIONS[1]]
    assert document["scopes"]["skipped"] == 1
