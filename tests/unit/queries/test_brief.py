"""Brief views: as a whole view has the same members, whatever else of the item was read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.inventory.moving_values import lag_value, moving_values
from service.inventory.posture import Objectives
from service.queries.brief import BRIEF_ATTRIBUTES, brief
from service.queries.presenter import present

OBJECTIVES = Objectives(900.0, "lag-objective", timedelta(days=180))
TEXTS = st.sampled_from(["", "CONTINUOUS", "STALLED", "srv-1", "PT4S", "PT1H", "111122223333", "EXTENSION_ERROR", "2h"])
ODD = st.one_of(TEXTS, st.none(), st.integers(), st.lists(TEXTS, max_size=2))
OTHERS = ("fqdn", "osName", "disks", "contentHash", "dataReplicationInfo.replicatedDisks", "lifeCycle.elapsed")


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
    for path in draw(st.sets(st.sampled_from([*BRIEF_ATTRIBUTES, *OTHERS]))):
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
