"""Sharding of a sync: every account in one shard, summaries within their limit, sums that add up."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from service.models import Shard
from service.sync.engine.shards import MAX_SHARDS, Lost, merged, shard_count, summary
from service.sync.inventory.scan import COUNTS

ACCOUNTS = st.lists(st.integers(0, 10**12 - 1).map(lambda number: f"{number:012d}"), max_size=200, unique=True)
REGIONS = [f"ap-southeast-{number}" for number in range(40)]
SMALL = st.integers(0, 10**6)


@st.composite
def _reports(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the report of a run: its scopes and its servers add up."""
    scanned = draw(st.sets(st.sampled_from(REGIONS)))
    coverage = {name: draw(SMALL) for name in ("complete", "partial", "skipped", "failed")}
    problem = st.fixed_dictionaries({"code": st.sampled_from(["AccessDenied", "Throttled"]), "message": st.text()})
    calls, left_out = draw(SMALL), coverage["skipped"]
    return {
        "operation": "sync",
        "regionSource": draw(st.sampled_from(["status_table", "fallback_table_empty"])),
        "regionReason": draw(st.text(max_size=100)),
        "regions": {
            "scanned": sorted(scanned),
            "skipped": sorted(set(REGIONS) - scanned),
            "failed": sorted(draw(st.sets(st.sampled_from(REGIONS)))),
            "newlyActive": [],
            "active": sorted(draw(st.sets(st.sampled_from(REGIONS)))),
        },
        "regionsActive": draw(st.sampled_from([None, 3])),
        "scopes": {"asked": sum(coverage.values()), **coverage, "discovery": draw(SMALL)},
        "serversByRegion": {region: draw(st.integers(1, 10**6)) for region in sorted(scanned)},
        "apiCalls": {"drs": {"DescribeSourceServers": calls}, "sts": {"AssumeRole": draw(SMALL)}},
        "apiCallsTotal": draw(SMALL),
        "apiCallsThrottled": draw(SMALL),
        "drsCalls": calls,
        "apiCallsFullScan": calls + left_out,
        "timeSavedSeconds": draw(st.floats(0, 1000)),
        "accounts": draw(SMALL),
        **{name: draw(SMALL) for name in COUNTS},
        "errors": draw(st.lists(problem, max_size=5)) * draw(st.sampled_from([1, 1, 200])),
        "warnings": draw(st.lists(problem, max_size=5)) * draw(st.sampled_from([1, 1, 200])),
    }


def _merged(summaries: list[dict[str, Any]], lost: list[Lost]) -> dict[str, Any]:
    return merged(summaries, lost, operation="sync", counts=COUNTS, started_at="then", duration_s=1.5)


@given(ACCOUNTS, st.integers(1, MAX_SHARDS))
def test_every_account_is_in_one_shard(accounts: list[str], count: int) -> None:
    assigned = Counter(each for index in range(count) for each in accounts if Shard(index, count).holds(each))
    assert assigned == Counter(accounts)


def test_shards_are_of_about_the_same_size() -> None:
    sizes = Counter(
        index for number in range(5000) for index in range(25) if Shard(index, 25).holds(f"{10**11 + 7 * number}")
    )
    assert len(sizes) == 25
    assert max(sizes.values()) < 1.25 * 200


@given(st.integers(0, 10**6), st.integers(1, 1000))
def test_there_are_as_few_shards_as_hold_what_they_should(accounts: int, per_shard: int) -> None:
    count = shard_count(accounts, per_shard=per_shard)
    assert 1 <= count <= MAX_SHARDS
    if accounts <= per_shard:
        assert count == 1
    elif count < MAX_SHARDS:
        assert (count - 1) * per_shard < accounts <= count * per_shard


@settings(max_examples=60, deadline=None)
@given(_reports(), st.integers(1, MAX_SHARDS))
def test_a_summary_takes_no_more_than_its_share_and_omits_nothing_silently(report: dict[str, Any], shards: int) -> None:
    found = summary(report, counts=COUNTS, shards=shards)
    assert len(orjson.dumps(found)) <= max(
        200_000 // shards, len(orjson.dumps({**found, "errors": [], "warnings": []}))
    )
    assert len(orjson.dumps({**found, "errors": [], "warnings": []})) < 5000
    for name in ("errors", "warnings"):
        assert found[name] == report[name][: len(found[name])]
        assert len(found[name]) + found[f"{name}Omitted"] == len(report[name])


