"""Launch configuration templates, the servers that get them, and actions after the launch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from service.sandbox.moto_drs.models import DRSBackend
from tests.moto_drs.conftest import manual_backend
from tests.moto_drs.test_errors import ACTION_MEMBERS

ID = "s-3b8f0c91d27a4e56f"
TEMPLATE_SETTINGS = {
    "launchDisposition": "STOPPED",
    "targetInstanceTypeRightSizingMethod": "BASIC",
    "copyPrivateIp": True,
    "copyTags": True,
    "licensing": {"osByol": True},
    "postLaunchEnabled": True,
    "recoveryMode": "FAST",
}


def action(number: int, **members: Any) -> dict[str, Any]:
    own = {"actionId": f"00000000-0000-4000-8000-{number:012}", "order": 1 + number, "name": f"Action {number}"}
    return {**ACTION_MEMBERS, **own, **members}


def create(client: Any, **members: Any) -> dict[str, Any]:
    answer = client.create_launch_configuration_template(**members)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    template: dict[str, Any] = answer["launchConfigurationTemplate"]
    return template


def launch(client: Any, backend: DRSBackend, server_id: str = ID) -> Any:
    """Launch one server to the end; returns its part of the job."""
    job = client.start_recovery(sourceServers=[{"sourceServerID": server_id}])["job"]
    backend.advance()
    backend.advance()
    (done,) = client.describe_jobs(filters={"jobIDs": [job["jobID"]]})["items"]
    assert done["status"] == "COMPLETED"
    return done["participatingServers"][0]


def test_the_life_of_a_template(client: Any, backend: DRSBackend) -> None:
    template = create(client, tags={"Team": "dr"}, copyTags=True)
    template_id = template["launchConfigurationTemplateID"]
    assert template["arn"].endswith(f":launch-configuration-template/{template_id}")
    assert (template["tags"], template["copyTags"], template["copyPrivateIp"]) == ({"Team": "dr"}, True, False)
    assert (template["launchDisposition"], template["launchIntoSourceInstance"]) == ("STARTED", False)
    assert client.describe_launch_configuration_templates()["items"] == [template]

    changed = client.update_launch_configuration_template(
        launchConfigurationTemplateID=template_id, copyTags=False, licensing={"osByol": True}
    )["launchConfigurationTemplate"]
    assert changed == {**template, "copyTags": False, "licensing": {"osByol": True}}
    assert client.describe_launch_configuration_templates(launchConfigurationTemplateIDs=[template_id])["items"] == [
        changed
    ]
    client.tag_resource(resourceArn=template["arn"], tags={"Owner": "ops"})
    assert client.list_tags_for_resource(resourceArn=template["arn"])["tags"] == {"Team": "dr", "Owner": "ops"}

    answer = client.delete_launch_configuration_template(launchConfigurationTemplateID=template_id)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert client.describe_launch_configuration_templates()["items"] == []
    assert not list(backend.resources())


def test_there_is_one_template(client: Any, backend: DRSBackend) -> None:
    first = create(client)
    with pytest.raises(ClientError) as error:
        client.create_launch_configuration_template()
    assert error.value.response["Error"]["Code"] == "ServiceQuotaExceededException"
    assert error.value.response["quotaCode"] == "L-1F3FAE4D"
    assert list(backend.launch_templates) == [first["launchConfigurationTemplateID"]]
    client.delete_launch_configuration_template(launchConfigurationTemplateID=first["launchConfigurationTemplateID"])
    create(client)


def test_tags_of_a_template_are_validated(client: Any, backend: DRSBackend) -> None:
    with pytest.raises(client.exceptions.ValidationException):
        client.create_launch_configuration_template(tags={"aws:x": "y"})
    assert not backend.launch_templates


def test_ids_that_do_not_exist_are_left_out(client: Any) -> None:
    create(client)
    unknown = {"launchConfigurationTemplateIDs": ["lct-00000000000000000"]}
    assert client.describe_launch_configuration_templates(**unknown)["items"] == []
    assert len(client.describe_launch_configuration_templates(launchConfigurationTemplateIDs=[])["items"]) == 1


def test_a_new_server_has_the_settings_of_the_template(client: Any, backend: DRSBackend) -> None:
    backend.add_source_server({"sourceServerID": "s-00000000000000001"})
    earlier = client.get_launch_configuration(sourceServerID="s-00000000000000001")
    template = create(client, **TEMPLATE_SETTINGS, tags={"Team": "dr"}, exportBucketArn="arn:aws:s3:::templates")
    backend.add_source_server({"sourceServerID": ID}, launch_configuration={"name": "web", "copyTags": False})

    settings = client.get_launch_configuration(sourceServerID=ID)
    del settings["ResponseMetadata"]
    assert settings.pop("ec2LaunchTemplateID").startswith("lt-")
    assert settings == {**TEMPLATE_SETTINGS, "sourceServerID": ID, "name": "web", "copyTags": False}

    client.update_launch_configuration_template(
        launchConfigurationTemplateID=template["launchConfigurationTemplateID"], launchDisposition="STARTED"
    )
    assert client.get_launch_configuration(sourceServerID=ID)["launchDisposition"] == "STOPPED"
    same = client.get_launch_configuration(sourceServerID="s-00000000000000001")
    assert {**same, "ResponseMetadata": None} == {**earlier, "ResponseMetadata": None}


def test_an_extended_server_has_the_settings_of_its_target(
    client: Any, backend: DRSBackend, new_account: Callable[[], str]
) -> None:
    staging = manual_backend(new_account())
    staging.trust(backend.account_id)
    origin = staging.add_source_server({})
    create(client, launchDisposition="STOPPED")
    extended = client.create_extended_source_server(sourceServerArn=origin.arn)["sourceServer"]["sourceServerID"]
    assert client.get_launch_configuration(sourceServerID=extended)["launchDisposition"] == "STOPPED"
    assert origin.launch_configuration["launchDisposition"] == "STARTED"


def test_actions_of_a_resource(client: Any, backend: DRSBackend) -> None:
    template_id = create(client)["launchConfigurationTemplateID"]
    backend.add_source_server({"sourceServerID": ID})
    parameters = {"p": {"value": "v", "type": "DYNAMIC"}}
    for resource_id in (template_id, ID):
        made = client.put_launch_action(resourceId=resource_id, **action(2))
        del made["ResponseMetadata"]
        assert made == {"resourceId": resource_id, "type": "SSM_COMMAND", **action(2)}
        client.put_launch_action(resourceId=resource_id, **action(1, parameters=parameters))
        items = client.list_launch_actions(resourceId=resource_id)["items"]
        assert [each["order"] for each in items] == [2, 3]
        assert items[0]["parameters"] == parameters

        client.put_launch_action(resourceId=resource_id, **action(2, order=2000, active=False))  # replaces it
        chosen = client.list_launch_actions(
            resourceId=resource_id,
            filters={"actionIds": [action(2)["actionId"], "00000000-0000-4000-8000-999999999999"]},
        )["items"]
        assert [(each["order"], each["active"]) for each in chosen] == [(2000, False)]

        answer = client.delete_launch_action(resourceId=resource_id, actionId=action(2)["actionId"])
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        assert [each["order"] for each in client.list_launch_actions(resourceId=resource_id)["items"]] == [2]
        with pytest.raises(client.exceptions.ResourceNotFoundException) as error:
            client.delete_launch_action(resourceId=resource_id, actionId=action(2)["actionId"])
        assert error.value.response["resourceType"] == "LaunchAction"


def test_two_actions_cannot_have_one_order(client: Any, backend: DRSBackend) -> None:
    backend.add_source_server({"sourceServerID": ID})
    client.put_launch_action(resourceId=ID, **action(1))
    with pytest.raises(client.exceptions.ConflictException) as error:
        client.put_launch_action(resourceId=ID, **action(2, order=2))
    assert error.value.response["resourceId"] == action(1)["actionId"]
    client.put_launch_action(resourceId=ID, **action(1, name="Its own order is free"))
    (only,) = client.list_launch_actions(resourceId=ID)["items"]
    assert only["name"] == "Its own order is free"


def test_a_resource_has_a_limited_number_of_actions(client: Any, backend: DRSBackend) -> None:
    assert backend.max_launch_actions == 200
    backend.max_launch_actions = 1
    backend.add_source_server({"sourceServerID": ID})
    client.put_launch_action(resourceId=ID, **action(1))
    with pytest.raises(client.exceptions.ConflictException):
        client.put_launch_action(resourceId=ID, **action(2))
    client.put_launch_action(resourceId=ID, **action(1, optional=True))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AWS-RunShellScript", "SSM_COMMAND"),
        ("AWS-CreateImage", "SSM_AUTOMATION"),
        ("AWSDisasterRecovery-ValidateNetworkConnectivity", "SSM_AUTOMATION"),
        ("arn:aws:ssm:us-west-2:111111111111:document/our-checks", "SSM_COMMAND"),
        ("arn:aws:ssm:us-west-2:111111111111:automation-definition/our-checks", "SSM_AUTOMATION"),
        ("arn:aws:ssm:us-west-2::document/AWS-StopEC2Instance", "SSM_AUTOMATION"),
    ],
)
def test_the_document_decides_the_type(client: Any, backend: DRSBackend, code: str, kind: str) -> None:
    backend.add_source_server({"sourceServerID": ID})
    assert client.put_launch_action(resourceId=ID, **action(1, actionCode=code))["type"] == kind


def test_a_new_server_has_copies_of_the_actions_of_the_template(client: Any, backend: DRSBackend) -> None:
    template_id = create(client)["launchConfigurationTemplateID"]
    for number in (1, 2):
        client.put_launch_action(resourceId=template_id, **action(number))
    backend.add_source_server({"sourceServerID": ID})
    client.delete_launch_action(resourceId=template_id, actionId=action(2)["actionId"])
    client.put_launch_action(resourceId=template_id, **action(1, name="Changed later"))
    copies = client.list_launch_actions(resourceId=ID)["items"]
    assert [each["name"] for each in copies] == ["Action 1", "Action 2"]
    client.delete_launch_configuration_template(launchConfigurationTemplateID=template_id)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.list_launch_actions(resourceId=template_id)
    assert len(client.list_launch_actions(resourceId=ID)["items"]) == 2
    backend.remove_source_server(ID)
    backend.add_source_server({"sourceServerID": ID})
    assert client.list_launch_actions(resourceId=ID)["items"] == []


def test_active_actions_run_in_order_after_a_launch(client: Any, backend: DRSBackend) -> None:
    backend.add_source_server({"sourceServerID": ID}, launch_configuration={"postLaunchEnabled": True})
    for each in (action(3), action(1), action(2, active=False)):
        client.put_launch_action(resourceId=ID, **each)
    client.start_recovery(sourceServers=[{"sourceServerID": ID}])
    backend.advance()
    (running,) = client.describe_jobs()["items"][0]["participatingServers"]
    assert [each["status"] for each in running["launchActionsStatus"]["runs"]] == ["IN_PROGRESS"] * 2
    assert "ssmAgentDiscoveryDatetime" not in running["launchActionsStatus"]
    backend.advance()
    (done,) = client.describe_jobs()["items"][0]["participatingServers"]
    runs = done["launchActionsStatus"]["runs"]
    assert [(each["action"]["name"], each["status"]) for each in runs] == [
        ("Action 1", "SUCCEEDED"),
        ("Action 3", "SUCCEEDED"),
    ]
    assert len({each["runId"] for each in runs}) == 2
    assert (done["launchStatus"], "ssmAgentDiscoveryDatetime" in done["launchActionsStatus"]) == ("LAUNCHED", True)


@pytest.mark.parametrize(
    "settings", [{"postLaunchEnabled": False}, {"postLaunchEnabled": True, "launchDisposition": "STOPPED"}]
)
def test_no_actions_run(client: Any, backend: DRSBackend, settings: dict[str, Any]) -> None:
    backend.add_source_server({"sourceServerID": ID}, launch_configuration=settings)
    client.put_launch_action(resourceId=ID, **action(1))
    assert "launchActionsStatus" not in launch(client, backend)


def test_a_failed_action_fails_the_launch_unless_it_is_optional(client: Any, backend: DRSBackend) -> None:
    backend.add_source_server({"sourceServerID": ID}, launch_configuration={"postLaunchEnabled": True})
    for each in (action(1, optional=True), action(2), action(3)):
        client.put_launch_action(resourceId=ID, **each)
    backend.fail_launch_action(action(1)["actionId"], "No such mount.")
    done = launch(client, backend)
    first, *others = done["launchActionsStatus"]["runs"]
    assert (first["status"], first["failureReason"]) == ("FAILED", "No such mount.")
    assert [each["status"] for each in others] == ["SUCCEEDED"] * 2
    assert done["launchStatus"] == "LAUNCHED"

    backend.fail_launch_action(action(2)["actionId"])
    done = launch(client, backend)
    runs = done["launchActionsStatus"]["runs"]
    assert [each["status"] for each in runs] == ["FAILED"] * 3
    assert runs[2]["failureReason"] == "An earlier action failed."
    assert done["launchStatus"] == "FAILED"
    (server,) = client.describe_source_servers()["items"]
    assert (server["lastLaunchResult"], server["recoveryInstanceId"]) == ("FAILED", done["recoveryInstanceID"])
    (*_, failed, end) = client.describe_job_log_items(jobID=client.describe_jobs()["items"][0]["jobID"])["items"]
    assert (failed["event"], end["event"]) == ("LAUNCH_FAILED", "JOB_END")
    assert failed["eventData"]["rawError"] == "Action 2: The document ended with an error."


def test_actions_of_a_server_that_vanishes_fail(client: Any, backend: DRSBackend) -> None:
    backend.add_source_server({"sourceServerID": ID}, launch_configuration={"postLaunchEnabled": True})
    client.put_launch_action(resourceId=ID, **action(1))
    client.start_recovery(sourceServers=[{"sourceServerID": ID}])
    backend.advance()
    backend.remove_source_server(ID)
    backend.advance()
    (done,) = client.describe_jobs()["items"][0]["participatingServers"]
    assert done["launchStatus"] == "FAILED"
    assert [each["status"] for each in done["launchActionsStatus"]["runs"]] == ["FAILED"]


@pytest.fixture
def recovered(client: Any, backend: DRSBackend, new_account: Callable[[], str]) -> tuple[DRSBackend, str]:
    """Backend of another account, from which a server came, and the server's recovery instance here."""
    origin = manual_backend(new_account(), "us-east-1")
    cloud = {"originAccountID": origin.account_id, "originRegion": "us-east-1", "originAvailabilityZone": "us-east-1a"}
    hints = {"identificationHints": {"awsInstanceID": "i-0123456789abcdef0"}}
    backend.add_source_server({"sourceServerID": ID, "sourceCloudProperties": cloud, "sourceProperties": hints})
    return origin, launch(client, backend)["recoveryInstanceID"]


