"""Source servers: defaults, filters, pagination, replication and configurations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from service.sandbox.moto_drs.models import DRSBackend
from tests.moto_drs.conftest import REGION, Client

ID = "s-3b8f0c91d27a4e56f"


def listed(client: Any, **params: Any) -> list[str]:
    pages = client.get_paginator("describe_source_servers").paginate(**params)
    return [each["sourceServerID"] for page in pages for each in page["items"]]


def test_a_region_is_uninitialised_until_initialised(connect: Client, account: str) -> None:
    client = connect(account, "ap-southeast-7")
    with pytest.raises(client.exceptions.UninitializedAccountException):
        client.describe_source_servers()
    assert client.initialize_service()["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert client.describe_source_servers()["items"] == []
    assert client.describe_replication_configuration_templates()["items"] == []


def test_an_empty_record_becomes_a_plausible_server(client: Any, backend: DRSBackend) -> None:
    server = backend.add_source_server({})
    (item,) = client.describe_source_servers()["items"]
    assert item == server.to_dict()
    assert item["sourceServerID"] == server.source_server_id
    assert (
        item["arn"] == server.arn == f"arn:aws:drs:{REGION}:{backend.account_id}:source-server/{item['sourceServerID']}"
    )
    assert item["stagingArea"] == {"status": "NOT_EXTENDED", "stagingAccountID": backend.account_id}
    assert item["dataReplicationInfo"]["dataReplicationState"] == "CONTINUOUS"
    assert item["dataReplicationInfo"]["lagDuration"] == "P0D"
    assert len(item["dataReplicationInfo"]["dataReplicationInitiation"]["steps"]) == 11
    assert item["dataReplicationInfo"]["replicatedDisks"][0]["deviceName"] == "/dev/nvme0n1"
    assert "sourceCloudProperties" not in item


def test_a_given_record_is_kept_and_only_completed(client: Any, backend: DRSBackend) -> None:
    given = {
        "sourceServerID": ID,
        "tags": {"Name": "app-web-01"},
        "sourceNetworkID": None,
        "sourceCloudProperties": {"originAccountID": "111111111111", "originRegion": "us-east-1"},
        "dataReplicationInfo": {"dataReplicationState": "STALLED", "dataReplicationError": {"error": "AGENT_NOT_SEEN"}},
        "sourceProperties": {
            "identificationHints": {"hostname": "ip-10-10-4-21", "awsInstanceID": "i-0123456789abcdef0"},
            "disks": [{"deviceName": "/dev/sda", "bytes": 5}, {"deviceName": "/dev/sdb", "bytes": 7}],
        },
    }
    backend.add_source_server(given)
    given["tags"]["Name"] = "changed later"  # type: ignore[index]
    (item,) = client.describe_source_servers()["items"]
    assert item["sourceServerID"] == ID
    assert item["tags"] == {"Name": "app-web-01"}
    assert "sourceNetworkID" not in item
    assert item["sourceProperties"]["identificationHints"]["hostname"] == "ip-10-10-4-21"
    assert item["sourceProperties"]["cpus"][0]["cores"] == 2
    info = item["dataReplicationInfo"]
    assert info["dataReplicationState"] == "STALLED"
    assert info["dataReplicationError"] == {"error": "AGENT_NOT_SEEN"}
    assert [each["totalStorageBytes"] for each in info["replicatedDisks"]] == [5, 7]


def test_a_seeded_state_does_not_change(client: Any, backend: DRSBackend) -> None:
    backend.auto_advance = True
    backend.add_source_server({"dataReplicationInfo": {"dataReplicationState": "INITIATING"}})
    for _ in range(4):
        (item,) = client.describe_source_servers()["items"]
    assert item["dataReplicationInfo"]["dataReplicationState"] == "INITIATING"


def test_pages_hold_exactly_what_they_should(client: Any, backend: DRSBackend) -> None:
    ids = [backend.add_source_server({}).source_server_id for _ in range(7)]
    first = client.describe_source_servers(maxResults=3)
    second = client.describe_source_servers(maxResults=3, nextToken=first["nextToken"])
    third = client.describe_source_servers(maxResults=3, nextToken=second["nextToken"])
    pages = [[each["sourceServerID"] for each in page["items"]] for page in (first, second, third)]
    assert pages == [ids[:3], ids[3:6], ids[6:]]
    assert "nextToken" not in third
    assert "nextToken" not in client.describe_source_servers(maxResults=7)


def test_a_server_removed_between_two_pages_hides_no_other(client: Any, backend: DRSBackend) -> None:
    ids = [backend.add_source_server({}).source_server_id for _ in range(6)]
    first = client.describe_source_servers(maxResults=3)
    backend.remove_source_server(ids[1])
    backend.remove_source_server(ids[2])
    second = client.describe_source_servers(maxResults=3, nextToken=first["nextToken"])
    assert [each["sourceServerID"] for each in second["items"]] == ids[3:]


def test_default_page_and_largest_page(client: Any, backend: DRSBackend) -> None:
    for _ in range(101):
        backend.add_source_server({})
    assert len(client.describe_source_servers()["items"]) == 100
    assert len(client.describe_source_servers(maxResults=1000)["items"]) == 101


def test_filters(client: Any, backend: DRSBackend) -> None:
    hints = {"awsInstanceID": "i-0123456789abcdef0", "vmWareUuid": "4213c0de-0000-1111-2222-333344445555"}
    one = backend.add_source_server({"sourceProperties": {"identificationHints": hints}})
    two = backend.add_source_server({"sourceProperties": {"networkInterfaces": [{"macAddress": "00:11:22:33:44:55"}]}})
    both = [one.source_server_id, two.source_server_id]
    assert listed(client, filters={"sourceServerIDs": []}) == both
    assert listed(client, filters={"sourceServerIDs": [two.source_server_id, "s-00000000000000000"]}) == [both[1]]
    assert listed(client, filters={"hardwareId": hints["awsInstanceID"]}) == [both[0]]
    assert listed(client, filters={"hardwareId": hints["vmWareUuid"]}) == [both[0]]
    assert listed(client, filters={"hardwareId": "00:11:22:33:44:55"}) == [both[1]]
    assert listed(client, filters={"hardwareId": "nothing"}) == []
    assert listed(client, filters={"stagingAccountIDs": [backend.account_id]}) == both
    assert listed(client, filters={"stagingAccountIDs": ["000000000000"]}) == []


def test_regions_and_accounts_are_isolated(
    connect: Client, new_account: Callable[[], str], backend: DRSBackend
) -> None:
    backend.add_source_server({})
    with pytest.raises(ClientError, match="Uninitialized"):
        connect(backend.account_id, "eu-west-1").describe_source_servers()
    with pytest.raises(ClientError, match="Uninitialized"):
        connect(new_account()).describe_source_servers()


def test_many_servers_are_paginated(client: Any, backend: DRSBackend) -> None:
    for _ in range(1500):
        backend.add_source_server({})
    assert len(set(listed(client, maxResults=200))) == 1500


def test_replication_life_of_a_server(client: Any, backend: DRSBackend) -> None:
    backend.add_source_server({"sourceServerID": ID})
    stopped = client.stop_replication(sourceServerID=ID)["sourceServer"]
    assert stopped["dataReplicationInfo"]["dataReplicationState"] == "STOPPED"
    assert client.describe_recovery_snapshots(sourceServerID=ID)["items"] == []
    started = client.start_replication(sourceServerID=ID)["sourceServer"]
    with pytest.raises(client.exceptions.ConflictException, match="not stopped"):
        client.start_replication(sourceServerID=ID)
    assert started["dataReplicationInfo"]["dataReplicationState"] == "INITIATING"
    states = []
    for _ in range(3):
        backend.advance()
        (item,) = client.describe_source_servers()["items"]
        states.append(item["dataReplicationInfo"]["dataReplicationState"])
    assert states == ["INITIAL_SYNC", "CONTINUOUS", "CONTINUOUS"]
    gone = client.disconnect_source_server(sourceServerID=ID)["dataReplicationInfo"]
    assert gone["dataReplicationState"] == "DISCONNECTED"
    assert "lagDuration" not in gone
    with pytest.raises(client.exceptions.ConflictException, match="disconnected"):
        client.stop_replication(sourceServerID=ID)
    assert [each["totalStorageBytes"] for each in gone["replicatedDisks"]] == [0]
    assert client.delete_source_server(sourceServerID=ID)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert client.describe_source_servers()["items"] == []


def test_recovery_snapshots(client: Any, backend: DRSBackend) -> None:
    server = backend.add_source_server({"sourceServerID": ID})
    server.take_snapshot()
    ids = [each["snapshotID"] for each in server.snapshots]
    items = client.describe_recovery_snapshots(sourceServerID=ID)["items"]
    assert [each["snapshotID"] for each in items] == ids
    page = client.describe_recovery_snapshots(sourceServerID=ID, order="DESC", maxResults=1)
    assert [each["snapshotID"] for each in page["items"]] == ids[1:]
    rest = client.describe_recovery_snapshots(sourceServerID=ID, order="DESC", nextToken=page["nextToken"])
    assert [each["snapshotID"] for each in rest["items"]] == ids[:1]
    late = {"fromDateTime": "2999-01-01T00:00:00Z"}
    assert client.describe_recovery_snapshots(sourceServerID=ID, filters=late)["items"] == []


def test_a_stalled_replication_can_be_retried(client: Any, backend: DRSBackend) -> None:
    backend.add_source_server({"sourceServerID": ID, "dataReplicationInfo": {"dataReplicationState": "STALLED"}})
    answer = client.retry_data_replication(sourceServerID=ID)
    assert answer["dataReplicationInfo"]["dataReplicationState"] == "INITIATING"
    backend.advance()
    answer = client.retry_data_replication(sourceServerID=ID)  # without effect on one that is not stalled
    assert answer["dataReplicationInfo"]["dataReplicationState"] == "INITIAL_SYNC"


def test_launch_configuration(client: Any, backend: DRSBackend) -> None:
    backend.add_source_server({"sourceServerID": ID}, launch_configuration={"copyTags": True})
    assert client.get_launch_configuration(sourceServerID=ID)["copyTags"] is True
    changed = client.update_launch_configuration(
        sourceServerID=ID, copyTags=False, licensing={"osByol": True}, launchDisposition="STOPPED"
    )
    assert changed["copyTags"] is False
    assert changed["licensing"] == {"osByol": True}
    got = client.get_launch_configuration(sourceServerID=ID)
    assert {**got, "ResponseMetadata": 0} == {**changed, "ResponseMetadata": 0}


def test_replication_configuration(client: Any, backend: DRSBackend) -> None:
    backend.add_source_server({"sourceServerID": ID}, replication_configuration={"bandwidthThrottling": 7})
    before = client.get_replication_configuration(sourceServerID=ID)
    assert before["sourceServerID"] == ID
    assert before["bandwidthThrottling"] == 7
    client.update_replication_configuration(sourceServerID=ID, stagingAreaTags={"a": "b"}, ebsEncryption="NONE")
    after = client.get_replication_configuration(sourceServerID=ID)
    assert (after["stagingAreaTags"], after["ebsEncryption"]) == ({"a": "b"}, "NONE")
    assert after["pitPolicy"] == before["pitPolicy"]


TEMPLATE = {
    "associateDefaultSecurityGroup": False,
    "bandwidthThrottling": 11,
    "createPublicIP": True,
    "dataPlaneRouting": "PUBLIC_IP",
    "defaultLargeStagingDiskType": "ST1",
    "ebsEncryption": "CUSTOM",
    "ebsEncryptionKeyArn": "arn:aws:kms:us-west-2:222222222222:key/6a1f0c2e-5b34-4d8e-9c11-0f2b7ad1e003",
    "internetProtocol": "IPV6",
    "pitPolicy": [
        {"ruleID": 1, "units": "MINUTE", "interval": 10, "retentionDuration": 60, "enabled": True},
        {"ruleID": 2, "units": "HOUR", "interval": 1, "retentionDuration": 24, "enabled": True},
        {"ruleID": 3, "units": "DAY", "interval": 1, "retentionDuration": 3, "enabled": True},
    ],
    "replicationServerInstanceType": "m5.large",
    "replicationServersSecurityGroupsIDs": ["sg-0123456789abcdef0"],
    "stagingAreaSubnetId": "subnet-0123456789abcdef0",
    "stagingAreaTags": {"Purpose": "staging"},
    "useDedicatedReplicationServer": True,
}


def test_templates(client: Any, backend: DRSBackend) -> None:
    created = client.create_replication_configuration_template(**TEMPLATE, tags={"a": "b"})
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    template_id = created["replicationConfigurationTemplateID"]
    second = backend.create_replication_configuration_template({}).template_id
    items = client.describe_replication_configuration_templates()["items"]
    assert [each["replicationConfigurationTemplateID"] for each in items] == [template_id, second]
    assert {name: items[0][name] for name in TEMPLATE} == TEMPLATE
    assert client.list_tags_for_resource(resourceArn=created["arn"])["tags"] == {"a": "b"}
    one = client.describe_replication_configuration_templates(
        replicationConfigurationTemplateIDs=[second, "rct-00000000000000000"]
    )
    assert [each["replicationConfigurationTemplateID"] for each in one["items"]] == [second]

    client.update_replication_configuration_template(replicationConfigurationTemplateID=second, bandwidthThrottling=5)
    assert backend.templates[second].record["bandwidthThrottling"] == 5
    client.delete_replication_configuration_template(replicationConfigurationTemplateID=second)
    assert list(backend.templates) == [template_id]


def test_a_new_server_is_configured_by_the_first_template(client: Any, backend: DRSBackend) -> None:
    backend.create_replication_configuration_template(TEMPLATE)
    server = backend.add_source_server({})
    got = client.get_replication_configuration(sourceServerID=server.source_server_id)
    assert {name: got[name] for name in TEMPLATE} == TEMPLATE
    assert "replicationConfigurationTemplateID" not in got
    assert "arn" not in got
