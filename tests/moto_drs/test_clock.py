"""The clock of all DRS backends: its time, the steps that it makes, and who moves states."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.sandbox.moto_drs.clock import STEP, Clock, drs_clock
from service.sandbox.moto_drs.models import DRSBackend
from tests.moto_drs.conftest import Client, manual_backend

pytestmark = pytest.mark.usefixtures("real_time")

YEAR_S = 365 * 24 * 3600


@given(st.lists(st.floats(0, 500)))
def test_each_whole_minute_of_the_offset_is_one_step_at_its_time(moves: list[float]) -> None:
    clock, offsets = Clock(), []

    def step() -> bool:
        offsets.append(clock.offset)
        return True

    clock.drive(step, lambda: None)
    for seconds in moves:
        clock.advance(seconds)
    assert clock.offset == sum((timedelta(seconds=each) for each in moves), timedelta())
    assert offsets == [number * STEP for number in range(1, clock.offset // STEP + 1)]


def test_no_further_steps_are_made_once_nothing_moves() -> None:
    clock, moving = Clock(), [True, True, False]
    caught_up = []
    clock.drive(lambda: moving.pop(0), lambda: caught_up.append(clock.offset))
    clock.advance(YEAR_S)
    assert not moving
    assert caught_up == [clock.offset] == [timedelta(seconds=YEAR_S)]


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e13])
def test_the_clock_does_not_go_back_nor_beyond_the_last_date(seconds: float) -> None:
    clock = Clock()
    clock.advance(5)
    with pytest.raises(ValueError, match=r"forward only|no date"):
        clock.advance(seconds)
    assert clock.offset == timedelta(seconds=5)


@pytest.mark.parametrize(
    ("moves", "status"),
    [
        ((59,), "PENDING"),
        ((60,), "STARTED"),
        ((59, 1), "STARTED"),
        ((119,), "STARTED"),
        ((30, 30, 60), "COMPLETED"),
        ((YEAR_S,), "COMPLETED"),
    ],
)
def test_a_job_moves_with_the_clock_in_every_scope(
    client: Any, backend: DRSBackend, new_account: Any, moves: tuple[int, ...], status: str
) -> None:
    backends = [backend, manual_backend(new_account()), manual_backend(backend.account_id, "eu-west-1")]
    for each in backends:
        each.start_recovery({each.add_source_server({}).source_server_id: None}, is_drill=True)
    for seconds in moves:
        drs_clock.advance(seconds)
    assert [job.record["status"] for each in backends for job in each.jobs.values()] == [status] * 3
    assert client.describe_jobs()["items"][0]["status"] == status


def test_timestamps_are_of_this_clock(client: Any, backend: DRSBackend) -> None:
    server = backend.add_source_server({}).source_server_id
    first = client.start_recovery(sourceServers=[{"sourceServerID": server}])["job"]
    drs_clock.advance(YEAR_S)
    (done,) = client.describe_jobs()["items"]
    second = client.start_recovery(sourceServers=[{"sourceServerID": server}])["job"]
    begun, ended, later = (
        datetime.fromisoformat(each)
        for each in (first["creationDateTime"], done["endDateTime"], second["creationDateTime"])
    )
    assert ended - begun >= timedelta(minutes=2)
    assert later - ended >= timedelta(seconds=YEAR_S, minutes=-2)  # it ended at its minute, not with the year


def test_replications_and_a_failback_move_with_the_clock(
    client: Any, backend: DRSBackend, new_account: Any, connect: Client
) -> None:
    origin = manual_backend(
        new_account(), "us-east-1"
    )  # its server becomes continuous after the instance was looked at
    cloud = {
        "originAccountID": origin.account_id,
        "originRegion": "us-east-1",
        "originAvailabilityZone": "us-east-1a",
    }
    server = backend.add_source_server({"sourceCloudProperties": cloud}).source_server_id
    client.start_recovery(sourceServers=[{"sourceServerID": server}])
    drs_clock.advance(YEAR_S)
    (instance,) = client.describe_recovery_instances()["items"]
    client.reverse_replication(recoveryInstanceID=instance["recoveryInstanceID"])
    drs_clock.advance(YEAR_S)
    (reversed_server,) = connect(origin.account_id, "us-east-1").describe_source_servers()["items"]
    assert reversed_server["dataReplicationInfo"]["dataReplicationState"] == "CONTINUOUS"
    (instance,) = client.describe_recovery_instances()["items"]
    assert instance["failback"]["state"] == "FAILBACK_READY_FOR_LAUNCH"


def test_reads_move_states_only_where_that_is_on(client: Any, backend: DRSBackend) -> None:
    backend.auto_advance = True
    server = backend.add_source_server({}).source_server_id
    client.start_recovery(sourceServers=[{"sourceServerID": server}])
    drs_clock.set_auto_advance({backend.account_id}, is_on=False)
    assert client.describe_jobs()["items"][0]["status"] == "PENDING"
    drs_clock.advance(60)
    assert client.describe_jobs()["items"][0]["status"] == "STARTED"
    drs_clock.set_auto_advance({backend.account_id}, is_on=True)
    assert client.describe_jobs()["items"][0]["status"] == "COMPLETED"
