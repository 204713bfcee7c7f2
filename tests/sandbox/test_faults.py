"""Injected faults as a client sees them: throttling, denials, failing pages, latency, disabled regions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from service.sandbox.faults import Faults
from service.sandbox.server import Sandbox

HUB, TARGET, STAGING, APPS = "999900001111", "111122223333", "444455556666", "777788889999"
Client = Callable[..., Any]


def _error_of(call: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return dict(caught.value.response)


def test_throttling_is_per_scope_and_ends_with_time(sandbox: Sandbox, client: Client, clock: Any) -> None:
    sandbox.replace_faults(Faults.model_validate({"throttle": {"requests_per_second": 0.5, "burst": 2}}))
    here, there = (client("drs", account_id=TARGET, region=region) for region in ("us-west-2", "eu-west-1"))
    here.describe_source_servers()
    here.describe_source_servers()
    response = _error_of(here.describe_source_servers)
    assert response["Error"]["Code"] == "ThrottlingException"
    assert response["Error"]["Message"] == "Rate exceeded"
    assert response["retryAfterSeconds"] == "2"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "2"
    there.describe_source_servers()
    clock.now += 2
    here.describe_source_servers()
    _error_of(here.describe_source_servers)


def test_throttling_of_one_scope_alone(sandbox: Sandbox, client: Client) -> None:
    scope = {"account_id": TARGET, "region": "us-west-2", "requests_per_second": 1, "burst": 1}
    sandbox.replace_faults(Faults.model_validate({"throttle": {"scopes": [scope]}}))
    here, there = (client("drs", account_id=TARGET, region=region) for region in ("us-west-2", "eu-west-1"))
    here.describe_source_servers()
    assert _error_of(here.describe_source_servers)["Error"]["Code"] == "ThrottlingException"
    for _ in range(3):
        there.describe_source_servers()


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("drs", "describe_source_servers", ("AccessDeniedException", 403)),
        ("ec2", "describe_instances", ("UnauthorizedOperation", 403)),
        ("sts", "get_caller_identity", ("AccessDenied", 403)),
        ("dynamodb", "list_tables", ("AccessDeniedException", 400)),
    ],
)
def test_denial(sandbox: Sandbox, client: Client, service: str, operation: str, expected: tuple[str, int]) -> None:
    called = getattr(client(service, account_id=TARGET, region="us-west-2"), operation)
    sandbox.replace_faults(Faults.model_validate({"deny": [{"account_id": TARGET, "service": service}]}))
    response = _error_of(called)
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == expected
    assert "because no identity-based policy allows the" in response["Error"]["Message"]


@pytest.mark.parametrize("kind", ["deny", "fail"])
def test_a_fault_of_one_table_leaves_the_others(kind: str, sandbox: Sandbox, client: Client) -> None:
    dynamodb = client("dynamodb")
    broken, other = (
        sandbox.environment()[name] for name in ("DRS_REGION_STATUS_TABLE", "SOURCE_SERVER_TOPOLOGY_TABLE")
    )
    keys: dict[str, dict[str, Any]] = {
        broken: {"region": {"S": "us-west-2"}},
        other: {"pk": {"S": "p"}, "sk": {"S": "s"}},
    }

    def calls_of(table: str) -> dict[str, Callable[[], Any]]:
        put = {"Put": {"TableName": table, "Item": keys[table]}}
        return {
            "Scan": lambda: dynamodb.scan(TableName=table),
            "BatchWriteItem": lambda: dynamodb.batch_write_item(
                RequestItems={table: [{"PutRequest": {"Item": keys[table]}}]}
            ),
            "TransactWriteItems": lambda: dynamodb.transact_write_items(TransactItems=[put]),
        }

    denied = {"service": "dynamodb", "table": broken}
    error = {"error": "AccessDeniedException", "status": 400, "times": None}
    faults = {
        "deny": [{**denied, "account_id": HUB, "operations": list(calls_of(broken))}],
        "fail": [{**denied, **error, "operation": operation} for operation in calls_of(broken)],
    }
    sandbox.replace_faults(Faults.model_validate({kind: faults[kind]}))
    for name, call in calls_of(broken).items():
        assert _error_of(call)["Error"]["Code"] == "AccessDeniedException", name
    for call in calls_of(other).values():
        call()


def test_denial_by_control_policy_names_it(sandbox: Sandbox, client: Client) -> None:
    drs = client("drs", account_id=TARGET, region="us-west-2")
    deny = {"account_id": TARGET, "region": "us-west-2", "operations": ["DescribeSourceServers"], "scp": True}
    sandbox.replace_faults(Faults.model_validate({"deny": [deny]}))
    assert _error_of(drs.describe_source_servers)["Error"]["Message"] == (
        f"User: arn:aws:sts::{TARGET}:assumed-role/DRSOrchestrationRole/drs-orchestration-test is not authorized to "
        "perform: drs:DescribeSourceServers on resource: * with an explicit deny in a service control policy"
    )
    drs.describe_jobs()
    client("drs", account_id=TARGET, region="eu-west-1").describe_source_servers()


def test_denial_with_a_declared_message(sandbox: Sandbox, client: Client) -> None:
    drs = client("drs", account_id=TARGET, region="us-west-2")
    sandbox.replace_faults(Faults.model_validate({"deny": [{"account_id": TARGET, "message": "not on Mondays"}]}))
    assert _error_of(drs.describe_source_servers)["Error"]["Message"] == "not on Mondays"


def test_page_two_fails_the_declared_number_of_times(sandbox: Sandbox, client: Client) -> None:
    drs = client("drs", account_id=TARGET, region="us-west-2")
    fail = {"account_id": TARGET, "region": "us-west-2", "operation": "DescribeSourceServers", "page": 2, "times": 2}
    sandbox.replace_faults(Faults.model_validate({"fail": [fail]}))
    for _ in range(2):
        token = drs.describe_source_servers(maxResults=2)["nextToken"]
        response = _error_of(drs.describe_source_servers, maxResults=2, nextToken=token)
        assert response["Error"]["Code"] == "InternalServerException"
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 500
    pages = drs.get_paginator("describe_source_servers").paginate(maxResults=2)
    assert [len(page["items"]) for page in pages] == [2, 2, 2, 1]


def test_a_page_of_a_service_with_forms_fails(sandbox: Sandbox, client: Client) -> None:
    ec2 = client("ec2", account_id=APPS, region="us-east-1")
    fail = {"service": "ec2", "operation": "DescribeInstances", "page": 2}
    sandbox.replace_faults(Faults.model_validate({"fail": [fail]}))
    first = ec2.describe_instances(MaxResults=1)
    assert _error_of(ec2.describe_instances, MaxResults=1, NextToken=first["NextToken"])
    assert ec2.describe_instances(MaxResults=1, NextToken=first["NextToken"])["Reservations"]


def test_page_three_is_counted_along_the_tokens(sandbox: Sandbox, client: Client) -> None:
    drs = client("drs", account_id=TARGET, region="us-west-2")
    sandbox.replace_faults(
        Faults.model_validate({"fail": [{"operation": "DescribeSourceServers", "page": 3, "times": None}]})
    )
    for _ in range(2):
        pages = iter(drs.get_paginator("describe_source_servers").paginate(maxResults=2))
        assert [len(next(pages)["items"]) for _ in range(2)] == [2, 2]
        with pytest.raises(ClientError):
            next(pages)


def test_failure_from_a_call_on(sandbox: Sandbox, client: Client) -> None:
    ec2 = client("ec2", account_id=APPS)
    fail = {"service": "ec2", "operation": "DescribeInstances", "from_call": 2, "error": "Unavailable", "status": 503}
    sandbox.replace_faults(Faults.model_validate({"fail": [fail]}))
    ec2.describe_instances()
    assert _error_of(ec2.describe_instances)["Error"]["Code"] == "Unavailable"
    ec2.describe_instances()


def test_latency_delays_calls(sandbox: Sandbox, client: Client, clock: Any) -> None:
    drs = client("drs", account_id=TARGET, region="us-west-2")
    sandbox.replace_faults(Faults.model_validate({"latency_ms": {"drs": 80, "default": 5}}))
    drs.describe_source_servers()
    client("sts").get_caller_identity()
    assert clock.slept == [0.08, 0.005]


@pytest.mark.parametrize(
    ("service", "operation", "code", "status"),
    [
        ("drs", "describe_source_servers", "UnrecognizedClientException", 403),
        ("ec2", "describe_instances", "AuthFailure", 401),
        ("sts", "get_caller_identity", "InvalidClientTokenId", 403),
        ("dynamodb", "list_tables", "UnrecognizedClientException", 400),
    ],
)
def test_a_disabled_region_rejects_credentials(
    client: Client, service: str, operation: str, code: str, status: int
) -> None:
    response = _error_of(getattr(client(service, account_id=TARGET, region="me-south-1"), operation))
    assert response["Error"]["Code"] == code
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_a_region_disabled_in_one_account_is_enabled_in_others(client: Client) -> None:
    client("ec2", account_id=STAGING, region="me-south-1").describe_instances()
    client("sts", region="me-south-1").get_caller_identity()


def test_describe_regions_shows_disabled_regions(client: Client) -> None:
    statuses = {
        account_id: {
            region["RegionName"]: region["OptInStatus"]
            for region in client("ec2", account_id=account_id).describe_regions(AllRegions=True)["Regions"]
        }
        for account_id in (TARGET, STAGING)
    }
    assert statuses[TARGET]["me-south-1"] == "not-opted-in"
    assert statuses[STAGING]["me-south-1"] == "opted-in"
    assert statuses[TARGET]["us-east-1"] == "opt-in-not-required"
    enabled = client("ec2", account_id=TARGET).describe_regions()["Regions"]
    assert "me-south-1" not in {region["RegionName"] for region in enabled}
    filters = [{"Name": "opt-in-status", "Values": ["not-opted-in"]}]
    off = client("ec2", account_id=TARGET).describe_regions(AllRegions=True, Filters=filters)["Regions"]
    assert [region["RegionName"] for region in off] == ["me-south-1"]
