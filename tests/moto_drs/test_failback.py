"""Failback: recovery, reversed replication, failback, renewed protection, cleanup; quotas and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from service.sandbox.moto_drs import drs_backends
from service.sandbox.moto_drs.models import DRSBackend
from service.sandbox.moto_drs.records import RecoveryInstance, SourceServer
from tests.moto_drs.conftest import REGION, Client, manual_backend

ORIGINAL = "i-0123456789abcdef0"
SOURCE_REGION = "us-east-1"


def from_ec2(account_id: str, region: str = SOURCE_REGION) -> dict[str, Any]:
    return {
        "sourceCloudProperties": {
            "originAccountID": account_id,
            "originRegion": region,
            "originAvailabilityZone": f"{region}a",
        },
        "sourceProperties": {"identificationHints": {"awsInstanceID": ORIGINAL}},
    }


def launch(backend: DRSBackend, server: SourceServer) -> RecoveryInstance:
    backend.start_recovery({server.source_server_id: None}, is_drill=False)
    backend.advance()
    backend.advance()
    return backend.recovery_instances[server.record["recoveryInstanceId"]]


def only(items: list[Any]) -> Any:
    (item,) = items
    return item


def state_of(item: Any) -> str:
    return str(item["dataReplicationInfo"]["dataReplicationState"])


@pytest.mark.parametrize("same_account", [True, False])
def test_failback_cycle_across_regions(connect: Client, new_account: Callable[[], str], same_account: bool) -> None:  # noqa: FBT001, PLR0915
    dr_account = new_account()
    source_account = dr_account if same_account else new_account()
    dr, source = manual_backend(dr_account), manual_backend(source_account, SOURCE_REGION)
    source.create_replication_configuration_template({"stagingAreaSubnetId": "subnet-0000000000000beef"})
    in_dr, in_source = connect(dr_account), connect(source_account, SOURCE_REGION)

    # 0, 1, 2: replicating; recovered; the original is lost
    forward = dr.add_source_server(from_ec2(source_account))
    recovered = launch(dr, forward).instance_id
    forward.enter("STALLED")
    assert in_source.describe_source_servers()["items"] == []

    # 3: reversed
    arn = in_dr.reverse_replication(recoveryInstanceID=recovered)["reversedDirectionSourceServerArn"]
    b1, b2 = only(in_dr.describe_source_servers()["items"]), only(in_dr.describe_recovery_instances()["items"])
    a2 = only(in_source.describe_source_servers()["items"])
    assert a2["arn"] == b1["reversedDirectionSourceServerArn"] == arn
    assert a2["replicationDirection"] == "FAILBACK"
    assert a2["reversedDirectionSourceServerArn"] == b1["arn"]
    assert a2["sourceProperties"]["identificationHints"]["awsInstanceID"] == recovered
    assert a2["sourceCloudProperties"]["originRegion"] == REGION
    assert a2["sourceCloudProperties"]["originAccountID"] == dr_account
    assert (state_of(a2), state_of(b2)) == ("INITIATING", "INITIATING")
    assert "firstByteDateTime" not in a2["lifeCycle"]
    assert b2["failback"]["state"] == "FAILBACK_IN_PROGRESS"
    configuration = in_source.get_replication_configuration(sourceServerID=a2["sourceServerID"])
    assert configuration["stagingAreaSubnetId"] == "subnet-0000000000000beef"
    with pytest.raises(in_dr.exceptions.ConflictException):
        in_dr.terminate_recovery_instances(recoveryInstanceIDs=[recovered])
    with pytest.raises(in_dr.exceptions.ConflictException):
        in_dr.reverse_replication(recoveryInstanceID=recovered)

    # 4: reversed replication is continuous
    for _ in range(2):
        source.advance()
        dr.advance()
    a2, b2 = only(in_source.describe_source_servers()["items"]), only(in_dr.describe_recovery_instances()["items"])
    assert (state_of(a2), state_of(b2)) == ("CONTINUOUS", "CONTINUOUS")
    assert b2["failback"]["state"] == "FAILBACK_READY_FOR_LAUNCH"

    # 5: launched for failback
    in_source.start_recovery(sourceServers=[{"sourceServerID": a2["sourceServerID"]}])
    source.advance()
    a3 = only(in_source.describe_recovery_instances()["items"])
    with pytest.raises(in_source.exceptions.ConflictException, match="not finished initializing"):
        in_source.reverse_replication(recoveryInstanceID=a3["recoveryInstanceID"])
    source.advance()
    assert a3["sourceServerID"] == a2["sourceServerID"]

    # 6: the forward server replicates the new instance, in place
    again = in_source.reverse_replication(recoveryInstanceID=a3["recoveryInstanceID"])
    assert again["reversedDirectionSourceServerArn"] == b1["arn"]
    states = []
    for _ in range(3):
        b1 = only(in_dr.describe_source_servers()["items"])
        states.append(state_of(b1))
        dr.advance()
    assert states == ["STALLED", "RESCAN", "CONTINUOUS"]
    assert b1["sourceServerID"] == forward.source_server_id
    assert b1["sourceProperties"]["identificationHints"]["awsInstanceID"] == a3["ec2InstanceID"]
    assert b1["sourceCloudProperties"]["originRegion"] == SOURCE_REGION
    assert b1["reversedDirectionSourceServerArn"] == arn  # stale from now on
    assert state_of(only(in_source.describe_recovery_instances()["items"])) != "NOT_STARTED"

    # 7: cleanup; only the forward server is left
    in_source.stop_replication(sourceServerID=a2["sourceServerID"])
    in_dr.terminate_recovery_instances(recoveryInstanceIDs=[recovered])
    dr.advance()
    dr.advance()
    with pytest.raises(in_source.exceptions.ConflictException):
        in_source.disconnect_source_server(sourceServerID=a2["sourceServerID"])
    in_source.delete_recovery_instance(recoveryInstanceID=a3["recoveryInstanceID"])
    in_source.disconnect_source_server(sourceServerID=a2["sourceServerID"])
    in_source.delete_source_server(sourceServerID=a2["sourceServerID"])
    assert in_source.describe_source_servers()["items"] == in_source.describe_recovery_instances()["items"] == []
    assert in_dr.describe_recovery_instances()["items"] == []
    assert only(in_dr.describe_source_servers()["items"])["sourceServerID"] == forward.source_server_id


def test_the_source_region_must_be_initialised(client: Any, backend: DRSBackend, account: str) -> None:
    instance = launch(backend, backend.add_source_server(from_ec2(account)))
    with pytest.raises(client.exceptions.UninitializedAccountException):
        client.reverse_replication(recoveryInstanceID=instance.instance_id)
    assert instance.failback["state"] == "FAILBACK_NOT_STARTED"


def test_a_disconnected_instance_cannot_be_reversed(client: Any, backend: DRSBackend, account: str) -> None:
    drs_backends[account][SOURCE_REGION].initialize_service()
    instance = launch(backend, backend.add_source_server(from_ec2(account)))
    client.disconnect_recovery_instance(recoveryInstanceID=instance.instance_id)
    with pytest.raises(client.exceptions.ConflictException, match="agent is not connected"):
        client.reverse_replication(recoveryInstanceID=instance.instance_id)


def test_the_quota_of_replicating_servers(client: Any, backend: DRSBackend, account: str) -> None:
    source = manual_backend(account, SOURCE_REGION)
    source.max_replicating_servers = backend.max_replicating_servers = 0
    server = backend.add_source_server(from_ec2(account))
    instance = launch(backend, server)
    with pytest.raises(client.exceptions.ConflictException, match="Too many replicating"):
        client.reverse_replication(recoveryInstanceID=instance.instance_id)
    client.stop_replication(sourceServerID=server.source_server_id)
    with pytest.raises(client.exceptions.ConflictException, match="Too many replicating"):
        client.start_replication(sourceServerID=server.source_server_id)


def test_the_quota_of_all_servers(client: Any, backend: DRSBackend, account: str) -> None:
    source = manual_backend(account, SOURCE_REGION)
    source.max_source_servers = 0
    instance = launch(backend, backend.add_source_server(from_ec2(account)))
    with pytest.raises(client.exceptions.ConflictException, match="Too many source servers"):
        client.reverse_replication(recoveryInstanceID=instance.instance_id)
    assert instance.failback["state"] == "FAILBACK_NOT_STARTED"


@pytest.mark.parametrize("region", ["us-gov-west-1", "xx-nowhere-1"])
def test_reversal_to_another_partition_is_rejected(client: Any, backend: DRSBackend, account: str, region: str) -> None:
    drs_backends[account]["us-gov-west-1"].initialize_service()
    instance = launch(backend, backend.add_source_server(from_ec2(account, region)))
    with pytest.raises(client.exceptions.ValidationException, match=region):
        client.reverse_replication(recoveryInstanceID=instance.instance_id)
    assert not drs_backends[account]["us-gov-west-1"].source_servers


def test_a_failback_launched_too_early_fails_in_its_job(connect: Client, backend: DRSBackend, account: str) -> None:
    source = manual_backend(account, SOURCE_REGION)
    instance = launch(backend, backend.add_source_server(from_ec2(account)))
    connect(account).reverse_replication(recoveryInstanceID=instance.instance_id)
    client = connect(account, SOURCE_REGION)
    server_id = only(client.describe_source_servers()["items"])["sourceServerID"]
    client.start_recovery(sourceServers=[{"sourceServerID": server_id}])
    source.advance()
    source.advance()
    participant = only(only(client.describe_jobs()["items"])["participatingServers"])
    assert participant["launchStatus"] == "FAILED"
    assert client.describe_recovery_instances()["items"] == []
    with pytest.raises(client.exceptions.ConflictException, match="Disconnect the source server first"):
        client.delete_source_server(sourceServerID=server_id)


def test_failback_of_an_extended_server_repoints_its_staging_server(
    connect: Client, backend: DRSBackend, account: str, new_account: Callable[[], str]
) -> None:
    staging, source = manual_backend(new_account()), manual_backend(new_account(), SOURCE_REGION)
    staging.trust(account)
    origin = staging.add_source_server(from_ec2(source.account_id))
    extended = backend.extend(origin.arn)
    instance = launch(backend, extended)
    connect(account).reverse_replication(recoveryInstanceID=instance.instance_id)
    reversed_server = only(list(source.source_servers.values()))
    for _ in range(2):
        source.advance()
    back = launch(source, reversed_server)
    answer = connect(source.account_id, SOURCE_REGION).reverse_replication(recoveryInstanceID=back.instance_id)
    assert answer["reversedDirectionSourceServerArn"] == extended.arn
    assert origin.hints["awsInstanceID"] == back.instance_id
    item = only(connect(account).describe_source_servers()["items"])
    assert item["sourceProperties"]["identificationHints"]["awsInstanceID"] == back.instance_id


def test_reversal_across_zones_repoints_the_same_server(client: Any, backend: DRSBackend, account: str) -> None:
    server = backend.add_source_server(from_ec2(account, REGION))
    subnet = server.replication_configuration["stagingAreaSubnetId"]
    backend.create_replication_configuration_template({"stagingAreaSubnetId": "subnet-0000000000000beef"})
    instance = launch(backend, server)
    snapshots = len(server.snapshots)
    answer = client.reverse_replication(recoveryInstanceID=instance.instance_id)
    assert answer["reversedDirectionSourceServerArn"] == server.arn
    item = only(client.describe_source_servers()["items"])
    assert item["sourceServerID"] == server.source_server_id
    assert item["replicationDirection"] == "FAILOVER"
    assert item["sourceProperties"]["identificationHints"]["awsInstanceID"] == instance.instance_id
    assert item["sourceCloudProperties"]["originAvailabilityZone"] == f"{REGION}b"
    assert state_of(item) == "RESCAN"
    got = client.get_replication_configuration(sourceServerID=server.source_server_id)
    assert got["stagingAreaSubnetId"] == "subnet-0000000000000beef" != subnet
    assert len(server.snapshots) == snapshots
    assert len(client.describe_jobs()["items"]) == 1
    backend.advance()
    assert server.state == "CONTINUOUS"
    assert instance.failback["state"] == "FAILBACK_READY_FOR_LAUNCH"


def test_on_premises_failback_uses_the_failback_client(client: Any, backend: DRSBackend) -> None:
    server = backend.add_source_server({"sourceProperties": {"identificationHints": {"vmWareUuid": "4213c0de"}}})
    instance_id = launch(backend, server).instance_id
    item = only(client.describe_recovery_instances()["items"])
    assert item["originEnvironment"] == "ON_PREMISES"
    assert "originAvailabilityZone" not in item
    with pytest.raises(client.exceptions.ValidationException, match="Failback Client"):
        client.reverse_replication(recoveryInstanceID=instance_id)
    with pytest.raises(client.exceptions.ConflictException):
        client.start_failback_launch(recoveryInstanceIDs=[instance_id])

    backend.connect_failback_client(instance_id)
    states = []
    for _ in range(3):
        states.append(only(client.describe_recovery_instances()["items"])["failback"]["state"])
        backend.advance()
    assert states == ["FAILBACK_IN_PROGRESS", "FAILBACK_IN_PROGRESS", "FAILBACK_READY_FOR_LAUNCH"]
    job = client.start_failback_launch(recoveryInstanceIDs=[instance_id], tags={"a": "b"})["job"]
    assert (job["type"], job["initiatedBy"]) == ("LAUNCH", "FAILBACK")
    backend.advance()
    backend.advance()
    failback = only(client.describe_recovery_instances()["items"])["failback"]
    assert (failback["state"], failback["failbackJobID"]) == ("FAILBACK_COMPLETED", job["jobID"])
    assert len(client.describe_source_servers()["items"]) == 1


def test_a_failback_can_be_configured_and_stopped(client: Any, backend: DRSBackend) -> None:
    instance_id = launch(backend, backend.add_source_server({})).instance_id
    got = client.get_failback_replication_configuration(recoveryInstanceID=instance_id)
    assert (got["recoveryInstanceID"], got["bandwidthThrottling"]) == (instance_id, 0)
    client.update_failback_replication_configuration(recoveryInstanceID=instance_id, bandwidthThrottling=5)
    got = client.get_failback_replication_configuration(recoveryInstanceID=instance_id)
    assert got["bandwidthThrottling"] == 5
    backend.connect_failback_client(instance_id)
    client.stop_failback(recoveryInstanceID=instance_id)
    failback = only(client.describe_recovery_instances()["items"])["failback"]
    assert failback == {"state": "FAILBACK_NOT_STARTED", "failbackToOriginalServer": False}
    backend.connect_failback_client(instance_id)
    client.disconnect_recovery_instance(recoveryInstanceID=instance_id)
    failback = only(client.describe_recovery_instances()["items"])["failback"]
    assert failback["state"] == "FAILBACK_NOT_READY_FOR_LAUNCH"


def test_an_instance_that_vanishes_does_not_stop_its_failback(client: Any, backend: DRSBackend) -> None:
    instance = launch(backend, backend.add_source_server({}))
    backend.connect_failback_client(instance.instance_id)
    backend.advance()
    backend.advance()
    client.start_failback_launch(recoveryInstanceIDs=[instance.instance_id])
    backend.discard_instance(instance)
    backend.advance()
    backend.advance()
    job = client.describe_jobs()["items"][0]
    assert (job["status"], job["participatingServers"][0]["launchStatus"]) == ("COMPLETED", "LAUNCHED")


@pytest.mark.parametrize("forward_arn", ["", "arn:aws:drs:us-west-2:{account}:source-server/s-00000000000000000"])
def test_a_reversed_server_without_its_forward_server_cannot_be_reversed(
    client: Any, backend: DRSBackend, account: str, forward_arn: str
) -> None:
    arn = forward_arn.format(account=account)
    record = {**from_ec2(account), "replicationDirection": "FAILBACK", "reversedDirectionSourceServerArn": arn}
    instance = launch(backend, backend.add_source_server(record))
    with pytest.raises(client.exceptions.ResourceNotFoundException) as caught:
        client.reverse_replication(recoveryInstanceID=instance.instance_id)
    assert caught.value.response["resourceId"] == arn