@settings(max_examples=60, deadline=None)
@given(_reports())
def test_the_report_of_one_shard_is_its_own(report: dict[str, Any]) -> None:
    combined = _merged([summary(report, counts=COUNTS, shards=1)], [])
    for name in (*COUNTS, "regions", "scopes", "serversByRegion", "apiCalls", "drsCalls", "accounts", "regionSource"):
        assert combined[name] == report[name]
    assert combined["serversSynced"] == sum(report["serversByRegion"].values())


def test_the_report_of_all_has_the_figures_of_a_single_run() -> None:
    """Of 28 scopes two shards scan five, in two of three regions; one of these two is scanned by both."""
    zeros = dict.fromkeys(COUNTS, 0)
    common = {"operation": "sync", "regionSource": "status_table", "regionReason": "", "regionsActive": 2, **zeros}
    common |= {"apiCallsThrottled": 0, "accounts": 1, "errors": [], "warnings": []}
    lists = {"failed": [], "newlyActive": [], "active": ["r-1", "r-2"]}
    scopes = {"partial": 0, "failed": 0, "discovery": 0}
    first = {
        **common,
        "regions": {**lists, "scanned": ["r-1", "r-2"], "skipped": ["r-3"]},
        "scopes": {**scopes, "asked": 14, "complete": 3, "skipped": 11},
        "serversByRegion": {"r-1": 4, "r-2": 1},
        "apiCalls": {"drs": {"DescribeSourceServers": 3}, "sts": {"AssumeRole": 1}},
        "apiCallsTotal": 4,
        "drsCalls": 3,
        "apiCallsFullScan": 14,
        "timeSavedSeconds": 1.25,
    }
    second = {
        **common,
        "regions": {**lists, "scanned": ["r-1"], "skipped": ["r-2", "r-3"]},
        "scopes": {**scopes, "asked": 14, "complete": 2, "skipped": 12},
        "serversByRegion": {"r-1": 2},
        "apiCalls": {"drs": {"DescribeSourceServers": 2}},
        "apiCallsTotal": 2,
        "drsCalls": 2,
        "apiCallsFullScan": 14,
        "timeSavedSeconds": 0.5,
    }
    combined = _merged([summary(each, counts=COUNTS, shards=2) for each in (first, second)], [])
    assert combined["serversByRegion"] == {"r-1": 6, "r-2": 1}
    assert (combined["regionsScanned"], combined["regionsSkipped"], combined["regionsActive"]) == (2, 1, 2)
    assert (combined["apiCallsTotal"], combined["drsCalls"], combined["apiCallsFullScan"]) == (6, 5, 28)
    assert combined["apiCallReductionPercent"] == round(100 * 23 / 28, 1)
    assert (combined["durationSeconds"], combined["timeSavedSeconds"]) == (1.5, 1.75)


@settings(max_examples=60, deadline=None)
@given(st.lists(_reports(), max_size=4), st.lists(st.tuples(SMALL, SMALL, SMALL), max_size=3), st.randoms())
def test_the_report_of_all_adds_up_in_any_order(
    reports: list[dict[str, Any]], losses: list[tuple[int, int, int]], rng: Any
) -> None:
    summaries = [summary(each, counts=COUNTS, shards=10) for each in reports]
    lost = [Lost(number, *each, reason="lost") for number, each in enumerate(losses)]
    combined = _merged(summaries, lost)
    scopes = combined["scopes"]
    assert scopes["asked"] == sum(scopes[each] for each in ("complete", "partial", "skipped", "failed"))
    assert scopes["failed"] == sum(each["scopes"]["failed"] for each in reports) + sum(each.scopes for each in lost)
    assert not set(combined["regions"]["scanned"]) & set(combined["regions"]["skipped"])
    is_known = any(each["regionsActive"] is not None for each in reports)
    assert combined["regionsActive"] == (len(combined["regions"]["active"]) if is_known else None)
    assert combined["accounts"] == sum(each["accounts"] for each in reports) + sum(each.accounts for each in lost)
    if lost:
        assert combined["status"] != "complete"
    shuffled = rng.sample(summaries, len(summaries))
    again = _merged(shuffled, lost)
    for name in ("status", "regions", "scopes", "serversByRegion", "apiCalls", "regionSource", *COUNTS):
        assert again[name] == combined[name]
