"""A hub outside the partition `aws`: regions, hosts and role ARNs are those of its own partition."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

import service
from service.accounts.access import AccountAccess
from service.accounts.records import AccountDirectory, parse_account
from service.accounts.staging import staging_record
from service.context import SyncRequest
from service.partitions import partition_of
from tests.aws.endpoints.calls import call
from tests.simulation.clock import BEGIN
from tests.support.mocked_aws import MockedAws, SignedRequest, ok, run_against

TARGET = "444455556666"
STAGING = "777788889999"
HUBS: dict[str, tuple[str, str]] = {
    # region of the hub -> partition, end of its host names
    "us-east-1": ("aws", "amazonaws.com"),
    "us-gov-west-1": ("aws-us-gov", "amazonaws.com"),
    "us-gov-east-1": ("aws-us-gov", "amazonaws.com"),
    "cn-north-1": ("aws-cn", "amazonaws.com.cn"),
    "eusc-de-east-1": ("aws-eusc", "amazonaws.eu"),
}
DRS_REGIONS = {region: partition_of(region).drs_regions for region in ("us-gov-west-1", "eusc-de-east-1")}
RECORDS = {
    "of the default role": ({}, "arn:{}:iam::444455556666:role/DRSOrchestrationRole"),
    "with a role's name": ({"assumeRoleName": "Other"}, "arn:{}:iam::444455556666:role/Other"),
    "with a role's ARN": (
        {"roleArn": "arn:aws-cn:iam::444455556666:role/path/Own"},
        "arn:aws-cn:iam::444455556666:role/path/Own",
    ),
}


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("region", HUBS)
def test_a_role_is_assumed_in_the_partition_of_the_hub(region: str, record: str) -> None:
    partition, suffix = HUBS[region]
    attributes, arn = RECORDS[record]
    directory = AccountDirectory([parse_account({"accountId": TARGET, **attributes})])

    async def work(aws: MockedAws) -> None:
        async with aws.client() as aws_client:
            session = await AccountAccess(aws_client, directory).session(TARGET)
            await call(session, "ec2", region)
        asked, assumed, called = aws.requests
        assert (asked.operation, assumed.operation) == ("GetCallerIdentity", "AssumeRole")
        assert asked.host == assumed.host == f"sts.{region}.{suffix}"
        assert asked.scope == assumed.scope == f"{region}/sts"
        assert assumed.params["RoleArn"] == arn.format(partition)
        assert (called.host, called.access_key) == (f"ec2.{region}.{suffix}", f"ASIA{TARGET}")

    run_against(ok, work, {"AWS_REGION": region})


@pytest.mark.parametrize("region", DRS_REGIONS)
def test_a_sync_stays_in_the_partition_of_the_hub(region: str) -> None:
    """All calls of an inventory sync: the target's role by default, its staging account's role by name."""
    partition, suffix = HUBS[region]
    account = {
        "accountId": {"S": TARGET},
        "stagingAccounts": {"L": [{"M": {"accountId": {"S": STAGING}, "assumeRoleName": {"S": "Staging"}}}]},
    }

    def respond(request: SignedRequest) -> httpx.Response:
        if request.service == "dynamodb" and request.params.get("TableName") == "accounts":
            return httpx.Response(200, json={"Items": [account], "Count": 1})
        return ok(request)

    async def work(aws: MockedAws) -> None:
        tables = {"target_accounts_table": "accounts", "source_server_inventory_table": "inventory"}
        async with aws.app(**tables) as app:
            report = await app.sync_inventory(SyncRequest(full_scan=True))
        assert (report["status"], report["errors"]) == ("complete", [])
        drs = {(each.host, each.scope) for each in aws.requests if each.service == "drs"}
        assert drs == {(f"drs.{each}.{suffix}", f"{each}/drs") for each in DRS_REGIONS[region]}
        others = {(each.host, each.scope) for each in aws.requests if each.service != "drs"}
        assert others == {(f"{name}.{region}.{suffix}", f"{region}/{name}") for name in ("sts", "dynamodb")}
        roles = {each.params["RoleArn"] for each in aws.requests if each.operation == "AssumeRole"}
        assert f"arn:{partition}:iam::{TARGET}:role/DRSOrchestrationRole" in roles
        assert {each.split(":")[1] for each in roles} == {partition}
        assert {each.access_key for each in aws.requests if each.service == "drs"} == {f"ASIA{TARGET}"}

    run_against(respond, work, {"AWS_REGION": region})


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov", "aws-cn", "aws-eusc"])
def test_the_record_of_a_staging_account_has_a_role_of_the_partition(partition: str) -> None:
    given = {"accountId": STAGING, "accountName": "staging", "externalId": "external"}
    record = staging_record(given, partition=partition, now=BEGIN, added_by="user")
    assert record["roleArn"] == f"arn:{partition}:iam::{STAGING}:role/DRSOrchestrationRole"


@pytest.mark.parametrize("folder", ["service", "deploy"])
def test_no_arn_names_one_partition(folder: str) -> None:
    """Templates have AWS::Partition, and code the partition of the hub or of the region."""
    root = Path(service.__path__[0]).parent / folder
    files = [path for path in root.rglob("*") if path.suffix in {".py", ".yaml", ".yml", ".json", ".asl"}]
    assert len(files) > 10
    found = [
        f"{path.relative_to(root)}: {line.strip()}"
        for path in files
        for line in path.read_text().splitlines()
        if re.search(r"arn:aws(-[a-z-]+)?:", line)
    ]
    assert found == []
