"""Unit tests for drs-supported APIs."""

from __future__ import annotations

from typing import Any
from unittest import SkipTest

import boto3
import pytest
from botocore.exceptions import ClientError

from moto import mock_aws, settings
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.utils import get_service_model

REGION = "us-west-2"
TEMPLATE = {
    "stagingAreaSubnetId": "subnet-0123456789abcdef0",
    "replicationServersSecurityGroupsIDs": [],
    "ebsEncryption": "DEFAULT",
    "bandwidthThrottling": 0,
    "stagingAreaTags": {},
    "pitPolicy": [
        {"units": "MINUTE", "interval": 10, "retentionDuration": 60},
        {"units": "HOUR", "interval": 1, "retentionDuration": 24},
        {"units": "DAY", "interval": 1, "retentionDuration": 3},
    ],
}


def drs_client(region: str = REGION) -> Any:
    client = boto3.client("drs", region_name=region)
    client.initialize_service()
    return client


def add_server(region: str = REGION) -> str:
    """An agent registers a server; there is no API operation for it."""
    if not settings.TEST_DECORATOR_MODE:
        raise SkipTest("Source servers come from an agent, so the backend has to be accessed")
    from moto.drs.models import drs_backends

    server = drs_backends[DEFAULT_ACCOUNT_ID][region].add_source_server({})
    return str(server.source_server_id)


def test_every_operation_has_a_path() -> None:
    from moto.drs.urls import url_paths

    paths = {path.removeprefix("{0}/").removesuffix("$") for path in url_paths}
    of_tags = {"ListTagsForResource", "TagResource", "UntagResource"}
    operations = {each for each in paths if not each.startswith("tags/")}
    assert operations | of_tags == set(get_service_model("drs").operation_names)


@mock_aws
def test_region_that_was_not_initialized() -> None:
    client = boto3.client("drs", region_name="eu-west-1")
    with pytest.raises(ClientError) as exc:
        client.describe_source_servers()
    assert exc.value.response["Error"]["Code"] == "UninitializedAccountException"
    assert exc.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@mock_aws
def test_initialize_service() -> None:
    client = drs_client()
    assert client.describe_source_servers()["items"] == []
    assert client.describe_replication_configuration_templates()["items"] == []


@mock_aws
def test_replication_configuration_templates() -> None:
    client = drs_client()
    created = client.create_replication_configuration_template(**TEMPLATE, tags={"a": "b"})
    template_id = created["replicationConfigurationTemplateID"]
    assert created["arn"].endswith(f":replication-configuration-template/{template_id}")

    client.update_replication_configuration_template(
        replicationConfigurationTemplateID=template_id, bandwidthThrottling=50
    )
    (listed,) = client.describe_replication_configuration_templates()["items"]
    assert listed["bandwidthThrottling"] == 50
    assert client.list_tags_for_resource(resourceArn=created["arn"])["tags"] == {"a": "b"}

    client.delete_replication_configuration_template(replicationConfigurationTemplateID=template_id)
    assert client.describe_replication_configuration_templates()["items"] == []


@mock_aws
def test_unknown_source_server() -> None:
    client = drs_client()
    with pytest.raises(ClientError) as exc:
        client.get_replication_configuration(sourceServerID="s-00000000000000000")
    assert exc.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert exc.value.response["resourceType"] == "SourceServer"


@mock_aws
def test_invalid_parameters_are_named() -> None:
    client = drs_client()
    with pytest.raises(ClientError) as exc:
        client.list_staging_accounts(maxResults=51)
    assert exc.value.response["Error"]["Code"] == "ValidationException"
    assert exc.value.response["fieldList"][0]["name"] == "maxResults"


@mock_aws
def test_each_region_has_its_own_servers() -> None:
    client, other = drs_client(), drs_client("eu-west-1")
    server_id = add_server()
    assert [each["sourceServerID"] for each in client.describe_source_servers()["items"]] == [server_id]
    assert other.describe_source_servers()["items"] == []


@mock_aws
def test_tags_of_a_source_server() -> None:
    client = drs_client()
    add_server()
    arn = client.describe_source_servers()["items"][0]["arn"]
    client.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})
    client.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}


