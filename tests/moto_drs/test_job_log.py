"""Logs of jobs: which events, of what, in which order."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from service.sandbox.moto_drs.models import DRSBackend

ID = "s-3b8f0c91d27a4e56f"
OTHER_ID = "s-3b8f0c91d27a4e570"
SNAPSHOT = ["SNAPSHOT_START", "SNAPSHOT_END"]
CONVERSION = ["CONVERSION_START", "CONVERSION_END"]
CLEANUP = ["CLEANUP_START", "CLEANUP_END"]


@pytest.fixture
def server(client: Any, backend: DRSBackend) -> Any:
    assert client
    return backend.add_source_server({"sourceServerID": ID})


def recover(client: Any, backend: DRSBackend, *entries: dict[str, str]) -> str:
    """Run a launch to its end; returns the id of the job."""
    job_id = str(client.start_recovery(sourceServers=list(entries) or [{"sourceServerID": ID}])["job"]["jobID"])
    backend.advance()
    backend.advance()
    return job_id


def log_of(client: Any, job_id: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.describe_job_log_items(jobID=job_id)["items"]
    return items


def events_of(client: Any, job_id: str) -> list[str]:
    return [str(each["event"]) for each in log_of(client, job_id)]


@pytest.mark.usefixtures("server")
def test_the_log_of_a_launch_grows_with_the_job(client: Any, backend: DRSBackend) -> None:
    job = client.start_recovery(sourceServers=[{"sourceServerID": ID}])["job"]
    assert events_of(client, job["jobID"]) == []
    backend.advance()
    begun = ["JOB_START", *SNAPSHOT, *CONVERSION, "LAUNCH_START"]
    assert events_of(client, job["jobID"]) == begun
    backend.advance()
    items = log_of(client, job["jobID"])
    assert [each["event"] for each in items] == [*begun, "JOB_END"]
    assert [("eventData" in each) for each in items] == [False, *[True] * 5, False]
    assert {each["eventData"]["sourceServerID"] for each in items if "eventData" in each} == {ID}
    times = [each["logDateTime"] for each in items]
    assert times == sorted(times)
    (instance,) = client.describe_recovery_instances()["items"]
    assert items[5]["eventData"]["targetInstanceID"] == instance["recoveryInstanceID"]


def test_a_conversion_tells_its_disks(client: Any, backend: DRSBackend, server: Any) -> None:
    (snapshot,) = server.snapshots
    start, end = log_of(client, recover(client, backend))[3:5]
    assert start["eventData"] == end["eventData"]
    assert start["eventData"]["conversionServerID"].startswith("i-")
    properties = start["eventData"]["conversionProperties"]
    assert properties["rootVolumeName"] == "/dev/nvme0n1"
    assert properties["volumeToVolumeSize"] == {"/dev/nvme0n1": 32 * 1024**3}
    assert list(properties["volumeToConversionMap"]["/dev/nvme0n1"]) == snapshot["ebsSnapshots"]
    assert (properties["dataTimestamp"], properties["forceUefi"]) == (snapshot["timestamp"], False)


def test_the_fast_recovery_mode_has_no_conversion(client: Any, backend: DRSBackend, server: Any) -> None:
    client.update_launch_configuration(sourceServerID=server.source_server_id, recoveryMode="FAST")
    assert events_of(client, recover(client, backend)) == ["JOB_START", *SNAPSHOT, "LAUNCH_START", "JOB_END"]


@pytest.mark.usefixtures("server")
def test_a_relaunch_cleans_up_the_earlier_instance(client: Any, backend: DRSBackend) -> None:
    recover(client, backend)
    (earlier,) = client.describe_recovery_instances()["items"]
    items = log_of(client, recover(client, backend))
    assert [each["event"] for each in items[3:5]] == CLEANUP
    assert {each["eventData"]["targetInstanceID"] for each in items[3:5]} == {earlier["recoveryInstanceID"]}


def test_a_given_snapshot_is_used(client: Any, backend: DRSBackend, server: Any) -> None:
    entry = {"sourceServerID": ID, "recoverySnapshotID": server.snapshots[0]["snapshotID"]}
    assert events_of(client, recover(client, backend, entry))[1] == "USING_PREVIOUS_SNAPSHOT"


def test_a_given_snapshot_that_is_gone_fails_the_launch(client: Any, backend: DRSBackend, server: Any) -> None:
    entry = {"sourceServerID": ID, "recoverySnapshotID": server.snapshots[0]["snapshotID"]}
    job_id = client.start_recovery(sourceServers=[entry])["job"]["jobID"]
    server.snapshots.clear()
    backend.advance()
    backend.advance()
    items = log_of(client, job_id)
    assert [each["event"] for each in items] == ["JOB_START", "USING_PREVIOUS_SNAPSHOT_FAILED", "JOB_END"]
    assert "does not exist" in items[1]["eventData"]["rawError"]


def test_a_stalled_server_is_launched_from_an_earlier_snapshot(client: Any, backend: DRSBackend, server: Any) -> None:
    server.transition_to("STALLED")
    items = log_of(client, recover(client, backend))
    assert [each["event"] for each in items[1:4]] == ["SNAPSHOT_START", "SNAPSHOT_FAIL", "USING_PREVIOUS_SNAPSHOT"]
    assert items[2]["eventData"]["rawError"] == "The replication is STALLED."
    assert "LAUNCH_START" in [each["event"] for each in items]


@pytest.mark.usefixtures("server")
def test_servers_of_one_job_have_events_of_their_own(client: Any, backend: DRSBackend) -> None:
    backend.add_source_server({"sourceServerID": OTHER_ID, "dataReplicationInfo": {"dataReplicationState": "STOPPED"}})
    items = log_of(client, recover(client, backend, {"sourceServerID": ID}, {"sourceServerID": OTHER_ID}))
    of_each = {
        server_id: [each["event"] for each in items if each.get("eventData", {}).get("sourceServerID") == server_id]
        for server_id in (ID, OTHER_ID)
    }
    assert of_each == {
        ID: [*SNAPSHOT, *CONVERSION, "LAUNCH_START"],
        OTHER_ID: ["SNAPSHOT_START", "SNAPSHOT_FAIL"],
    }
    assert (items[0]["event"], items[-1]["event"]) == ("JOB_START", "JOB_END")


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (0, ["JOB_START", "SERVER_SKIPPED", "JOB_END"]),
        (1, ["JOB_START", *SNAPSHOT, *CONVERSION, "LAUNCH_START", "LAUNCH_FAILED", "JOB_END"]),
    ],
)
def test_a_server_that_vanishes(client: Any, backend: DRSBackend, steps: int, expected: list[str]) -> None:
    job_id = client.start_recovery(sourceServers=[{"sourceServerID": ID}])["job"]["jobID"]
    for step in range(2):
        if step == steps:
            backend.remove_source_server(ID)
        backend.advance()
    assert events_of(client, job_id) == expected


@pytest.mark.usefixtures("server")
def test_the_log_of_a_termination(client: Any, backend: DRSBackend) -> None:
    recover(client, backend)
    (instance,) = client.describe_recovery_instances()["items"]
    job_id = client.terminate_recovery_instances(recoveryInstanceIDs=[instance["recoveryInstanceID"]])["job"]["jobID"]
    backend.advance()
    backend.advance()
    items = log_of(client, job_id)
    assert [each["event"] for each in items] == ["JOB_START", *CLEANUP, "JOB_END"]
    data = {"sourceServerID": ID, "targetInstanceID": instance["recoveryInstanceID"]}
    assert [each["eventData"] for each in items[1:3]] == [data, data]


@pytest.mark.usefixtures("server")
def test_the_log_of_a_failback_launch(client: Any, backend: DRSBackend) -> None:
    recover(client, backend)
    (instance_id,) = backend.recovery_instances
    backend.connect_failback_client(instance_id)
    backend.advance()
    backend.advance()
    job_id = client.start_failback_launch(recoveryInstanceIDs=[instance_id])["job"]["jobID"]
    backend.advance()
    backend.advance()
    items = log_of(client, job_id)
    assert [each["event"] for each in items] == ["JOB_START", "LAUNCH_START", "JOB_END"]
    assert items[1]["eventData"] == {"sourceServerID": ID, "targetInstanceID": instance_id}


@pytest.mark.usefixtures("server")
def test_reading_the_log_moves_a_job_on(client: Any, backend: DRSBackend) -> None:
    backend.auto_advance = True
    job_id = client.start_recovery(sourceServers=[{"sourceServerID": ID}])["job"]["jobID"]
    first = client.describe_job_log_items(jobID=job_id, maxResults=2)
    rest = client.describe_job_log_items(jobID=job_id, nextToken=first["nextToken"])["items"]
    assert [each["event"] for each in [*first["items"], *rest]][-1] == "LAUNCH_START"
    assert events_of(client, job_id)[-1] == "JOB_END"


def test_a_page_of_a_log_is_limited(client: Any, backend: DRSBackend, server: Any) -> None:
    assert server.source_server_id == ID
    job_id = recover(client, backend)
    with pytest.raises(client.exceptions.ValidationException) as error:
        client.describe_job_log_items(jobID=job_id, maxResults=1001)
    assert error.value.response["fieldList"] == [{"name": "maxResults", "message": "must be between 1 and 1000"}]


def test_a_job_that_does_not_exist_or_was_deleted(client: Any, backend: DRSBackend, server: Any) -> None:
    assert server.source_server_id == ID
    job_id = recover(client, backend)
    client.delete_job(jobID=job_id)
    for unknown in (job_id, "drsjob-00000000000000000"):
        with pytest.raises(ClientError) as error:
            client.describe_job_log_items(jobID=unknown)
        assert error.value.response["Error"]["Code"] == "ValidationException"
        assert error.value.response["fieldList"] == [{"name": "jobID", "message": "names no job"}]
