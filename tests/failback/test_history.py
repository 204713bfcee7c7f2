"""Topology history: the entries recorded beside the originals, and when they are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.inventory.server import SourceServer, parse_server
from service.topology.history import (
    ATTRIBUTE,
    absent_entry,
    append_entry,
    history_of,
    is_configuration_due,
    moved_entry,
    reconfigured_entry,
)

NOW = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
TOPOLOGY = {
    "originalInstanceId": "i-1",
    "originalAvailabilityZone": "us-east-1a",
    "originalSourceRegion": "us-east-1",
    "originalSourceAccountId": "111111111111",
    "originalReplicationConfiguration": {"stagingAreaSubnetId": "subnet-1", "sourceServerID": "s-1"},
}


def server(instance: str, zone: str = "us-east-1a") -> SourceServer:
    record = {
        "arn": "arn:aws:drs:us-west-2:222222222222:source-server/s-1",
        "sourceServerID": "s-0123456789abcdef1",
        "sourceProperties": {"identificationHints": {"awsInstanceID": instance}},
        "sourceCloudProperties": {
            "originAccountID": "111111111111",
            "originRegion": "us-east-1",
            "originAvailabilityZone": zone,
        },
    }
    parsed = parse_server(record)
    assert isinstance(parsed, SourceServer)
    return parsed


def test_a_move_is_recorded_once_and_the_way_home_as_well() -> None:
    topology: dict[str, Any] = dict(TOPOLOGY)
    recorded = []
    for instance in ("i-1", "i-2", "i-2", "i-1", "i-1"):
        entry = moved_entry(topology, server(instance), now=NOW)
        recorded.append(entry and entry["instanceId"])
        if entry:
            topology[ATTRIBUTE] = append_entry(history_of(topology), entry)
    assert recorded == [None, "i-2", None, "i-1", None]


def test_another_zone_alone_is_a_move() -> None:
    entry = moved_entry(TOPOLOGY, server("i-1", "us-east-1b"), now=NOW)
    assert entry is not None
    assert entry["availabilityZone"] == "us-east-1b"


def test_an_absence_between_moves_does_not_hide_where_the_server_was() -> None:
    moved = moved_entry(TOPOLOGY, server("i-2"), now=NOW)
    assert moved is not None
    topology = {**TOPOLOGY, ATTRIBUTE: [moved, absent_entry("arn", now=NOW)]}
    assert moved_entry(topology, server("i-2"), now=NOW) is None


def test_a_changed_configuration_is_recorded_once_by_its_changed_members() -> None:
    changed = {"stagingAreaSubnetId": "subnet-2", "sourceServerID": "s-9"}
    assert reconfigured_entry(TOPOLOGY, TOPOLOGY["originalReplicationConfiguration"], now=NOW) is None  # type: ignore[arg-type]
    entry = reconfigured_entry(TOPOLOGY, changed, now=NOW)
    assert entry is not None
    assert entry["configuration"] == {"stagingAreaSubnetId": "subnet-2"}
    assert reconfigured_entry({**TOPOLOGY, ATTRIBUTE: [entry]}, changed, now=NOW) is None


@given(count=st.integers(0, 60))
def test_the_history_is_bounded_and_the_newest_stay(count: int) -> None:
    history: list[dict[str, Any]] = []
    for number in range(count):
        history = append_entry(history, {"at": number})
    assert [entry["at"] for entry in history] == list(range(count))[-20:]


@given(
    server_id=st.text(min_size=1, max_size=20),
    start=st.integers(0, 10**6),
    interval_s=st.sampled_from([300, 900, 1800, 3600, 21_600, 86_400]),
)
def test_each_server_has_one_turn_a_day_however_often_syncs_come(server_id: str, start: int, interval_s: int) -> None:
    begin, captured_at = NOW + timedelta(seconds=start), NOW - timedelta(days=2)
    moments = [begin + timedelta(seconds=second) for second in range(0, 86_400, interval_s)]
    turns = [
        is_configuration_due(server_id, captured_at=captured_at, now=each, interval_s=interval_s) for each in moments
    ]
    assert turns.count(True) == 1


def test_the_turns_are_spread() -> None:
    due = [
        is_configuration_due(f"s-{number}", captured_at=NOW - timedelta(days=2), now=NOW, interval_s=900)
        for number in range(9600)
    ]
    assert 60 < due.count(True) < 140


def test_nobody_has_a_turn_right_after_the_capture() -> None:
    moments = [NOW + timedelta(minutes=15 * number) for number in range(48)]
    assert not any(
        is_configuration_due("s-1", captured_at=captured_at, now=each, interval_s=900)
        for each in moments
        for captured_at in (NOW, None)
    )
