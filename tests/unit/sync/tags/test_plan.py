"""Plan of tags: which are written, which servers are refused, and whose launch settings are read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.sync.tags.plan import (
    TagPlan,
    allows_launch_into,
    is_in_turn,
    needs_copy_tags,
    plan_tags,
    wanted_tags,
)

MIDNIGHT: Final = datetime(2026, 11, 23, tzinfo=UTC)
SECRET: Final = "p4ssw0rd"

keys = st.one_of(
    st.sampled_from(["", "Name", "aws:x", "AWS:y", "aWs:", "aws", "awsx", "Environment", "k" * 128, "k" * 129]),
    st.text(max_size=6),
)
values = st.one_of(st.sampled_from(["", "a", "v" * 256, "v" * 257]), st.text(max_size=4))
tags = st.dictionaries(keys, values, max_size=70)


@pytest.mark.parametrize(
    ("instance", "wanted"),
    [
        ({}, {}),
        ({"Name": "a"}, {"Name": "a"}),
        ({"aws:cloudformation:stack-name": "s", "Name": "a"}, {"Name": "a"}),
        ({"AWS:x": "1", "Aws:y": "2", "aws:": "3"}, {}),
        ({"aws": "1", "awsome": "2", "my-aws:x": "3"}, {"aws": "1", "awsome": "2", "my-aws:x": "3"}),
        ({"Empty": ""}, {"Empty": ""}),
    ],
)
def test_tags_of_aws_itself_are_not_wanted(instance: dict[str, str], wanted: dict[str, str]) -> None:
    assert wanted_tags(instance) == wanted


@pytest.mark.parametrize(
    ("current", "wanted", "changes"),
    [
        ({}, {}, {}),
        ({}, {"a": "1"}, {"a": "1"}),
        ({"a": "1"}, {"a": "1"}, {}),
        ({"a": "1"}, {"a": "2"}, {"a": "2"}),
        ({"a": "1", "own": "x"}, {"a": "1", "b": "2"}, {"b": "2"}),
        ({"a": "1"}, {"A": "1"}, {"A": "1"}),  # keys differ by case
        ({"a": ""}, {"a": ""}, {}),
        ({}, {"a": ""}, {"a": ""}),  # an empty value is a tag too
        ({"own": "x"}, {}, {}),
        ({"k" * 200: "1"}, {"k" * 200: "1"}, {}),  # DRS has it already, so it is accepted
        ({"k" * 200: "1"}, {"k" * 200: "1", "b": "2"}, {"b": "2"}),
    ],
)
def test_only_what_differs_is_written(current: dict[str, str], wanted: dict[str, str], changes: dict[str, str]) -> None:
    assert plan_tags(current, wanted) == TagPlan(changes)


def numbered(count: int, first: int = 0) -> dict[str, str]:
    return {f"k{number}": SECRET for number in range(first, first + count)}


@pytest.mark.parametrize(
    ("current", "wanted", "reason"),
    [
        (numbered(50), {"one-more": SECRET}, "51 tags with those it has, and DRS takes 50"),
        ({}, numbered(51), "51 tags with those it has, and DRS takes 50"),
        (numbered(30), numbered(30, first=25), "55 tags with those it has, and DRS takes 50"),
        ({}, {"": SECRET}, "a tag has an empty key"),
        ({}, {"k" * 129: SECRET}, f"keys longer than 128 characters: {'k' * 32}..."),
        ({}, {"long": "v" * 257}, "values longer than 256 characters under the keys: long"),
        (
            {},
            {f"k{n}": "v" * 300 for n in range(7)},
            "values longer than 256 characters under the keys: k0, k1, k2, k3, k4 and 2 more",
        ),
    ],
)
def test_a_server_is_refused_as_a_whole(current: dict[str, str], wanted: dict[str, str], reason: str) -> None:
    plan = plan_tags(current, {**wanted, "fine": "1"} if len(wanted) == 1 and not current else wanted)
    assert plan.changes == {}
    assert plan.refusal == reason
    assert SECRET not in plan.refusal


@pytest.mark.parametrize(
    ("current", "wanted"),
    [
        (numbered(50), numbered(50)),
        (numbered(49), {"one-more": "1"}),
        (numbered(50), {"k0": "changed"}),
        ({**numbered(49), "aws:drs:managed": "x"}, {"one-more": "1"}),  # those of AWS do not count
        ({}, {"k" * 128: "v" * 256}),
    ],
)
def test_what_fits_is_not_refused(current: dict[str, str], wanted: dict[str, str]) -> None:
    assert not plan_tags(current, wanted).refusal


@given(current=tags, instance=tags)
def test_after_a_write_the_server_has_all_wanted_tags_and_lost_none(
    current: dict[str, str], instance: dict[str, str]
) -> None:
    wanted = wanted_tags(instance)
    plan = plan_tags(current, wanted)
    after = {**current, **plan.changes}
    assert current.keys() <= after.keys()
    assert all(after[key] == value for key, value in current.items() if key not in wanted)
    assert not any(key.lower().startswith("aws:") for key in plan.changes)
    if plan.refusal:
        assert plan.changes == {}
        assert plan_tags(current, wanted) == plan
    else:
        assert wanted.items() <= after.items()
        assert plan_tags(after, wanted) == TagPlan()
        assert all(1 <= len(key) <= 128 and len(value) <= 256 for key, value in plan.changes.items())
        assert not plan.changes or sum(not key.lower().startswith("aws:") for key in after) <= 50


@given(current=tags, instance=st.dictionaries(keys, st.just("s3cr3t-value" * 30), min_size=1, max_size=60))
def test_no_reason_holds_a_value(current: dict[str, str], instance: dict[str, str]) -> None:
    assert "s3cr3t-value" not in plan_tags(current, wanted_tags(instance)).refusal


@given(current=tags, wanted=tags)
def test_reasons_stay_short(current: dict[str, str], wanted: dict[str, str]) -> None:
    assert len(plan_tags(current, wanted).refusal) < 1500


@pytest.mark.parametrize(
    ("instance", "allows"),
    [
        ({}, False),
        ({"AWSDRS": "AllowLaunchingIntoThisInstance"}, True),
        ({"AWSDRS": "no"}, False),
        ({"awsdrs": "AllowLaunchingIntoThisInstance"}, False),
    ],
)
def test_the_tag_that_allows_launch_into_an_instance(instance: dict[str, str], *, allows: bool) -> None:
    assert allows_launch_into(instance) is allows


@pytest.mark.parametrize(
    ("configuration", "needs"),
    [
        ({"copyTags": False}, True),
        ({}, True),
        ({"copyTags": True}, False),
        ({"copyTags": False, "launchIntoInstanceProperties": {}}, True),
        ({"copyTags": False, "launchIntoInstanceProperties": {"launchIntoEC2InstanceID": ""}}, True),
        ({"copyTags": False, "launchIntoInstanceProperties": {"launchIntoEC2InstanceID": "i-1"}}, False),
        ({"launchIntoInstanceProperties": None}, True),
    ],
)
def test_which_launch_settings_are_changed(configuration: dict[str, Any], *, needs: bool) -> None:
    assert needs_copy_tags(configuration) is needs


@given(number=st.integers(0, 10**17), day=st.integers(0, 4000), minute=st.integers(0, 59))
def test_every_server_has_its_turn_in_one_hour_of_each_day(number: int, day: int, minute: int) -> None:
    arn = f"arn:aws:drs:us-west-2:111122223333:source-server/s-{number:017x}"
    start = MIDNIGHT + timedelta(days=day, minutes=minute)
    assert sum(is_in_turn(arn, start + timedelta(hours=hour)) for hour in range(24)) == 1


def test_turns_are_spread_over_the_day() -> None:
    arns = [f"arn:aws:drs:us-west-2:111122223333:source-server/s-{number:017x}" for number in range(2400)]
    share = [sum(is_in_turn(arn, MIDNIGHT + timedelta(hours=hour)) for arn in arns) for hour in range(24)]
    assert sum(share) == 2400
    assert max(share) < 150


def test_a_sync_once_a_day_comes_to_every_server_in_the_end() -> None:
    arns = [f"arn:aws:drs:us-west-2:111122223333:source-server/s-{number:017x}" for number in range(50)]
    days = [MIDNIGHT + timedelta(days=day) for day in range(400)]
    assert all(any(is_in_turn(arn, day) for day in days) for arn in arns)


def test_a_turn_is_the_same_in_every_time_zone() -> None:
    arn = "arn:aws:drs:us-west-2:111122223333:source-server/s-3b8f0c91d27a4e56f"
    for hour in range(24):
        moment = MIDNIGHT + timedelta(hours=hour)
        assert is_in_turn(arn, moment) == is_in_turn(arn, moment.astimezone())
