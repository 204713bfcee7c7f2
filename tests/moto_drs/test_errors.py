"""Error responses. The clients of these tests validate status, header and members of each; see `wire_model`."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from service.sandbox.moto_drs.exceptions import (
    AccessDeniedException,
    ConflictException,
    InternalServerException,
    ResourceNotFoundException,
    ServiceQuotaExceededException,
    ThrottlingException,
    UninitializedAccountException,
    ValidationException,
)
from service.sandbox.moto_drs.models import DRSBackend
from service.sandbox.moto_drs.urls import url_paths
from tests.moto_drs import plan_calls
from tests.moto_drs.conftest import Client

SERVER = {"sourceServerID": "s-00000000000000000"}
INSTANCE = {"recoveryInstanceID": "i-00000000000000000"}
TEMPLATE = {"replicationConfigurationTemplateID": "rct-00000000000000000"}
LAUNCH_TEMPLATE = {"launchConfigurationTemplateID": "lct-00000000000000000"}
ACTION = {"resourceId": SERVER["sourceServerID"], "actionId": "00000000-0000-4000-8000-000000000001"}
ACTION_MEMBERS = {
    "actionId": ACTION["actionId"],
    "actionCode": "AWS-RunShellScript",
    "actionVersion": "$LATEST",
    "name": "Check the mounts",
    "category": "VALIDATION",
    "description": "Checks the mounts",
    "order": 2,
    "optional": False,
    "active": True,
}
NEW_ACTION = {**ACTION, **ACTION_MEMBERS}
NETWORK = {"sourceNetworkID": "sn-00000000000000000"}
NEW_NETWORK = {"vpcID": "vpc-00000000000000000", "originAccountID": "111111111111", "originRegion": "us-east-1"}
ARN = "arn:aws:drs:us-west-2:111111111111:source-server/s-00000000000000000"
PIT_POLICY = [
    {"units": "MINUTE", "interval": 10, "retentionDuration": 60},
    {"units": "HOUR", "interval": 1, "retentionDuration": 24},
    {"units": "DAY", "interval": 1, "retentionDuration": 3},
]
NEW_TEMPLATE = {
    "associateDefaultSecurityGroup": True,
    "bandwidthThrottling": 0,
    "createPublicIP": False,
    "dataPlaneRouting": "PRIVATE_IP",
    "defaultLargeStagingDiskType": "GP3",
    "ebsEncryption": "DEFAULT",
    "pitPolicy": PIT_POLICY,
    "replicationServerInstanceType": "t3.small",
    "replicationServersSecurityGroupsIDs": [],
    "stagingAreaSubnetId": "subnet-0123456789abcdef0",
    "stagingAreaTags": {},
    "useDedicatedReplicationServer": False,
}
# Valid parameters of each operation that needs an initialized region, and its error for unknown resources.
CALLS: dict[str, tuple[dict[str, Any], str | None]] = {
    "associate_source_network_stack": ({**NETWORK, "cfnStackName": "our-stack"}, "ResourceNotFoundException"),
    **plan_calls.CALLS,
    "create_extended_source_server": ({"sourceServerArn": ARN}, "UninitializedAccountException"),
    "create_launch_configuration_template": ({}, None),
    "create_replication_configuration_template": (NEW_TEMPLATE, None),
    "create_source_network": (NEW_NETWORK, "ResourceNotFoundException"),
    "delete_job": ({"jobID": "drsjob-00000000000000000"}, "ResourceNotFoundException"),
    "delete_launch_action": (ACTION, "ResourceNotFoundException"),
    "delete_launch_configuration_template": (LAUNCH_TEMPLATE, "ResourceNotFoundException"),
    "delete_recovery_instance": (INSTANCE, "ConflictException"),
    "delete_replication_configuration_template": (TEMPLATE, "ResourceNotFoundException"),
    "delete_source_network": (NETWORK, "ResourceNotFoundException"),
    "delete_source_server": (SERVER, "ResourceNotFoundException"),
    "describe_job_log_items": ({"jobID": "drsjob-00000000000000000"}, "ValidationException"),
    "describe_jobs": ({}, None),
    "describe_launch_configuration_templates": ({}, None),
    "describe_recovery_instances": ({}, None),
    "describe_recovery_snapshots": (SERVER, None),
    "describe_replication_configuration_templates": ({}, None),
    "describe_source_networks": ({}, None),
    "describe_source_servers": ({}, None),
    "disconnect_recovery_instance": (INSTANCE, "ResourceNotFoundException"),
    "disconnect_source_server": (SERVER, "ResourceNotFoundException"),
    "export_source_network_cfn_template": (NETWORK, "ResourceNotFoundException"),
    "get_failback_replication_configuration": (INSTANCE, "ResourceNotFoundException"),
    "get_launch_configuration": (SERVER, "ResourceNotFoundException"),
    "get_replication_configuration": (SERVER, "ResourceNotFoundException"),
    "list_extensible_source_servers": ({"stagingAccountID": "111111111111"}, "UninitializedAccountException"),
    "list_launch_actions": ({"resourceId": "lct-00000000000000000"}, "ResourceNotFoundException"),
    "list_staging_accounts": ({}, None),
    "put_launch_action": (NEW_ACTION, "ResourceNotFoundException"),
    "retry_data_replication": (SERVER, "ResourceNotFoundException"),
    "reverse_replication": (INSTANCE, "ResourceNotFoundException"),
    "start_failback_launch": ({"recoveryInstanceIDs": [INSTANCE["recoveryInstanceID"]]}, "ConflictException"),
    "start_recovery": ({"sourceServers": [SERVER]}, "ConflictException"),
    "start_replication": (SERVER, "ResourceNotFoundException"),
    "start_source_network_recovery": ({"sourceNetworks": [NETWORK]}, "ConflictException"),
    "start_source_network_replication": (NETWORK, "ResourceNotFoundException"),
    "stop_failback": (INSTANCE, "ResourceNotFoundException"),
    "stop_replication": (SERVER, "ResourceNotFoundException"),
    "stop_source_network_replication": (NETWORK, "ResourceNotFoundException"),
    "terminate_recovery_instances": ({"recoveryInstanceIDs": [INSTANCE["recoveryInstanceID"]]}, "ConflictException"),
    "update_failback_replication_configuration": (INSTANCE, "ResourceNotFoundException"),
    "update_launch_configuration": (SERVER, "ResourceNotFoundException"),
    "update_launch_configuration_template": (LAUNCH_TEMPLATE, "ResourceNotFoundException"),
    "update_replication_configuration": (SERVER, "ResourceNotFoundException"),
    "update_replication_configuration_template": (
        {**TEMPLATE, "arn": "arn:aws:drs:us-west-2:111111111111:x/y"},
        "ResourceNotFoundException",
    ),
}
TAGS: dict[str, dict[str, Any]] = {
    "list_tags_for_resource": {"resourceArn": ARN},
    "tag_resource": {"resourceArn": ARN, "tags": {"a": "b"}},
    "untag_resource": {"resourceArn": ARN, "tagKeys": ["a"]},
}


def code_of(client: Any, operation: str, params: dict[str, Any]) -> str | None:
    try:
        getattr(client, operation)(**params)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


def test_every_operation_served_is_in_these_tests(client: Any) -> None:
    methods = client.meta.method_to_api_mapping
    tested = {methods[each] for each in [*CALLS, *TAGS, "initialize_service"]}
    served = {path.removeprefix("{0}/").removesuffix("$") for path in url_paths}
    tags = {"TagResource", "UntagResource", "ListTagsForResource"}
    assert tested == {each for each in served if not each.startswith("tags/")} | tags


@pytest.mark.parametrize("operation", CALLS)
def test_an_uninitialised_region(connect: Client, account: str, operation: str) -> None:
    assert code_of(connect(account, "eu-south-2"), operation, CALLS[operation][0]) == "UninitializedAccountException"


@pytest.mark.parametrize("operation", CALLS)
def test_resources_that_do_not_exist(client: Any, operation: str) -> None:
    params, code = CALLS[operation]
    assert code_of(client, operation, params) == code


@pytest.mark.parametrize("operation", [*CALLS, *TAGS])
def test_each_required_member_is_missed(connect: Client, backend: DRSBackend, operation: str) -> None:
    client = connect(backend.account_id, parameter_validation=False)
    params = CALLS[operation][0] if operation in CALLS else TAGS[operation]
    model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation])
    members = model.input_shape.members
    for name in model.input_shape.required_members:
        if members[name].serialization.get("location") is None:  # what is in the path or query cannot be missed
            with pytest.raises(ClientError, match=f"ValidationException.*{name} must not be missing"):
                getattr(client, operation)(**{other: value for other, value in params.items() if other != name})


@pytest.mark.parametrize("operation", TAGS)
def test_tags_need_no_initialised_region(connect: Client, account: str, operation: str) -> None:
    assert code_of(connect(account, "eu-south-2"), operation, TAGS[operation]) == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("error", "members"),
    [
        (AccessDeniedException("no"), {}),
        (UninitializedAccountException(), {}),
        (ThrottlingException(7), {"retryAfterSeconds": "7", "serviceCode": "drs"}),
        (ThrottlingException(), {}),
        (InternalServerException(3), {"retryAfterSeconds": 3}),
        (ValidationException("no", reason="other"), {"reason": "other"}),
    ],
)
def test_errors_of_a_listing(client: Any, backend: DRSBackend, error: Any, members: dict[str, Any]) -> None:
    backend.fail_next(error)
    with pytest.raises(ClientError) as caught:
        client.list_staging_accounts()
    check(caught.value, error, members)
    assert client.list_staging_accounts()["accounts"] == []


@pytest.mark.parametrize(
    ("error", "members"),
    [
        (ResourceNotFoundException("SourceServer", "s-1"), {"resourceType": "SourceServer", "resourceId": "s-1"}),
        (ConflictException("no", "SourceServer", "s-1"), {"resourceType": "SourceServer", "resourceId": "s-1"}),
    ],
)
def test_errors_of_a_change(client: Any, backend: DRSBackend, error: Any, members: dict[str, Any]) -> None:
    backend.fail_next(error)
    with pytest.raises(ClientError) as caught:
        client.stop_replication(**SERVER)
    check(caught.value, error, members)


def test_the_error_of_a_quota(client: Any, backend: DRSBackend) -> None:
    error = ServiceQuotaExceededException("no", "L-E28BE5E0")
    backend.fail_next(error)
    with pytest.raises(ClientError) as caught:
        client.create_extended_source_server(sourceServerArn=ARN)
    check(caught.value, error, {"quotaCode": "L-E28BE5E0", "serviceCode": "drs", "resourceType": "SourceServer"})
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 402


def check(caught: ClientError, error: Any, members: dict[str, Any]) -> None:
    response = caught.response
    assert response["Error"] == {"Code": error.code, "Message": error.message}
    assert response["message"] == error.message
    assert {name: response[name] for name in members} == members
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-amzn-errortype"] == error.code
    if "retryAfterSeconds" in members:
        assert response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == str(members["retryAfterSeconds"])
    else:
        assert "retry-after" not in response["ResponseMetadata"]["HTTPHeaders"]


@pytest.mark.parametrize(
    ("operation", "params", "field"),
    [
        ("describe_source_servers", {"maxResults": 0}, "maxResults"),
        ("describe_source_servers", {"maxResults": 1001}, "maxResults"),
        ("start_recovery", {}, "sourceServers"),
        ("start_recovery", {"sourceServers": [{}]}, "sourceServers[0].sourceServerID"),
        ("describe_source_servers", {"nextToken": "nonsense"}, "nextToken"),
        ("describe_source_servers", {"nextToken": "eHg="}, "nextToken"),
        ("describe_source_servers", {"nextToken": "x" * 2049}, "nextToken"),
        ("describe_source_servers", {"filters": {"sourceServerIDs": ["s-1"]}}, "filters.sourceServerIDs[0]"),
        (
            "describe_source_servers",
            {"filters": {"sourceServerIDs": [f"s-{number:017}" for number in range(201)]}},
            "filters.sourceServerIDs",
        ),
        ("describe_source_servers", {"filters": {"stagingAccountIDs": ["x" * 12]}}, "filters.stagingAccountIDs[0]"),
        ("describe_source_servers", {"filters": {"hardwareId": "x" * 257}}, "filters.hardwareId"),
        ("describe_recovery_instances", {"filters": {"recoveryInstanceIDs": ["ri-01234567"]}},
         "filters.recoveryInstanceIDs[0]"),
        ("describe_jobs", {"filters": {"jobIDs": ["job-1"]}}, "filters.jobIDs[0]"),
        ("describe_jobs", {"filters": {"fromDate": "yesterday, in the morning"}}, "filters.fromDate"),
        ("list_extensible_source_servers", {"stagingAccountID": "111111111111", "maxResults": 301}, "maxResults"),
        ("list_extensible_source_servers", {"stagingAccountID": "1111111111112"}, "stagingAccountID"),
        ("list_staging_accounts", {"maxResults": 51}, "maxResults"),
        ("create_extended_source_server", {"sourceServerArn": "arn:aws:ec2:us-west-2:1:instance/i-1"},
         "sourceServerArn"),
        ("get_launch_configuration", {"sourceServerID": "s-with-dashes-0000"}, "sourceServerID"),
        ("update_launch_configuration", {**SERVER, "launchDisposition": "HALF"}, "launchDisposition"),
        ("update_launch_configuration", {**SERVER, "name": "n" * 129}, "name"),
        ("update_replication_configuration", {**SERVER, "ebsEncryption": "ENABLED"}, "ebsEncryption"),
        (
            "create_replication_configuration_template",
            {**NEW_TEMPLATE, "pitPolicy": [{"units": "YEAR", "interval": 1, "retentionDuration": 3}] * 3},
            "pitPolicy[0].units",
        ),
        ("create_replication_configuration_template", {**NEW_TEMPLATE, "pitPolicy": PIT_POLICY[:2]}, "pitPolicy"),
        ("describe_replication_configuration_templates", {"replicationConfigurationTemplateIDs": ["x"]},
         "replicationConfigurationTemplateIDs[0]"),
        ("create_launch_configuration_template", {"recoveryMode": "SLOW"}, "recoveryMode"),
        ("create_launch_configuration_template", {"exportBucketArn": "s3://bucket/with/a/path"}, "exportBucketArn"),
        ("describe_launch_configuration_templates",
         {"launchConfigurationTemplateIDs": [f"lct-{number:017}" for number in range(2)]},
         "launchConfigurationTemplateIDs"),
        ("describe_launch_configuration_templates", {"maxResults": 1001}, "maxResults"),
        ("update_launch_configuration_template", {}, "launchConfigurationTemplateID"),
        ("put_launch_action", {**NEW_ACTION, "order": 1}, "order"),
        ("put_launch_action", {**NEW_ACTION, "order": 10_001}, "order"),
        ("put_launch_action", {**NEW_ACTION, "category": "BACKUP"}, "category"),
        ("put_launch_action", {**NEW_ACTION, "resourceId": "rct-00000000000000000"}, "resourceId"),
        ("put_launch_action", {**NEW_ACTION, "parameters": {"p": {"type": "PLAIN", "value": "x"}}},
         "parameters value.type"),
        ("put_launch_action", ACTION, "actionCode"),
        ("list_launch_actions", {"resourceId": "s-00000000000000000", "filters": {"actionIds": ["x"]}},
         "filters.actionIds[0]"),
        ("delete_launch_action", {**ACTION, "actionId": "x"}, "actionId"),
        ("describe_job_log_items", {"jobID": "job-1"}, "jobID"),
        ("create_source_network", {**NEW_NETWORK, "vpcID": "subnet-0123456789abcdef0"}, "vpcID"),
        ("create_source_network", {**NEW_NETWORK, "originRegion": "moon-base-1"}, "originRegion"),
        ("create_source_network", {"vpcID": NEW_NETWORK["vpcID"]}, "originAccountID"),
        ("describe_source_networks", {"maxResults": 1001}, "maxResults"),
        ("describe_source_networks",
         {"filters": {"sourceNetworkIDs": [f"sn-{number:017}" for number in range(101)]}},
         "filters.sourceNetworkIDs"),
        ("describe_source_networks", {"filters": {"originAccountID": "1"}}, "filters.originAccountID"),
        ("start_source_network_replication", {}, "sourceNetworkID"),
        ("start_source_network_recovery", {"sourceNetworks": []}, "sourceNetworks"),
        ("start_source_network_recovery", {"sourceNetworks": [{**NETWORK, "cfnStackName": "1-stack"}]},
         "sourceNetworks[0].cfnStackName"),
        ("start_source_network_recovery", {"sourceNetworks": [NETWORK] * 101}, "sourceNetworks"),
        ("associate_source_network_stack", NETWORK, "cfnStackName"),
        ("export_source_network_cfn_template", {"sourceNetworkID": "sn-1"}, "sourceNetworkID"),
        *plan_calls.BAD_INPUT,
        ("tag_resource", {"resourceArn": "not-an-arn-but-long-enough", "tags": {}}, "resourceArn"),
    ],
)  # fmt: skip
def test_bad_input(connect: Client, backend: DRSBackend, operation: str, params: dict[str, Any], field: str) -> None:
    client = connect(backend.account_id, parameter_validation=False)  # an SDK validates minimums, but nothing else
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**params)
    response = caught.value.response
    assert response["Error"]["Code"] == "ValidationException"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    if "fieldList" in response:  # botocore reads members only where the operation models the error
        assert response["reason"] == "fieldValidationFailed"
        assert field in [each["name"] for each in response["fieldList"]]
    else:
        assert operation in {
            *("describe_recovery_instances", "get_launch_configuration", "list_launch_actions", "start_recovery"),
            "start_source_network_replication",
        }
        assert field in response["Error"]["Message"]


def test_a_token_belongs_to_its_listing(client: Any, backend: DRSBackend) -> None:
    for _ in range(2):
        backend.add_source_server({})
    token = client.describe_source_servers(maxResults=1)["nextToken"]
    with pytest.raises(client.exceptions.ValidationException):
        client.describe_jobs(nextToken=token)


def test_errors_do_not_contain_tag_values(client: Any, backend: DRSBackend) -> None:
    arn = backend.add_source_server({}).arn
    with pytest.raises(client.exceptions.ValidationException) as caught:
        client.tag_resource(resourceArn=arn, tags={"k": "hidden" * 100})
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"{", b"\xff\xfe", b"[]", b'"x"', b'{"maxResults": "many"}', b'{"filters": []}', b'{"nextToken": 1}']
)
def test_invalid_request_bodies(connect: Client, backend: DRSBackend, body: bytes) -> None:
    client = connect(backend.account_id)
    client.meta.events.register("before-call.drs", lambda params, **_: params.update(body=body))
    with pytest.raises(client.exceptions.ValidationException) as caught:
        client.describe_source_servers()
    assert caught.value.response["reason"] in {"cannotParse", "fieldValidationFailed"}


def test_a_path_without_an_operation(endpoint: str) -> None:
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-west-2/drs/aws4_request, SignedHeaders=host"}
    for method, path in (("GET", "/DescribeSourceServers"), ("PUT", "/tags/arn"), ("POST", "/DescribeNothing")):
        answer = URLLib3Session().send(AWSRequest(method, endpoint + path, signed).prepare())
        assert answer.status_code == 404
