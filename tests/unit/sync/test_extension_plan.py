"""Plan of extensions: a list that could not be read never counts as empty."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.models import Problem, RegionStatus
from service.sync.extension_plan import (
    Pair,
    Plan,
    Unread,
    extended_arns,
    plan_extensions,
    replicating_arns,
    within_quota,
)

PAIR: Final = Pair("111122223333", "444455556666", "us-west-2")
PROBLEM: Final = Problem("ThrottlingException", "slow down", RegionStatus.THROTTLED)
arns = st.frozensets(st.sampled_from([f"arn-{number}" for number in range(12)]))
sides = arns | st.just(Unread(PROBLEM))


@given(extensible=sides, extended=sides)
def test_nothing_is_extended_because_of_a_side_that_was_not_read(extensible: Any, extended: Any) -> None:
    plan = plan_extensions(PAIR, extensible, extended)
    if isinstance(extensible, Unread) or isinstance(extended, Unread):
        assert (plan.extend, plan.held_back) == ((), PROBLEM)
    else:
        assert set(plan.extend) == extensible - extended
        assert plan.held_back is None
        assert list(plan.extend) == sorted(set(plan.extend))


@given(wanted=st.lists(arns, max_size=4), current=st.none() | st.integers(0, 30), quota=st.integers(0, 30))
def test_the_quota_is_never_passed_and_what_does_not_fit_is_counted(
    wanted: list[frozenset[str]], current: int | None, quota: int
) -> None:
    plans = [Plan(PAIR, tuple(sorted(each))) for each in wanted]
    cut, left_over = within_quota(plans, current=current, quota=quota)
    planned = sum(len(plan.extend) for plan in cut)
    assert planned + left_over == sum(map(len, wanted))
    if current is not None:
        assert planned <= max(0, quota - current)
        assert not left_over or planned == max(0, quota - current)
    else:
        assert not left_over


@pytest.mark.parametrize(
    ("record", "extended", "replicating"),
    [
        ({"arn": "a", "stagingArea": {"status": "NOT_EXTENDED", "stagingAccountID": "s"}}, set(), {"a"}),
        ({"arn": "a"}, set(), {"a"}),
        (
            {"arn": "a", "stagingArea": {"stagingAccountID": "s", "stagingSourceServerArn": "b"}},
            {"b"},
            set(),
        ),
        (
            {
                "arn": "a",
                "stagingArea": {"status": "EXTENSION_ERROR", "stagingAccountID": "s", "stagingSourceServerArn": "b"},
            },
            {"b"},
            set(),
        ),
        ({"arn": "a", "stagingArea": {"stagingAccountID": "t", "stagingSourceServerArn": "b"}}, set(), set()),
        ({"arn": "a", "stagingArea": {"stagingAccountID": "elsewhere"}}, set(), set()),
        ({"stagingArea": None}, set(), set()),
        ({"arn": "a", "replicationDirection": "FAILOVER", "dataReplicationInfo": None}, set(), {"a"}),
        ({"arn": "a", "replicationDirection": "FAILBACK"}, set(), set()),
        ({"arn": "a", "dataReplicationInfo": {"dataReplicationState": "DISCONNECTED"}}, set(), set()),
        ({"arn": "a", "dataReplicationInfo": {"dataReplicationState": "STALLED"}}, set(), {"a"}),
    ],
)
def test_which_records_say_extended_and_which_replicating(
    record: dict[str, Any], extended: set[str], replicating: set[str]
) -> None:
    assert extended_arns([record], target="t") == extended
    assert replicating_arns([record], staging="s") == replicating