@mock_aws
def test_drill_launches_an_instance() -> None:
    client = drs_client()
    server_id = add_server()
    job_id = client.start_recovery(sourceServers=[{"sourceServerID": server_id}], isDrill=True)["job"]["jobID"]
    statuses = [client.describe_jobs(filters={"jobIDs": [job_id]})["items"][0]["status"] for _ in range(3)]
    assert statuses[-1] == "COMPLETED"
    (instance,) = client.describe_recovery_instances()["items"]
    assert instance["isDrill"]
    assert instance["sourceServerID"] == server_id


@mock_aws
def test_source_servers_are_paginated() -> None:
    client = drs_client()
    added = [add_server() for _ in range(5)]
    pages = list(client.get_paginator("describe_source_servers").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    assert [each["sourceServerID"] for page in pages for each in page["items"]] == added


@mock_aws
def test_launch_configuration_template() -> None:
    client = drs_client()
    created = client.create_launch_configuration_template(copyTags=True)["launchConfigurationTemplate"]
    template_id = created["launchConfigurationTemplateID"]
    client.update_launch_configuration_template(launchConfigurationTemplateID=template_id, launchDisposition="STOPPED")
    (listed,) = client.describe_launch_configuration_templates()["items"]
    assert (listed["copyTags"], listed["launchDisposition"]) == (True, "STOPPED")
    with pytest.raises(ClientError) as exc:
        client.create_launch_configuration_template()
    assert exc.value.response["Error"]["Code"] == "ServiceQuotaExceededException"
    client.delete_launch_configuration_template(launchConfigurationTemplateID=template_id)
    assert client.describe_launch_configuration_templates()["items"] == []


@mock_aws
def test_source_network_of_a_vpc() -> None:
    client = drs_client()
    vpc_id = boto3.client("ec2", region_name="us-east-1").create_vpc(CidrBlock="10.4.0.0/16")["Vpc"]["VpcId"]
    network_id = client.create_source_network(
        vpcID=vpc_id, originAccountID=DEFAULT_ACCOUNT_ID, originRegion="us-east-1"
    )["sourceNetworkID"]
    client.start_source_network_replication(sourceNetworkID=network_id)
    statuses = [client.describe_source_networks()["items"][0]["replicationStatus"] for _ in range(2)]
    assert statuses[-1] == "PROTECTED"
    client.stop_source_network_replication(sourceNetworkID=network_id)
    client.delete_source_network(sourceNetworkID=network_id)
    assert client.describe_source_networks()["items"] == []


@mock_aws
def test_recovery_plan_of_two_waves() -> None:
    client = drs_client()
    databases, shop = add_server(), add_server()
    arns = {each["sourceServerID"]: each["arn"] for each in client.describe_source_servers()["items"]}
    plan = {"recoveryPlanArn": client.create_recovery_plan(name="Retail")["recoveryPlan"]["recoveryPlanArn"]}
    for name, server_id in (("Databases", databases), ("Shop", shop)):
        servers = {"servers": [{"serverArn": arns[server_id]}]}
        client.create_recovery_plan_step(**plan, stepName=name, configuration={"serverStepConfiguration": servers})
    started = client.start_recovery_plan_execution(**plan, mode="DRILL")["recoveryPlanExecution"]
    execution = {"recoveryPlanExecutionArn": started["recoveryPlanExecutionArn"]}
    for _ in range(20):
        status = client.get_recovery_plan_execution(**execution)["recoveryPlanExecution"]["status"]
    assert status == "COMPLETED"
    steps = client.list_recovery_plan_execution_steps(**execution)["recoveryPlanExecutionSteps"]
    assert [(each["stepName"], each["status"]) for each in steps] == [("Databases", "COMPLETED"), ("Shop", "COMPLETED")]
    assert len(client.describe_recovery_instances()["items"]) == 2


@mock_aws
def test_recovery_plan_is_invalid_without_servers() -> None:
    client = drs_client()
    plan = client.create_recovery_plan(name="Empty", tags={"a": "b"})["recoveryPlan"]
    assert plan["status"] == "INVALID"
    client.create_recovery_plan_step(
        recoveryPlanArn=plan["recoveryPlanArn"],
        stepName="Wait",
        configuration={"waitStepConfiguration": {"waitDurationMinutes": 5}},
    )
    with pytest.raises(ClientError) as exc:
        client.start_recovery_plan_execution(recoveryPlanArn=plan["recoveryPlanArn"], mode="DRILL")
    assert exc.value.response["Error"]["Code"] == "ConflictException"
    client.delete_recovery_plan(recoveryPlanArn=plan["recoveryPlanArn"])
    assert client.list_recovery_plans()["recoveryPlans"] == []