def test_a_reversed_server_is_launched_into_its_source(
    client: Any, backend: DRSBackend, recovered: tuple[DRSBackend, str]
) -> None:
    origin, instance_id = recovered
    template = origin.create_launch_configuration_template({"launchIntoSourceInstance": True})
    backend.create_launch_configuration_template({"launchIntoSourceInstance": False})
    client.reverse_replication(recoveryInstanceID=instance_id)
    (server,) = origin.source_servers.values()
    assert server.launch_configuration["launchIntoInstanceProperties"] == {
        "launchIntoEC2InstanceID": "i-0123456789abcdef0"
    }
    assert "launchIntoSourceInstance" not in server.launch_configuration
    assert template.record["launchIntoSourceInstance"] is True


@pytest.mark.parametrize("copied", ["copyTags", "copyPrivateIp"])
def test_launching_into_the_source_needs_no_copies(client: Any, recovered: tuple[DRSBackend, str], copied: str) -> None:
    origin, instance_id = recovered
    template = origin.create_launch_configuration_template({"launchIntoSourceInstance": True, copied: True})
    with pytest.raises(client.exceptions.ConflictException, match="must not copy"):
        client.reverse_replication(recoveryInstanceID=instance_id)
    assert not origin.source_servers
    template.record[copied] = False
    client.reverse_replication(recoveryInstanceID=instance_id)
    assert len(origin.source_servers) == 1


def test_without_a_template_a_reversed_server_gets_a_new_instance(
    client: Any, recovered: tuple[DRSBackend, str]
) -> None:
    origin, instance_id = recovered
    client.reverse_replication(recoveryInstanceID=instance_id)
    (server,) = origin.source_servers.values()
    assert "launchIntoInstanceProperties" not in server.launch_configuration


def test_a_server_repointed_within_its_region_is_launched_into_its_source(client: Any, backend: DRSBackend) -> None:
    create(client, launchIntoSourceInstance=True)
    cloud = {
        "originAccountID": backend.account_id,
        "originRegion": backend.region_name,
        "originAvailabilityZone": f"{backend.region_name}a",
    }
    hints = {"identificationHints": {"awsInstanceID": "i-0123456789abcdef0"}}
    backend.add_source_server({"sourceServerID": ID, "sourceCloudProperties": cloud, "sourceProperties": hints})
    instance_id = launch(client, backend)["recoveryInstanceID"]
    client.reverse_replication(recoveryInstanceID=instance_id)
    settings = client.get_launch_configuration(sourceServerID=ID)
    assert settings["launchIntoInstanceProperties"] == {"launchIntoEC2InstanceID": "i-0123456789abcdef0"}
