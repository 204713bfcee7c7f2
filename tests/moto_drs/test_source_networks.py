"""Source networks: VPCs in moto's EC2, replicated as templates, recovered as stacks, and exported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from service.sandbox.moto_drs.clock import drs_clock
from service.sandbox.moto_drs.models import DRSBackend
from tests.moto_drs.conftest import REGION, Client, Keys, manual_backend

ORIGIN_REGION = "us-east-1"
Service = Callable[..., Any]


@pytest.fixture
def service(session: boto3.Session, endpoint: str, keys: Keys) -> Service:
    """Factory of clients of other services."""

    def client(name: str, account_id: str, region: str = REGION) -> Any:
        return session.client(name, region_name=region, endpoint_url=endpoint, **keys(account_id))

    return client


@pytest.fixture
def origin(new_account: Callable[[], str]) -> str:
    """Account that has the VPC."""
    return new_account()


@pytest.fixture
def ec2(service: Service, origin: str) -> Any:
    return service("ec2", origin, ORIGIN_REGION)


@pytest.fixture
def cloudformation(service: Service, account: str) -> Any:
    return service("cloudformation", account)


@pytest.fixture
def vpc_id(ec2: Any) -> str:
    """VPC with two subnets, one of them public, and two security groups, of which one lets the other in."""
    vpc = ec2.create_vpc(CidrBlock="10.4.0.0/16")["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": "shop"}])
    public, _ = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=f"{ORIGIN_REGION}{zone}")["Subnet"]["SubnetId"]
        for cidr, zone in (("10.4.0.0/24", "a"), ("10.4.1.0/24", "d"))
    ]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    ec2.associate_route_table(RouteTableId=table, SubnetId=public)
    web, app = [
        ec2.create_security_group(GroupName=name, Description=f"The {name} servers", VpcId=vpc)["GroupId"]
        for name in ("web", "app")
    ]
    tcp = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    ec2.authorize_security_group_ingress(GroupId=web, IpPermissions=[{**tcp, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
    of_vpc = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    (default,) = ec2.describe_security_groups(Filters=of_vpc)["SecurityGroups"]
    for group in (web, default["GroupId"]):  # the default group, and so what it may enter, is left out of templates
        ec2.authorize_security_group_ingress(
            GroupId=app, IpPermissions=[{**tcp, "UserIdGroupPairs": [{"GroupId": group}]}]
        )
    return str(vpc)


@pytest.fixture
def network_id(client: Any, origin: str, vpc_id: str) -> str:
    answer = client.create_source_network(
        vpcID=vpc_id, originAccountID=origin, originRegion=ORIGIN_REGION, tags={"Name": "shop"}
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    return str(answer["sourceNetworkID"])


@pytest.fixture
def protected_id(client: Any, backend: DRSBackend, network_id: str) -> str:
    client.start_source_network_replication(sourceNetworkID=network_id)
    backend.advance()
    return network_id


def describe(client: Any, network_id: str) -> dict[str, Any]:
    (item,) = client.describe_source_networks(filters={"sourceNetworkIDs": [network_id]})["items"]
    found: dict[str, Any] = item
    return found


def recover(client: Any, backend: DRSBackend, network_id: str, **params: Any) -> Any:
    """Recover one network to the end; returns the job."""
    entry = {"sourceNetworkID": network_id, **params.pop("entry", {})}
    answer = client.start_source_network_recovery(sourceNetworks=[entry], **params)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    return finish(client, backend, answer["job"]["jobID"])


def finish(client: Any, backend: DRSBackend, job_id: str) -> Any:
    backend.advance()
    backend.advance()
    (job,) = client.describe_jobs(filters={"jobIDs": [job_id]})["items"]
    assert job["status"] == "COMPLETED"
    return job


def events_of(client: Any, job_id: str) -> list[str]:
    return [str(each["event"]) for each in client.describe_job_log_items(jobID=job_id)["items"]]


def test_a_replication_step_by_step(
    client: Any, backend: DRSBackend, network_id: str, vpc_id: str, origin: str
) -> None:
    network = describe(client, network_id)
    assert network == {
        "sourceNetworkID": network_id,
        "arn": f"arn:aws:drs:{REGION}:{backend.account_id}:source-network/{network_id}",
        "sourceVpcID": vpc_id,
        "sourceAccountID": origin,
        "sourceRegion": ORIGIN_REGION,
        "replicationStatus": "STOPPED",
        "tags": {"Name": "shop"},
    }
    started = client.start_source_network_replication(sourceNetworkID=network_id)["sourceNetwork"]
    assert started == {**network, "replicationStatus": "IN_PROGRESS"}
    backend.advance()
    assert describe(client, network_id)["replicationStatus"] == "PROTECTED"
    with pytest.raises(client.exceptions.ConflictException) as error:
        client.start_source_network_replication(sourceNetworkID=network_id)
    assert error.value.response["resourceId"] == network_id
    with pytest.raises(client.exceptions.ConflictException, match="Stop the replication"):
        client.delete_source_network(sourceNetworkID=network_id)
    stopped = client.stop_source_network_replication(sourceNetworkID=network_id)["sourceNetwork"]
    assert stopped == network
    assert client.stop_source_network_replication(sourceNetworkID=network_id)["sourceNetwork"] == network
    answer = client.delete_source_network(sourceNetworkID=network_id)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert client.describe_source_networks()["items"] == []


def test_reads_advance_a_replication(client: Any, backend: DRSBackend, network_id: str) -> None:
    backend.auto_advance = True
    client.start_source_network_replication(sourceNetworkID=network_id)
    assert describe(client, network_id)["replicationStatus"] == "PROTECTED"


@pytest.fixture
def _real_time() -> Iterator[None]:
    yield
    drs_clock.reset()


@pytest.mark.usefixtures("_real_time")
def test_the_clock_advances_a_replication(client: Any, backend: DRSBackend, network_id: str) -> None:
    moving = [backend.is_moving]
    client.start_source_network_replication(sourceNetworkID=network_id)
    moving.append(backend.is_moving)
    drs_clock.advance(60)
    assert describe(client, network_id)["replicationStatus"] == "PROTECTED"
    assert [*moving, backend.is_moving] == [False, True, False]


def test_a_replication_without_its_vpc_fails(client: Any, backend: DRSBackend, ec2: Any) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.5.0.0/16")["Vpc"]
    network_id = client.create_source_network(
        vpcID=vpc["VpcId"], originAccountID=vpc["OwnerId"], originRegion=ORIGIN_REGION
    )["sourceNetworkID"]
    client.start_source_network_replication(sourceNetworkID=network_id)
    ec2.delete_vpc(VpcId=vpc["VpcId"])
    backend.advance()
    network = describe(client, network_id)
    assert (network["replicationStatus"], network["replicationStatusDetails"]) == (
        "ERROR",
        f"VPC {vpc['VpcId']} does not exist.",
    )
    again = client.start_source_network_replication(sourceNetworkID=network_id)["sourceNetwork"]
    assert (again["replicationStatus"], "replicationStatusDetails" in again) == ("IN_PROGRESS", False)
    backend.advance()
    client.delete_source_network(sourceNetworkID=network_id)


def test_a_protected_network_outlives_its_vpc(client: Any, backend: DRSBackend, ec2: Any, origin: str) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.5.0.0/16")["Vpc"]["VpcId"]
    network_id = client.create_source_network(vpcID=vpc, originAccountID=origin, originRegion=ORIGIN_REGION)[
        "sourceNetworkID"
    ]
    client.start_source_network_replication(sourceNetworkID=network_id)
    backend.advance()
    ec2.delete_vpc(VpcId=vpc)
    recover(client, backend, network_id)
    network = describe(client, network_id)
    assert (network["replicationStatus"], network["lastRecovery"]["lastRecoveryResult"]) == ("PROTECTED", "SUCCESS")


@pytest.mark.parametrize("region", ["us-gov-west-1", "cn-north-1"])
def test_a_vpc_in_another_partition_cannot_be_reached(client: Any, origin: str, vpc_id: str, region: str) -> None:
    with pytest.raises(client.exceptions.ValidationException):
        client.create_source_network(vpcID=vpc_id, originAccountID=origin, originRegion=region)


def test_a_vpc_has_one_network(client: Any, backend: DRSBackend, connect: Client, network_id: str, vpc_id: str) -> None:
    origin = describe(client, network_id)["sourceAccountID"]
    params = {"vpcID": vpc_id, "originAccountID": origin, "originRegion": ORIGIN_REGION}
    with pytest.raises(client.exceptions.ConflictException) as error:
        client.create_source_network(**params)
    assert error.value.response["resourceId"] == network_id
    with pytest.raises(client.exceptions.ResourceNotFoundException) as missing:
        client.create_source_network(**{**params, "originRegion": "eu-west-1"})
    assert (missing.value.response["resourceType"], missing.value.response["resourceId"]) == ("VPC", vpc_id)
    assert len(backend.source_networks) == 1
    manual_backend(backend.account_id, "eu-west-1")
    connect(backend.account_id, "eu-west-1").create_source_network(**params)


def test_networks_are_filtered(
    client: Any, backend: DRSBackend, service: Service, network_id: str, origin: str
) -> None:
    own = service("ec2", backend.account_id).create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    second = client.create_source_network(vpcID=own, originAccountID=backend.account_id, originRegion=REGION)[
        "sourceNetworkID"
    ]
    for filters, expected in (
        ({}, [network_id, second]),
        ({"sourceNetworkIDs": []}, [network_id, second]),
        ({"sourceNetworkIDs": [second, "sn-00000000000000000"]}, [second]),
        ({"originAccountID": origin}, [network_id]),
        ({"originRegion": REGION}, [second]),
        ({"originAccountID": origin, "originRegion": REGION}, []),
    ):
        items = client.describe_source_networks(filters=filters)["items"]
        assert [each["sourceNetworkID"] for each in items] == expected


def test_the_quota_of_networks(client: Any, backend: DRSBackend, ec2: Any, network_id: str, origin: str) -> None:
    assert backend.max_source_networks == 100
    backend.max_source_networks = 1
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    with pytest.raises(ClientError) as error:
        client.create_source_network(vpcID=vpc, originAccountID=origin, originRegion=ORIGIN_REGION)
    assert error.value.response["Error"]["Code"] == "ServiceQuotaExceededException"
    assert (error.value.response["quotaCode"], list(backend.source_networks)) == ("L-4B0323BD", [network_id])


def test_networks_have_tags(client: Any, network_id: str, ec2: Any, origin: str) -> None:
    arn = describe(client, network_id)["arn"]
    client.tag_resource(resourceArn=arn, tags={"Team": "dr"})
    client.start_source_network_replication(sourceNetworkID=network_id)
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"Name": "shop", "Team": "dr"}
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    with pytest.raises(client.exceptions.ValidationException):
        client.create_source_network(vpcID=vpc, originAccountID=origin, originRegion=ORIGIN_REGION, tags={"aws:x": "y"})


def test_a_recovery_step_by_step(
    client: Any, backend: DRSBackend, protected_id: str, vpc_id: str, cloudformation: Any
) -> None:
    answer = client.start_source_network_recovery(sourceNetworks=[{"sourceNetworkID": protected_id}], tags={"T": "1"})
    job = answer["job"]
    assert (job["type"], job["initiatedBy"], job["status"]) == ("LAUNCH", "CREATE_NETWORK_RECOVERY", "PENDING")
    assert (job["tags"], job["participatingServers"]) == ({"T": "1"}, [])
    entry = {"participatingResourceID": {"sourceNetworkID": protected_id}}
    assert job["participatingResources"] == [{**entry, "launchStatus": "PENDING"}]
    network = describe(client, protected_id)
    last = network["lastRecovery"]
    assert (last["jobID"], last["lastRecoveryResult"]) == (job["jobID"], "NOT_STARTED")
    assert last["apiCallDateTime"].isoformat(timespec="milliseconds")[:23] == job["creationDateTime"][:23]

    backend.advance()
    assert describe(client, protected_id)["lastRecovery"]["lastRecoveryResult"] == "IN_PROGRESS"
    assert client.describe_jobs()["items"][0]["participatingResources"] == [{**entry, "launchStatus": "IN_PROGRESS"}]
    assert cloudformation.list_stacks()["StackSummaries"] == []

    backend.advance()
    network = describe(client, protected_id)
    assert network["lastRecovery"]["lastRecoveryResult"] == "SUCCESS"
    assert network["cfnStackName"] == f"drs-{protected_id}"
    assert client.describe_jobs()["items"][0]["participatingResources"] == [{**entry, "launchStatus": "LAUNCHED"}]
    (stack,) = cloudformation.describe_stacks(StackName=network["cfnStackName"])["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["Outputs"] == [{"OutputKey": "VpcId", "OutputValue": network["launchedVpcID"]}]

    start, deploy, end, job_end = client.describe_job_log_items(jobID=job["jobID"])["items"]
    assert [each["event"] for each in (start, deploy, end, job_end)] == [
        *("JOB_START", "DEPLOY_NETWORK_CONFIGURATION_START", "DEPLOY_NETWORK_CONFIGURATION_END", "JOB_END")
    ]
    data = {"sourceNetworkID": protected_id, "sourceVpc": vpc_id, "stackName": network["cfnStackName"]}
    assert deploy["eventData"]["eventResourceData"] == {"sourceNetworkData": data}
    assert end["eventData"]["eventResourceData"] == {
        "sourceNetworkData": {**data, "targetVpc": network["launchedVpcID"]}
    }


def test_the_recovered_vpc_is_like_the_original(
    client: Any, backend: DRSBackend, protected_id: str, service: Service
) -> None:
    recover(client, backend, protected_id)
    launched = describe(client, protected_id)["launchedVpcID"]
    ec2 = service("ec2", backend.account_id)
    (vpc,) = ec2.describe_vpcs(VpcIds=[launched])["Vpcs"]
    assert vpc["CidrBlock"] == "10.4.0.0/16"
    assert {"Key": "Name", "Value": "shop"} in vpc["Tags"]
    of_vpc = {"Filters": [{"Name": "vpc-id", "Values": [launched]}]}
    subnets = sorted(ec2.describe_subnets(**of_vpc)["Subnets"], key=lambda each: each["CidrBlock"])
    assert [(each["CidrBlock"], each["AvailabilityZone"]) for each in subnets] == [
        ("10.4.0.0/24", f"{REGION}a"),
        ("10.4.1.0/24", f"{REGION}b"),
    ]
    groups = {each["Description"]: each for each in ec2.describe_security_groups(**of_vpc)["SecurityGroups"]}
    web, app = groups["The web servers"], groups["The app servers"]
    assert web["IpPermissions"][0]["IpRanges"][0]["CidrIp"] == "0.0.0.0/0"
    assert (web["IpPermissions"][0]["FromPort"], web["IpPermissions"][0]["IpProtocol"]) == (443, "tcp")
    (let_in,) = app["IpPermissions"]
    assert [each["GroupId"] for each in let_in["UserIdGroupPairs"]] == [web["GroupId"]]
    tables = ec2.describe_route_tables(**of_vpc)["RouteTables"]
    destinations = [route["DestinationCidrBlock"] for table in tables for route in table["Routes"]]
    assert sorted(destinations) == ["0.0.0.0/0", "10.4.0.0/16", "10.4.0.0/16"]


def test_a_second_recovery_updates_the_stack_with_what_changed(
    client: Any, backend: DRSBackend, protected_id: str, ec2: Any, service: Service
) -> None:
    recover(client, backend, protected_id)
    first = describe(client, protected_id)
    ec2.create_subnet(VpcId=first["sourceVpcID"], CidrBlock="10.4.2.0/24")
    job = recover(client, backend, protected_id)
    assert job["initiatedBy"] == "UPDATE_NETWORK_RECOVERY"
    assert events_of(client, job["jobID"])[1:3] == [
        *("UPDATE_NETWORK_CONFIGURATION_START", "UPDATE_NETWORK_CONFIGURATION_END")
    ]
    second = describe(client, protected_id)
    assert [second[name] for name in ("launchedVpcID", "cfnStackName")] == [
        first[name] for name in ("launchedVpcID", "cfnStackName")
    ]
    of_vpc = {"Filters": [{"Name": "vpc-id", "Values": [second["launchedVpcID"]]}]}
    subnets = service("ec2", backend.account_id).describe_subnets(**of_vpc)["Subnets"]
    assert "10.4.2.0/24" in [each["CidrBlock"] for each in subnets]


def test_an_update_leaves_what_moto_cannot_change(
    client: Any, backend: DRSBackend, protected_id: str, ec2: Any, cloudformation: Any
) -> None:
    recover(client, backend, protected_id)
    first = describe(client, protected_id)
    for name in ("bazaar", "mall"):
        ec2.create_tags(Resources=[first["sourceVpcID"]], Tags=[{"Key": "Name", "Value": name}])
        recover(client, backend, protected_id)
        last = describe(client, protected_id)
        assert (last["launchedVpcID"], last["lastRecovery"]["lastRecoveryResult"]) == (
            first["launchedVpcID"],
            "SUCCESS",
        )
    (vpc,) = cloudformation.describe_stack_resources(StackName=first["cfnStackName"], LogicalResourceId="Vpc")[
        "StackResources"
    ]
    assert vpc["PhysicalResourceId"] == first["launchedVpcID"]


def test_a_network_is_deployed_as_new_or_under_a_name(
    client: Any, backend: DRSBackend, protected_id: str, cloudformation: Any
) -> None:
    seen = []
    created: list[dict[str, Any]] = [{}, {"deployAsNew": True}, {"entry": {"cfnStackName": "shop-network"}}]
    for params in created:
        job = recover(client, backend, protected_id, **params)
        assert job["initiatedBy"] == "CREATE_NETWORK_RECOVERY"
        network = describe(client, protected_id)
        seen.append((network["cfnStackName"], network["launchedVpcID"]))
    assert [name for name, _ in seen] == [f"drs-{protected_id}", f"drs-{protected_id}-2", "shop-network"]
    assert len({vpc for _, vpc in seen}) == 3
    assert len(cloudformation.describe_stacks()["Stacks"]) == 3
    refused: list[dict[str, Any]] = [{**created[2], **created[1]}, {"entry": {"cfnStackName": seen[0][0]}}]
    for params in refused:
        with pytest.raises(client.exceptions.ConflictException) as error:
            recover(client, backend, protected_id, **params)
        assert error.value.response["resourceType"] == "Stack"
    assert recover(client, backend, protected_id, entry={"cfnStackName": "shop-network"})["initiatedBy"] == (
        "UPDATE_NETWORK_RECOVERY"
    )


def test_a_job_for_two_networks(client: Any, backend: DRSBackend, protected_id: str, ec2: Any, origin: str) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.5.0.0/16")["Vpc"]["VpcId"]
    params = {"vpcID": vpc, "originAccountID": origin, "originRegion": ORIGIN_REGION}
    other_id = client.create_source_network(**params)["sourceNetworkID"]
    client.start_source_network_replication(sourceNetworkID=other_id)
    backend.advance()
    recover(client, backend, protected_id)
    same = [{"sourceNetworkID": each, "cfnStackName": "both"} for each in (protected_id, other_id)]
    with pytest.raises(client.exceptions.ValidationException, match="twice"):
        client.start_source_network_recovery(sourceNetworks=same)
    both = [{"sourceNetworkID": each} for each in (protected_id, other_id)]
    for initiated_by, event in (
        ("CREATE_NETWORK_RECOVERY", "DEPLOY_NETWORK_CONFIGURATION_START"),  # one of the two stacks is new
        ("UPDATE_NETWORK_RECOVERY", "UPDATE_NETWORK_CONFIGURATION_START"),
    ):
        job = client.start_source_network_recovery(sourceNetworks=both)["job"]
        assert job["initiatedBy"] == initiated_by
        done = finish(client, backend, job["jobID"])
        assert [each["launchStatus"] for each in done["participatingResources"]] == ["LAUNCHED"] * 2
        assert events_of(client, job["jobID"])[1:3] == ["UPDATE_NETWORK_CONFIGURATION_START", event]


def test_a_stack_that_cannot_be_deployed_fails_the_recovery(
    client: Any, backend: DRSBackend, protected_id: str, cloudformation: Any
) -> None:
    job_id = client.start_source_network_recovery(
        sourceNetworks=[{"sourceNetworkID": protected_id, "cfnStackName": "taken"}]
    )["job"]["jobID"]
    body = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}
    cloudformation.create_stack(StackName="taken", TemplateBody=json.dumps(body))
    job = finish(client, backend, job_id)
    assert job["participatingResources"][0]["launchStatus"] == "FAILED"
    items = client.describe_job_log_items(jobID=job_id)["items"]
    assert [each["event"] for each in items[2:]] == [
        *("DEPLOY_NETWORK_CONFIGURATION_FAILED", "NETWORK_RECOVERY_FAIL", "JOB_END")
    ]
    assert "already exists" in items[2]["eventData"]["rawError"]
    network = describe(client, protected_id)
    assert network["lastRecovery"]["lastRecoveryResult"] == "FAIL"
    assert "launchedVpcID" not in network
    assert "cfnStackName" not in network


def test_an_update_of_a_stack_that_vanishes_fails(
    client: Any, backend: DRSBackend, ec2: Any, origin: str, cloudformation: Any
) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.5.0.0/16")["Vpc"]["VpcId"]  # moto can delete its stack: it has no gateway
    network_id = client.create_source_network(vpcID=vpc, originAccountID=origin, originRegion=ORIGIN_REGION)[
        "sourceNetworkID"
    ]
    client.start_source_network_replication(sourceNetworkID=network_id)
    backend.advance()
    recover(client, backend, network_id)
    job_id = client.start_source_network_recovery(sourceNetworks=[{"sourceNetworkID": network_id}])["job"]["jobID"]
    backend.advance()
    cloudformation.delete_stack(StackName=f"drs-{network_id}")
    backend.advance()
    assert "UPDATE_NETWORK_CONFIGURATION_FAILED" in events_of(client, job_id)
    assert recover(client, backend, network_id)["initiatedBy"] == "CREATE_NETWORK_RECOVERY"
    assert describe(client, network_id)["lastRecovery"]["lastRecoveryResult"] == "SUCCESS"


def test_what_cannot_be_recovered(client: Any, backend: DRSBackend, network_id: str) -> None:
    entry = {"sourceNetworkID": network_id}
    with pytest.raises(client.exceptions.ConflictException, match="not protected"):
        client.start_source_network_recovery(sourceNetworks=[entry])
    client.start_source_network_replication(sourceNetworkID=network_id)
    with pytest.raises(client.exceptions.ConflictException, match="not protected"):
        client.start_source_network_recovery(sourceNetworks=[entry])
    backend.advance()
    with pytest.raises(client.exceptions.ValidationException):
        client.start_source_network_recovery(sourceNetworks=[entry, entry])
    assert not backend.jobs
    client.start_source_network_recovery(sourceNetworks=[entry])
    with pytest.raises(client.exceptions.ConflictException, match="job is in progress"):
        client.start_source_network_recovery(sourceNetworks=[entry])
    with pytest.raises(client.exceptions.ConflictException, match="job is in progress"):
        client.stop_source_network_replication(sourceNetworkID=network_id)


def test_a_recovery_has_the_quotas_of_jobs(client: Any, backend: DRSBackend, protected_id: str) -> None:
    backend.max_jobs_in_progress = 0
    with pytest.raises(ClientError) as error:
        client.start_source_network_recovery(sourceNetworks=[{"sourceNetworkID": protected_id}])
    assert error.value.response["quotaCode"] == "L-D88FAC3A"
    assert "lastRecovery" not in describe(client, protected_id)


def test_an_earlier_stack_is_associated_again(client: Any, backend: DRSBackend, protected_id: str) -> None:
    recover(client, backend, protected_id)
    first = describe(client, protected_id)
    recover(client, backend, protected_id, deployAsNew=True)
    assert describe(client, protected_id)["launchedVpcID"] != first["launchedVpcID"]
    client.stop_source_network_replication(sourceNetworkID=protected_id)
    job = client.associate_source_network_stack(sourceNetworkID=protected_id, cfnStackName=first["cfnStackName"])["job"]
    assert job["initiatedBy"] == "ASSOCIATE_NETWORK_RECOVERY"
    with pytest.raises(client.exceptions.ConflictException):
        client.delete_source_network(sourceNetworkID=protected_id)
    done = finish(client, backend, job["jobID"])
    assert done["participatingResources"][0]["launchStatus"] == "LAUNCHED"
    network = describe(client, protected_id)
    assert network["lastRecovery"]["lastRecoveryResult"] == "ASSOCIATE_SUCCESS"
    assert (network["launchedVpcID"], network["cfnStackName"]) == (first["launchedVpcID"], first["cfnStackName"])


def test_what_cannot_be_associated(client: Any, backend: DRSBackend, network_id: str, cloudformation: Any) -> None:
    with pytest.raises(client.exceptions.ResourceNotFoundException) as error:
        client.associate_source_network_stack(sourceNetworkID=network_id, cfnStackName="queues")
    assert (error.value.response["resourceType"], error.value.response["resourceId"]) == ("Stack", "queues")
    body: dict[str, Any] = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}
    cloudformation.create_stack(StackName="queues", TemplateBody=json.dumps(body))
    with pytest.raises(client.exceptions.ValidationException, match="no VPC"):
        client.associate_source_network_stack(sourceNetworkID=network_id, cfnStackName="queues")
    body["Resources"]["Net"] = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.9.0.0/16"}}
    cloudformation.create_stack(StackName="net", TemplateBody=json.dumps(body))
    job = client.associate_source_network_stack(sourceNetworkID=network_id, cfnStackName="net")["job"]
    cloudformation.delete_stack(StackName="net")
    assert finish(client, backend, job["jobID"])["participatingResources"][0]["launchStatus"] == "FAILED"
    assert events_of(client, job["jobID"]) == ["JOB_START", "NETWORK_RECOVERY_FAIL", "JOB_END"]
    assert describe(client, network_id)["lastRecovery"]["lastRecoveryResult"] == "ASSOCIATE_FAIL"


@pytest.fixture
def instance_id(ec2: Any, vpc_id: str) -> str:
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["Subnets"]
    image = ec2.register_image(Name="own", RootDeviceName="/dev/sda1")["ImageId"]  # a sandbox turns moto's own ones off
    launched = ec2.run_instances(ImageId=image, SubnetId=subnets[0]["SubnetId"], MinCount=1, MaxCount=1)
    return str(launched["Instances"][0]["InstanceId"])


def server_from(backend: DRSBackend, origin: str, instance: str, region: str = ORIGIN_REGION) -> str:
    cloud = {"originAccountID": origin, "originRegion": region, "originAvailabilityZone": f"{region}a"}
    hints = {"identificationHints": {"awsInstanceID": instance}}
    return backend.add_source_server({"sourceCloudProperties": cloud, "sourceProperties": hints}).source_server_id


def test_servers_belong_to_the_network_of_their_instance(
    client: Any, backend: DRSBackend, origin: str, vpc_id: str, instance_id: str
) -> None:
    early = server_from(backend, origin, instance_id)
    others = [
        server_from(backend, origin, "i-00000000000000000"),
        server_from(backend, origin, instance_id, "eu-west-1"),
    ]
    network_id = client.create_source_network(vpcID=vpc_id, originAccountID=origin, originRegion=ORIGIN_REGION)[
        "sourceNetworkID"
    ]
    late = server_from(backend, origin, instance_id)
    others.append(server_from(backend, origin, "i-00000000000000000"))
    networks = {
        each["sourceServerID"]: each.get("sourceNetworkID") for each in client.describe_source_servers()["items"]
    }
    assert networks == {early: network_id, late: network_id, **dict.fromkeys(others)}

    client.start_source_network_replication(sourceNetworkID=network_id)
    backend.advance()
    job = recover(client, backend, network_id)
    items = client.describe_job_log_items(jobID=job["jobID"])["items"]
    updated = [
        (each["event"], each["eventData"]["sourceServerID"])
        for each in items
        if each["event"].startswith("UPDATE_LAUNCH_TEMPLATE")
    ]
    assert updated == [
        (f"UPDATE_LAUNCH_TEMPLATE_{end}", server_id) for server_id in (early, late) for end in ("START", "END")
    ]

    client.stop_source_network_replication(sourceNetworkID=network_id)
    client.delete_source_network(sourceNetworkID=network_id)
    assert not any("sourceNetworkID" in each for each in client.describe_source_servers()["items"])


def test_an_extended_server_has_the_network_of_its_staging_server(
    client: Any, backend: DRSBackend, new_account: Callable[[], str], network_id: str, instance_id: str
) -> None:
    staging = manual_backend(new_account())
    staging.trust(backend.account_id)
    origin = describe(client, network_id)["sourceAccountID"]
    arn = staging.server(server_from(staging, origin, instance_id)).arn
    client.create_extended_source_server(sourceServerArn=arn)
    (server,) = client.describe_source_servers()["items"]
    assert "sourceNetworkID" not in server  # there is none in the staging account


def test_an_exported_template_can_be_deployed(
    client: Any, account: str, protected_id: str, service: Service, ec2: Any
) -> None:
    bucket = f"templates-{account}"
    s3, cloudformation = service("s3", account), service("cloudformation", account)
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    client.create_launch_configuration_template(exportBucketArn=f"arn:aws:s3:::{bucket}")
    url = client.export_source_network_cfn_template(sourceNetworkID=protected_id)["s3DestinationUrl"]
    assert url == f"https://{bucket}.s3.{REGION}.amazonaws.com/drs-{protected_id}.json"
    text = s3.get_object(Bucket=bucket, Key=f"drs-{protected_id}.json")["Body"].read().decode()
    resources = json.loads(text)["Resources"]
    associations = [each for each in resources.values() if each["Type"] == "AWS::EC2::SubnetRouteTableAssociation"]
    (public,) = [resources[each["Properties"]["SubnetId"]["Ref"]]["Properties"] for each in associations]
    assert public["CidrBlock"] == "10.4.0.0/24"
    cloudformation.create_stack(StackName="by-hand", TemplateBody=text)
    (stack,) = cloudformation.describe_stacks(StackName="by-hand")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    vpc_id = describe(client, protected_id)["sourceVpcID"]
    ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.4.2.0/24")
    client.stop_source_network_replication(sourceNetworkID=protected_id)
    ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.4.3.0/24")
    assert client.export_source_network_cfn_template(sourceNetworkID=protected_id)["s3DestinationUrl"] == url
    text = s3.get_object(Bucket=bucket, Key=f"drs-{protected_id}.json")["Body"].read().decode()
    assert ("10.4.2.0/24" in text, "10.4.3.0/24" in text) == (True, False)  # replicated until it was stopped


def test_what_cannot_be_exported(client: Any, backend: DRSBackend, network_id: str) -> None:
    with pytest.raises(client.exceptions.ConflictException, match="never replicated"):
        client.export_source_network_cfn_template(sourceNetworkID=network_id)
    client.start_source_network_replication(sourceNetworkID=network_id)
    backend.advance()
    with pytest.raises(client.exceptions.ConflictException, match="exportBucketArn"):
        client.export_source_network_cfn_template(sourceNetworkID=network_id)
    client.create_launch_configuration_template(exportBucketArn="arn:aws:s3:::nobodys-bucket")
    with pytest.raises(client.exceptions.ResourceNotFoundException) as error:
        client.export_source_network_cfn_template(sourceNetworkID=network_id)
    assert (error.value.response["resourceType"], error.value.response["resourceId"]) == ("Bucket", "nobodys-bucket")
