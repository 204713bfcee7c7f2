"""Posture of a server: which states count as ready, and that nothing else does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.inventory.moving_values import MovingValues, moving_values
from service.inventory.posture import (
    Objectives,
    Posture,
    ServerPosture,
    is_recent,
    is_replicating,
    launched_at,
    posture_of,
    replication_posture,
)
from service.queries.filters import REPLICATION_STATES
from service.settings import Settings

NOW = datetime(2026, 11, 23, 5, tzinfo=UTC)


def record(state: str | None, error: str | None = None, **members: Any) -> dict[str, Any]:
    info = {"dataReplicationState": state, "dataReplicationError": {"error": error} if error else None}
    return {"dataReplicationInfo": {name: value for name, value in info.items() if value}, **members}


@pytest.mark.parametrize(
    ("given", "posture", "reason"),
    [
        (record("CONTINUOUS"), Posture.READY, ""),
        (record("CONTINUOUS", "SNAPSHOTS_FAILURE"), Posture.STALLED, "SNAPSHOTS_FAILURE"),
        (record("INITIAL_SYNC"), Posture.SYNCING, "INITIAL_SYNC"),
        (
            record("INITIATING", "FAILED_TO_BOOT_REPLICATION_SERVER"),
            Posture.STALLED,
            "FAILED_TO_BOOT_REPLICATION_SERVER",
        ),
        (record("STALLED", "AGENT_NOT_SEEN"), Posture.STALLED, "AGENT_NOT_SEEN"),
        (record("STALLED"), Posture.STALLED, "NO_REASON_REPORTED"),
        (record("STOPPED"), Posture.STALLED, "STOPPED"),
        (record("PAUSED"), Posture.STALLED, "PAUSED"),
        (record("DISCONNECTED"), Posture.DISCONNECTED, "DISCONNECTED"),
        (record("CONTINUOUS", stagingArea={"status": "EXTENSION_ERROR"}), Posture.EXTENSION_ERROR, "EXTENSION_ERROR"),
        (record("OF_A_LATER_VERSION"), Posture.UNKNOWN, "OF_A_LATER_VERSION"),
        (record(None), Posture.UNKNOWN, "NO_STATE_REPORTED"),
        ({}, Posture.UNKNOWN, "NO_STATE_REPORTED"),
        ({"replicationState": "CONTINUOUS"}, Posture.READY, ""),
    ],
)
def test_the_posture_follows_from_what_drs_reports(given: dict[str, Any], posture: Posture, reason: str) -> None:
    assert replication_posture(given) == (posture, reason)


def test_every_state_of_drs_has_a_posture_and_only_one_is_ready() -> None:
    postures = {state: replication_posture(record(state)).posture for state in REPLICATION_STATES}
    assert Posture.UNKNOWN not in postures.values()
    assert [state for state, posture in postures.items() if posture is Posture.READY] == ["CONTINUOUS"]


@pytest.mark.parametrize(
    ("lag", "expected"),
    [
        ("PT0S", (Posture.READY, "")),
        ("P0D", (Posture.READY, "")),
        ("", (Posture.READY, "")),
        ("PT15M", (Posture.READY, "")),
        ("PT15M1S", (Posture.SYNCING, "LAG_OVER_OBJECTIVE")),
        ("P6D", (Posture.SYNCING, "LAG_OVER_OBJECTIVE")),
        (None, (Posture.UNKNOWN, "LAG_NOT_UNDERSTOOD")),
    ],
)
def test_a_lag_over_the_objective_is_not_ready_and_one_that_cannot_be_read_is_unknown(
    lag: str | None, expected: tuple[Posture, str]
) -> None:
    assert posture_of(record("CONTINUOUS"), MovingValues(lag=lag), 900) == expected


@given(
    st.dictionaries(
        st.sampled_from(["dataReplicationInfo", "stagingArea", "replicationState", "lifeCycle"]),
        st.none() | st.text() | st.integers() | st.dictionaries(st.text(), st.text() | st.none() | st.integers()),
    )
)
def test_no_record_makes_it_fail_and_none_without_a_state_is_ready(given: dict[str, Any]) -> None:
    found = posture_of(given, moving_values(given), 900)
    assert isinstance(found, ServerPosture)
    if found.posture is Posture.READY:
        info = given.get("dataReplicationInfo")
        states = {info.get("dataReplicationState") if isinstance(info, dict) else None, given.get("replicationState")}
        assert "CONTINUOUS" in states
    assert is_replicating(given) in {True, False}
    assert launched_at(given) is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("15m", 900), ("4h", 14_400), ("PT15M", 900), ("soon", None), ("", None), (5, None)]
)
def test_the_tag_of_a_server_names_its_own_objective(text: object, seconds: int | None) -> None:
    objectives = Objectives.of(Settings(lag_objective_seconds=60, lag_objective_tag="goal"))
    tags = {"goal": text}
    assert objectives.own_lag(tags) == seconds
    assert objectives.lag_of(tags) == (60 if seconds is None else seconds)
    assert objectives.has_unreadable_lag(tags) is (seconds is None)
    assert (objectives.lag_of({}), objectives.has_unreadable_lag({})) == (60, False)


def launched(kind: str, status: str, result: str | None = None) -> dict[str, Any]:
    initiated = {"apiCallDateTime": "2026-11-20T00:00:00Z", "type": kind}
    return {"lifeCycle": {"lastLaunch": {"status": status, "initiated": initiated}}, "lastLaunchResult": result}


@pytest.mark.parametrize(
    ("given", "is_launched"),
    [
        (launched("DRILL", "LAUNCHED", "SUCCEEDED"), True),
        (launched("RECOVERY", "LAUNCHED"), True),
        (launched("DRILL", "TERMINATED"), True),
        (launched("DRILL", "LAUNCHED", "FAILED"), False),
        (launched("DRILL", "IN_PROGRESS"), False),
        (launched("OTHER", "LAUNCHED"), False),
        ({}, False),
    ],
)
def test_a_launch_counts_when_it_succeeded(given: dict[str, Any], *, is_launched: bool) -> None:
    moment = launched_at(given)
    assert (moment is not None) is is_launched
    assert is_recent(moment, NOW, timedelta(days=3, hours=5)) is is_launched
    assert not is_recent(moment, NOW, timedelta(days=3, hours=4))
