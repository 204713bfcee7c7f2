"""Summary of a scope: what it counts, what it names, and that it stays small."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.inventory.moving_values import moving_values
from service.inventory.posture import Objectives
from service.inventory.scope_summary import MAX_NAMED, ScopeSummary

NOW = datetime(2026, 11, 23, 5, tzinfo=UTC)
OBJECTIVES = Objectives(lag_s=900, lag_tag="lag", drill_age=timedelta(days=30))


def summary_of(*records: dict[str, Any]) -> dict[str, Any]:
    summary = ScopeSummary(OBJECTIVES, NOW)
    for record in records:
        summary.add(record, moving_values(record))
    return summary.as_json()


def server(number: int, state: str = "CONTINUOUS", **members: Any) -> dict[str, Any]:
    info = {"dataReplicationState": state, **members.pop("info", {})}
    return {"sourceServerID": f"s-{number}", "dataReplicationInfo": info, **members}


def launch(at: str, kind: str, status: str = "LAUNCHED") -> dict[str, Any]:
    return {"lastLaunch": {"status": status, "initiated": {"apiCallDateTime": at, "type": kind}}}


def test_a_summary_of_no_server_says_so() -> None:
    assert summary_of() == {
        "asOf": "2026-11-23T05:00:00.000000+00:00",
        "servers": 0,
        "byState": {},
        "worstLag": None,
        "backlogBytes": 0,
        "stalled": {"count": 0, "byReason": {}, "sourceServerIDs": []},
        "lastLaunch": None,
        "withoutDrill": 0,
        "posture": {},
        "replicating": {},
    }


def test_a_summary_counts_states_lag_backlog_and_stalls() -> None:
    shown = summary_of(
        server(1, info={"lagDuration": "PT14M", "replicatedDisks": [{"backloggedStorageBytes": 5}]}),
        server(2, info={"lagDuration": "P6D", "replicatedDisks": [{"backloggedStorageBytes": 2**42}]}),
        server(3, info={"lagDuration": "a while"}),
        server(4, "STALLED", info={"dataReplicationError": {"error": "NOT_CONVERGING"}}),
        server(5, "STALLED"),
        server(6, "INITIATING", info={"dataReplicationError": {"error": "NOT_CONVERGING"}}),
        {},
    )
    assert (shown["servers"], shown["backlogBytes"]) == (7, 2**42 + 5)
    assert shown["byState"] == {"CONTINUOUS": 3, "STALLED": 2, "INITIATING": 1, "UNKNOWN": 1}
    assert shown["worstLag"] == {"seconds": 518_400, "lagDuration": "P6D", "sourceServerID": "s-2"}
    assert shown["stalled"] == {
        "count": 3,
        "byReason": {"NOT_CONVERGING": 2, "NO_REASON_REPORTED": 1},
        "sourceServerIDs": ["s-4", "s-5", "s-6"],
    }


@pytest.mark.parametrize(
    ("cycle", "without_drill"),
    [
        ({}, 1),
        (launch("2026-11-20T02:10:31.774Z", "RECOVERY"), 1),
        (launch("2026-11-20T02:10:31.774Z", "DRILL"), 0),
        (launch("2026-11-20T02:10:31.774Z", "DRILL", "TERMINATED"), 0),
        (launch("2026-11-20T02:10:31.774Z", "DRILL", "FAILED"), 1),
        (launch("2026-11-20T02:10:31.774Z", "DRILL", "IN_PROGRESS"), 1),
    ],
)
def test_a_summary_counts_servers_whose_last_launch_is_no_drill_that_was_done(
    cycle: dict[str, Any], without_drill: int
) -> None:
    assert summary_of(server(1, lifeCycle=cycle))["withoutDrill"] == without_drill


def test_a_summary_names_the_last_launch() -> None:
    shown = summary_of(
        server(1, lifeCycle=launch("2026-11-20T02:10:31.774Z", "DRILL"), lastLaunchResult="SUCCEEDED"),
        server(2, lifeCycle=launch("2026-11-21T02:10:31Z", "RECOVERY", "FAILED")),
        server(3, lifeCycle=launch("yesterday", "DRILL")),
    )
    last = {"time": "2026-11-21T02:10:31Z", "type": "RECOVERY", "result": "FAILED", "sourceServerID": "s-2"}
    assert shown["lastLaunch"] == last


def test_a_summary_stays_small_however_many_servers_and_words_there_are() -> None:
    errors = [{"dataReplicationError": {"error": f"ERROR_{n}" * 100}} for n in range(5000)]
    shown = summary_of(*(server(n, f"STATE_{n}" * 100, info=errors[n]) for n in range(5000)))
    assert len(shown["stalled"]["sourceServerIDs"]) == MAX_NAMED
    assert shown["stalled"]["count"] == sum(shown["byState"].values()) == 5000
    assert sum(shown["stalled"]["byReason"].values()) == 5000
    assert len(orjson.dumps(shown)) < 10_000


@given(st.dictionaries(st.sampled_from(["sourceServerID", "dataReplicationInfo", "lifeCycle"]), st.text() | st.none()))
def test_no_record_makes_a_summary_fail(record: dict[str, Any]) -> None:
    assert summary_of(record)["servers"] == 1


def test_a_summary_counts_postures_and_names_the_worst_servers_first() -> None:
    summary = ScopeSummary(OBJECTIVES, NOW)
    records = [
        server(1),
        server(2, info={"lagDuration": "PT16M"}),
        server(3, "STALLED", info={"dataReplicationError": {"error": "AGENT_NOT_SEEN"}}),
        server(4, "DISCONNECTED"),
        server(5, "INITIAL_SYNC"),
        server(6, stagingArea={"status": "EXTENSION_ERROR", "errorMessage": "gone"}),
        server(7, "NEWER_STATE"),
    ]
    for number, record in enumerate(records):
        summary.add(record, moving_values(record), since=f"2026-11-0{number + 1}T00:00:00Z")
    shown = summary.as_json()
    assert shown["posture"] == {
        "ready": 1,
        "syncing": 2,
        "stalled": 1,
        "disconnected": 1,
        "extensionError": 1,
        "unknown": 1,
    }
    assert [(each["sourceServerID"], each["posture"], each["reason"]) for each in shown["notReady"]] == [
        ("s-4", "disconnected", "DISCONNECTED"),
        ("s-3", "stalled", "AGENT_NOT_SEEN"),
        ("s-6", "extensionError", "EXTENSION_ERROR"),
        ("s-7", "unknown", "NEWER_STATE"),
        ("s-2", "syncing", "LAG_OVER_OBJECTIVE"),
        ("s-5", "syncing", "INITIAL_SYNC"),
    ]
    assert shown["notReadyByReason"][1] == {
        "posture": "stalled",
        "reason": "AGENT_NOT_SEEN",
        "count": 1,
        "since": "2026-11-03T00:00:00Z",
    }
    assert shown["overObjective"] == 1


def test_a_tag_of_a_server_takes_precedence_over_the_general_objective() -> None:
    summary = ScopeSummary(OBJECTIVES, NOW)
    for tags in ({"lag": "4h"}, {"lag": "10m"}, {"lag": "soon"}, {}):
        record = server(1, info={"lagDuration": "PT1H"}, tags=tags)
        summary.add(record, moving_values(record))
    shown = summary.as_json()
    assert shown["posture"] == {"ready": 1, "syncing": 3}
    assert (shown["overObjective"], shown["unreadableObjectives"]) == (3, 1)


def test_a_summary_counts_what_replicates_by_the_account_that_does_it() -> None:
    area = {"status": "EXTENDED", "stagingAccountID": "222222222222"}
    shown = summary_of(
        server(1), server(2), server(3, stagingArea=area), server(4, "STOPPED"), server(5, "DISCONNECTED")
    )
    assert shown["replicating"] == {"": 2, "222222222222": 1}


def test_a_summary_counts_servers_without_a_recent_launch() -> None:
    recent, old = "2026-10-25T00:00:00Z", "2026-10-20T00:00:00Z"
    shown = summary_of(
        server(1, lifeCycle=launch(recent, "DRILL")),
        server(2, lifeCycle=launch(recent, "RECOVERY")),
        server(3, lifeCycle=launch(old, "DRILL")),
        server(4, lifeCycle=launch(recent, "DRILL", "FAILED")),
        server(5),
    )
    assert shown["withoutRecentDrill"] == 3


def test_a_healthy_scope_has_no_member_about_what_is_wrong() -> None:
    shown = summary_of(server(1, lifeCycle=launch("2026-11-20T02:10:31.774Z", "DRILL")))
    assert not {"notReady", "notReadyByReason", "overObjective", "topologyUnknown", "withoutRecentDrill"} & set(shown)
