"""Summary of a scope: what it counts, what it names, and that it stays small."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.inventory.moving_values import moving_values
from service.inventory.scope_summary import MAX_NAMED, ScopeSummary

NOW = datetime(2026, 11, 23, 5, tzinfo=UTC)


def summary_of(*records: dict[str, Any]) -> dict[str, Any]:
    summary = ScopeSummary()
    for record in records:
        summary.add(record, moving_values(record))
    return summary.as_json(NOW)


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
    assert len(orjson.dumps(shown)) < 5000


@given(st.dictionaries(st.sampled_from(["sourceServerID", "dataReplicationInfo", "lifeCycle"]), st.text() | st.none()))
def test_no_record_makes_a_summary_fail(record: dict[str, Any]) -> None:
    assert summary_of(record)["servers"] == 1
