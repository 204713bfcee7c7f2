"""Jobs and recovery instances, advanced step by step."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from service.sandbox.moto_drs.models import DRSBackend
from tests.moto_drs.conftest import manual_backend

ID = "s-3b8f0c91d27a4e56f"
CLOUD = {"originAccountID": "111111111111", "originRegion": "us-east-1", "originAvailabilityZone": "us-east-1a"}


@pytest.fixture
def server(client: Any, backend: DRSBackend) -> Any:
    assert client
    return backend.add_source_server({"sourceServerID": ID, "tags": {"Name": "web"}, "sourceCloudProperties": CLOUD})


def recover(client: Any, *server_ids: str, **params: Any) -> dict[str, Any]:
    answer = client.start_recovery(sourceServers=[{"sourceServerID": each} for each in server_ids], **params)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    job: dict[str, Any] = answer["job"]
    return job


def describe(client: Any) -> tuple[Any, Any]:
    (server,) = client.describe_source_servers()["items"]
    return server, client.describe_recovery_instances()["items"]


@pytest.mark.usefixtures("server")
def test_a_launch_step_by_step(client: Any, backend: DRSBackend) -> None:
    job = recover(client, ID, tags={"Ticket": "1"})
    assert (job["status"], job["type"], job["initiatedBy"]) == ("PENDING", "LAUNCH", "START_RECOVERY")
    assert (job["tags"], job["participatingServers"]) == (
        {"Ticket": "1"},
        [{"sourceServerID": ID, "launchStatus": "PENDING"}],
    )
    item, instances = describe(client)
    assert (item["lastLaunchResult"], item["lifeCycle"]["lastLaunch"]["status"]) == ("PENDING", "PENDING")
    initiated = item["lifeCycle"]["lastLaunch"]["initiated"]
    assert (initiated["jobID"], initiated["type"]) == (job["jobID"], "RECOVERY")
    assert instances == []

    backend.advance()
    item, (instance,) = describe(client)
    assert (item["lastLaunchResult"], item["lifeCycle"]["lastLaunch"]["status"]) == ("PENDING", "IN_PROGRESS")
    assert "recoveryInstanceId" not in item
    assert instance["ec2InstanceState"] == "PENDING"

    backend.advance()
    item, (instance,) = describe(client)
    assert (item["lastLaunchResult"], item["lifeCycle"]["lastLaunch"]["status"]) == ("SUCCEEDED", "LAUNCHED")
    assert item["recoveryInstanceId"] == instance["recoveryInstanceID"] == instance["ec2InstanceID"]
    assert (instance["ec2InstanceState"], instance["sourceServerID"], instance["jobID"]) == (
        "RUNNING",
        ID,
        job["jobID"],
    )
    assert (instance["isDrill"], instance["originEnvironment"]) == (False, "AWS")
    assert instance["originAvailabilityZone"] == "us-east-1a"
    assert instance["dataReplicationInfo"]["dataReplicationState"] == "NOT_STARTED"
    assert instance["failback"]["state"] == "FAILBACK_NOT_STARTED"
    assert instance["tags"] == {}
    (done,) = client.describe_jobs(filters={"jobIDs": [job["jobID"]]})["items"]
    assert done["status"] == "COMPLETED"
    assert done["endDateTime"] >= done["creationDateTime"]
    (participant,) = done["participatingServers"]
    assert (participant["launchStatus"], participant["recoveryInstanceID"]) == ("LAUNCHED", item["recoveryInstanceId"])


@pytest.mark.usefixtures("server")
def test_reads_advance_jobs_on_first_pages_only(client: Any, backend: DRSBackend) -> None:
    backend.auto_advance = True
    backend.add_source_server({})
    recover(client, ID)
    page = client.describe_source_servers(maxResults=1)
    assert client.describe_source_servers(maxResults=1, nextToken=page["nextToken"])["items"]
    assert [each.record["status"] for each in backend.jobs.values()] == ["STARTED"]
    assert client.describe_jobs()["items"][0]["status"] == "COMPLETED"


@pytest.mark.usefixtures("server")
def test_a_relaunch_removes_the_earlier_instance(client: Any, backend: DRSBackend) -> None:
    launched = []
    for is_drill in (True, False):
        recover(client, ID, isDrill=is_drill)
        backend.advance()
        backend.advance()
        _, (instance,) = describe(client)
        assert instance["isDrill"] is is_drill
        launched.append(instance["recoveryInstanceID"])
    assert launched[0] != launched[1]
    item, _ = describe(client)
    assert item["recoveryInstanceId"] == launched[1]
    newest, older = client.describe_jobs()["items"]
    assert (newest["initiatedBy"], older["initiatedBy"]) == ("START_RECOVERY", "START_DRILL")


def test_launch_configuration_shapes_the_instance(client: Any, backend: DRSBackend, server: Any) -> None:
    server.launch_configuration.update(copyTags=True, launchDisposition="STOPPED")
    recover(client, ID)
    backend.advance()
    backend.advance()
    _, (instance,) = describe(client)
    assert (instance["tags"], instance["ec2InstanceState"]) == ({"Name": "web"}, "STOPPED")


@pytest.mark.usefixtures("server")
def test_launch_into_an_instance(client: Any, backend: DRSBackend) -> None:
    into = {"launchIntoEC2InstanceID": "i-0123456789abcdef0"}
    client.update_launch_configuration(sourceServerID=ID, launchIntoInstanceProperties=into)
    with pytest.raises(client.exceptions.ValidationException):
        client.update_launch_configuration(sourceServerID=ID, copyTags=True)
    recover(client, ID)
    backend.advance()
    _, (instance,) = describe(client)
    assert instance["recoveryInstanceID"] == "i-0123456789abcdef0"
    assert instance["failback"]["failbackToOriginalServer"] is True


def test_a_chosen_snapshot(client: Any, backend: DRSBackend, server: Any) -> None:
    server.snapshots[0]["timestamp"] = "2026-01-02T03:04:05.000Z"
    server.take_snapshot()
    snapshot_id = server.snapshots[0]["snapshotID"]
    client.start_recovery(sourceServers=[{"sourceServerID": ID, "recoverySnapshotID": snapshot_id}])
    backend.advance()
    _, (instance,) = describe(client)
    assert instance["pointInTimeSnapshotDateTime"] == "2026-01-02T03:04:05.000Z"
    with pytest.raises(client.exceptions.ConflictException):
        client.start_recovery(sourceServers=[{"sourceServerID": ID, "recoverySnapshotID": "pit-00000000000000000"}])


@pytest.mark.usefixtures("server")
def test_without_snapshots_the_launch_fails_in_the_job(client: Any, backend: DRSBackend) -> None:
    client.stop_replication(sourceServerID=ID)
    recover(client, ID)
    backend.advance()
    backend.advance()
    (job,) = client.describe_jobs()["items"]
    assert (job["status"], job["participatingServers"][0]["launchStatus"]) == ("COMPLETED", "FAILED")
    item, instances = describe(client)
    assert (item["lastLaunchResult"], item["lifeCycle"]["lastLaunch"]["status"]) == ("FAILED", "FAILED")
    assert instances == []


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("steps", [0, 1])
def test_a_server_that_vanishes_does_not_stop_its_job(client: Any, backend: DRSBackend, steps: int) -> None:
    recover(client, ID)
    for step in range(3):
        if step == steps:
            backend.remove_source_server(ID)
        backend.advance()
    (job,) = client.describe_jobs()["items"]
    assert (job["status"], job["participatingServers"][0]["launchStatus"]) == ("COMPLETED", "FAILED")


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("steps", [0, 1])
def test_what_vanishes_does_not_stop_its_termination(client: Any, backend: DRSBackend, steps: int) -> None:
    recover(client, ID)
    backend.advance()
    backend.advance()
    instance_id = describe(client)[0]["recoveryInstanceId"]
    client.terminate_recovery_instances(recoveryInstanceIDs=[instance_id])
    for step in range(3):
        if step == steps:
            backend.discard_instance(backend.recovery_instances[instance_id])
            backend.remove_source_server(ID)
        backend.advance()
    job = client.describe_jobs()["items"][0]
    assert (job["status"], job["participatingServers"][0]["launchStatus"]) == ("COMPLETED", "TERMINATED")


def test_an_extended_server_is_launched_in_the_target(client: Any, backend: DRSBackend, new_account: Any) -> None:
    staging = manual_backend(new_account())
    staging.trust(backend.account_id)
    origin = staging.add_source_server({"sourceCloudProperties": CLOUD})
    extended = backend.extend(origin.arn)
    recover(client, extended.source_server_id)
    backend.advance()
    backend.advance()
    item, (instance,) = describe(client)
    assert (item["lastLaunchResult"], item["recoveryInstanceId"]) == ("SUCCEEDED", instance["recoveryInstanceID"])
    assert origin.record["lastLaunchResult"] == "NOT_STARTED"
    with pytest.raises(client.exceptions.ConflictException):
        client.delete_source_server(sourceServerID=extended.source_server_id)


@pytest.mark.usefixtures("server")
def test_termination(client: Any, backend: DRSBackend) -> None:
    recover(client, ID)
    backend.advance()
    backend.advance()
    item, _ = describe(client)
    job = client.terminate_recovery_instances(recoveryInstanceIDs=[item["recoveryInstanceId"]])["job"]
    assert (job["type"], job["initiatedBy"]) == ("TERMINATE", "TERMINATE_RECOVERY_INSTANCES")
    with pytest.raises(client.exceptions.ConflictException):
        client.terminate_recovery_instances(recoveryInstanceIDs=[item["recoveryInstanceId"]])
    with pytest.raises(client.exceptions.ConflictException):
        client.disconnect_source_server(sourceServerID=ID)
    backend.advance()
    assert describe(client)[1][0]["ec2InstanceState"] == "SHUTTING-DOWN"
    backend.advance()
    item, instances = describe(client)
    assert instances == []
    assert "recoveryInstanceId" not in item
    assert item["lifeCycle"]["lastLaunch"]["status"] == "TERMINATED"
    client.disconnect_source_server(sourceServerID=ID)


@pytest.mark.usefixtures("server")
def test_an_instance_is_disconnected_then_deleted(client: Any, backend: DRSBackend) -> None:
    recover(client, ID)
    backend.advance()
    backend.advance()
    instance_id = describe(client)[0]["recoveryInstanceId"]
    with pytest.raises(client.exceptions.ConflictException):
        client.delete_recovery_instance(recoveryInstanceID=instance_id)
    client.disconnect_recovery_instance(recoveryInstanceID=instance_id)
    (instance,) = describe(client)[1]
    assert instance["dataReplicationInfo"]["dataReplicationState"] == "DISCONNECTED"
    client.delete_recovery_instance(recoveryInstanceID=instance_id)
    assert describe(client)[1] == []


def test_recovery_instances_are_filtered_and_paged(client: Any, backend: DRSBackend) -> None:
    servers = [backend.add_source_server({}).source_server_id for _ in range(3)]
    recover(client, *servers)
    backend.advance()
    backend.advance()
    ids = list(backend.recovery_instances)
    first = client.describe_recovery_instances(maxResults=2, filters={"recoveryInstanceIDs": []})
    assert [each["recoveryInstanceID"] for each in first["items"]] == ids[:2]
    rest = client.describe_recovery_instances(maxResults=2, nextToken=first["nextToken"])
    assert [each["recoveryInstanceID"] for each in rest["items"]] == ids[2:]
    assert "nextToken" not in rest
    by_server = client.describe_recovery_instances(filters={"sourceServerIDs": servers[1:2]})
    assert [each["sourceServerID"] for each in by_server["items"]] == servers[1:2]
    by_id = client.describe_recovery_instances(filters={"recoveryInstanceIDs": [ids[2], "i-00000000000000000"]})
    assert [each["recoveryInstanceID"] for each in by_id["items"]] == ids[2:]


def test_jobs_are_filtered_paged_and_deleted(client: Any, backend: DRSBackend) -> None:
    ids = [recover(client, backend.add_source_server({}).source_server_id)["jobID"] for _ in range(3)]
    first = client.describe_jobs(maxResults=2)
    assert [each["jobID"] for each in first["items"]] == [ids[2], ids[1]]
    rest = client.describe_jobs(maxResults=2, nextToken=first["nextToken"])
    assert [each["jobID"] for each in rest["items"]] == [ids[0]]
    assert client.describe_jobs(filters={"fromDate": "2999-01-01T00:00:00Z"})["items"] == []
    assert len(client.describe_jobs(filters={"toDate": "2999-01-01T00:00:00Z"})["items"]) == 3
    with pytest.raises(client.exceptions.ConflictException):
        client.delete_job(jobID=ids[0])
    backend.advance()
    backend.advance()
    client.delete_job(jobID=ids[0])
    assert [each["jobID"] for each in client.describe_jobs()["items"]] == [ids[2], ids[1]]


def test_a_server_has_one_active_job_at_a_time(client: Any, backend: DRSBackend) -> None:
    server_id = backend.add_source_server({}).source_server_id
    recover(client, server_id)
    with pytest.raises(client.exceptions.ConflictException) as error:
        recover(client, server_id)
    assert error.value.response["resourceId"] == server_id
    assert error.value.response["resourceType"] == "SourceServer"


@pytest.mark.parametrize(
    ("quota", "maximum", "code"),
    [
        ("max_jobs_in_progress", 1, "L-D88FAC3A"),
        ("max_servers_in_job", 1, "L-B827C881"),
        ("max_servers_in_jobs", 2, "L-05AFA8C6"),
    ],
)
def test_quotas_of_jobs(client: Any, backend: DRSBackend, quota: str, maximum: int, code: str) -> None:
    one, two, three = [backend.add_source_server({}).source_server_id for _ in range(3)]
    setattr(backend, quota, maximum)
    recover(client, one)
    with pytest.raises(ClientError) as error:
        recover(client, two, three)
    assert error.value.response["Error"]["Code"] == "ServiceQuotaExceededException"
    assert error.value.response["quotaCode"] == code
    assert len(backend.jobs) == 1
