"""Brief and whole views: both depend on what is read of an item, and the brief one is a part of the whole one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.inventory.moving_values import lag_value, moving_values
from service.inventory.posture import Objectives, Posture
from service.models import Scope
from service.queries.brief import BRIEF_ATTRIBUTES, brief
from service.queries.live import to_items
from service.queries.presenter import VIEW_ATTRIBUTES, present

OBJECTIVES = Objectives(900.0, "lag-objective", timedelta(days=180))
TEXTS = st.sampled_from(["", "CONTINUOUS", "STALLED", "srv-1", "PT4S", "PT1H", "111122223333", "EXTENSION_ERROR", "2h"])
ODD = st.one_of(TEXTS, st.none(), st.integers(), st.lists(TEXTS, max_size=2))
OTHERS = (
    *(set(VIEW_ATTRIBUTES) - set(BRIEF_ATTRIBUTES)),
    "contentHash",
    "dataReplicationInfo.dataReplicationInitiation",
    "lifeCycle.elapsed",
    "sourceProperties.lastUpdatedDateTime",
)


def put(item: dict[str, Any], path: str, value: object) -> None:
    *folders, name = path.split(".")
    for each in folders:
        item = item.setdefault(each, {})
    item[name] = value


def projected(item: Mapping[str, Any], paths: tuple[str, ...]) -> dict[str, Any]:
    """Return what DynamoDB returns of an item for a ProjectionExpression."""
    result: dict[str, Any] = {}
    for path in paths:
        inner: Any = item
        for name in path.split("."):
            inner = inner.get(name, ...) if isinstance(inner, Mapping) else ...
        if inner is not ...:
            put(result, path, inner)
    return result


@st.composite
def items(draw: st.DrawFn) -> dict[str, Any]:
    item: dict[str, Any] = {}
    for path in draw(st.sets(st.sampled_from(sorted([*BRIEF_ATTRIBUTES, *OTHERS])))):
        put(item, path, draw(ODD))
    for name, members in (
        ("tags", ("Name", "lag-objective")),
        ("stagingArea", ("status", "errorMessage")),
        ("lastLaunch", ("status",)),
    ):
        if draw(st.booleans()):
            chosen = {each: draw(TEXTS) for each in draw(st.sets(st.sampled_from(members)))}
            put(item, "lifeCycle.lastLaunch" if name == "lastLaunch" else name, chosen)
    return item


@given(items())
def test_the_attributes_of_a_brief_view_are_all_that_it_depends_on(item: dict[str, Any]) -> None:
    assert brief(projected(item, BRIEF_ATTRIBUTES), OBJECTIVES) == brief(item, OBJECTIVES)


@given(items())
def test_the_attributes_of_a_whole_view_are_all_that_it_depends_on(item: dict[str, Any]) -> None:
    assert present(projected(item, VIEW_ATTRIBUTES), OBJECTIVES) == present(item, OBJECTIVES)


NETWORK = {"privateIp": "10.0.0.7", "subnetId": "subnet-1", "securityGroups": ["sg-1"], "profile": {"arn": "arn:1"}}
STORED = {
    "sourceServerArn": "arn:aws:drs:us-west-2:111122223333:source-server/s-1111222233334444a",
    "stagingAccountId": "111122223333",
    "_queryAccount": "111122223333",
    "tags": {"Name": "app-1", "Owner": "b"},
    "sourceTags": {"Owner": "b"},
    "ec2NetworkConfig": NETWORK,
    "posture": str(Posture.READY),
    "postureSince": "2026-11-01T00:00:00Z",
    "topologyComplete": True,
    "originalSourceRegion": "us-east-1",
    "originalReplicationConfigTemplateId": "rct-1",
    "lineageNames": ["app-1"],
    "contentHash": "1",
}
RECORD = {
    "arn": STORED["sourceServerArn"],
    "sourceServerID": "s-1111222233334444a",
    "dataReplicationInfo": {"dataReplicationState": "CONTINUOUS"},
    "tags": {"Name": "app-1"},
}


def test_what_a_live_server_takes_from_its_item_is_read() -> None:
    scope, now = Scope("111122223333", "us-west-2"), datetime(2026, 11, 28, tzinfo=UTC)
    live = to_items([RECORD], [projected(STORED, VIEW_ATTRIBUTES)], scope, now=now)
    assert live == to_items([RECORD], [STORED], scope, now=now)
    shown = present(live.items[0], OBJECTIVES)
    assert (shown["sourceIp"], shown["postureSince"], shown["originalSourceRegion"]) == (
        "10.0.0.7",
        "2026-11-01T00:00:00Z",
        "us-east-1",
    )


@given(items())
def test_a_whole_view_has_the_members_of_the_brief_one(item: dict[str, Any]) -> None:
    whole = present(item, OBJECTIVES)
    assert {name: whole[name] for name in brief(item, OBJECTIVES)} == brief(item, OBJECTIVES)
    assert set(brief(item, OBJECTIVES)) - set(brief(item)) == {
        "posture",
        "postureReason",
        "postureSince",
        "replicationError",
    }


@given(ODD)
def test_the_lag_is_that_of_all_moving_values(lag: object) -> None:
    record = {"dataReplicationInfo": {"lagDuration": lag}}
    assert lag_value(record).lag == moving_values(record).lag
