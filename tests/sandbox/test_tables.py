"""DynamoDB tables, indexes and rows that the syncs rely on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.dynamodb.models import dynamodb_backends

from service.sandbox.fleet import parse_model
from service.sandbox.fleet_models import Fleet
from service.sandbox.server import Sandbox

HUB, TARGET, STAGING, APPS = "999900001111", "111122223333", "444455556666", "777788889999"
Client = Callable[..., Any]


def _keys(schema: list[dict[str, str]]) -> dict[str, str]:
    return {key["KeyType"]: key["AttributeName"] for key in schema}


def test_tables_have_the_documented_keys(sandbox: Sandbox, client: Client) -> None:
    dynamodb, names = client("dynamodb"), sandbox.environment()
    found = {
        variable: _keys(dynamodb.describe_table(TableName=names[variable])["Table"]["KeySchema"])
        for variable in names
        if variable.endswith("_TABLE")
    }
    assert found == {
        "SOURCE_SERVER_INVENTORY_TABLE": {"HASH": "sourceServerArn", "RANGE": "stagingAccountId"},
        "DRS_REGION_STATUS_TABLE": {"HASH": "region"},
        "TARGET_ACCOUNTS_TABLE": {"HASH": "accountId"},
        "SOURCE_SERVER_TOPOLOGY_TABLE": {"HASH": "pk", "RANGE": "sk"},
        "TAG_SYNC_CONFIG_TABLE": {"HASH": "accountId"},
    }


def test_inventory_has_the_documented_indexes(sandbox: Sandbox, client: Client) -> None:
    name = sandbox.environment()["SOURCE_SERVER_INVENTORY_TABLE"]
    table = client("dynamodb").describe_table(TableName=name)["Table"]
    assert name == "drs-orchestration-source-server-inventory-sandbox"
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert {index["IndexName"]: _keys(index["KeySchema"]) for index in table["GlobalSecondaryIndexes"]} == {
        "SourceAccountIndex": {"HASH": "sourceAccountId", "RANGE": "sourceServerArn"},
        "StagingAccountIndex": {"HASH": "stagingAccountId", "RANGE": "sourceServerArn"},
        "ReplicationRegionIndex": {"HASH": "replicationRegion", "RANGE": "sourceServerArn"},
    }
    assert {index["Projection"]["ProjectionType"] for index in table["GlobalSecondaryIndexes"]} == {"ALL"}
    ttl = client("dynamodb").describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert ttl == {"AttributeName": "TTL", "TimeToLiveStatus": "ENABLED"}


def test_an_index_can_be_queried(sandbox: Sandbox, client: Client) -> None:
    dynamodb, name = client("dynamodb"), sandbox.environment()["SOURCE_SERVER_INVENTORY_TABLE"]
    item = {
        "sourceServerArn": {"S": "arn:1"},
        "stagingAccountId": {"S": STAGING},
        "replicationRegion": {"S": "us-west-2"},
    }
    dynamodb.put_item(TableName=name, Item=item)
    answer = dynamodb.query(
        TableName=name,
        IndexName="ReplicationRegionIndex",
        KeyConditionExpression="replicationRegion = :region",
        ExpressionAttributeValues={":region": {"S": "us-west-2"}},
    )
    assert answer["Items"] == [item]


def _put(region: str, text: str = "") -> dict[str, Any]:
    return {"PutRequest": {"Item": {"region": {"S": region}, "text": {"S": text}}}}


@pytest.mark.parametrize(
    "batch",
    [
        [_put(f"r{number}") for number in range(26)],
        [_put("r"), _put("r", "other")],
        [_put("r"), {"DeleteRequest": {"Key": {"region": {"S": "r"}}}}],
    ],
    ids=["too many", "a key twice", "put and delete"],
)
def test_an_invalid_batch_is_rejected_as_a_whole(batch: list[dict[str, Any]], sandbox: Sandbox, client: Client) -> None:
    dynamodb, name = client("dynamodb"), sandbox.environment()["DRS_REGION_STATUS_TABLE"]
    with pytest.raises(ClientError, match="ValidationException"):
        dynamodb.batch_write_item(RequestItems={name: batch})
    assert dynamodb.scan(TableName=name)["Items"] == []
    dynamodb.batch_write_item(RequestItems={name: [_put(f"r{number}") for number in range(25)]})
    assert dynamodb.scan(TableName=name)["Count"] == 25


def test_rows_of_target_accounts(sandbox: Sandbox, client: Client) -> None:
    name = sandbox.environment()["TARGET_ACCOUNTS_TABLE"]
    rows = {row["accountId"]["S"]: row for row in client("dynamodb").scan(TableName=name)["Items"]}
    assert set(rows) == {HUB, TARGET, "555500005555"}
    assert rows[HUB]["isCurrentAccount"] == {"BOOL": True}
    assert not {"roleArn", "externalId"} & set(rows[HUB])
    assert rows[TARGET]["accountName"] == {"S": "Retail DR"}
    assert rows[TARGET]["isCurrentAccount"] == {"BOOL": False}
    assert rows[TARGET]["roleArn"] == {"S": f"arn:aws:iam::{TARGET}:role/DRSOrchestrationRole"}
    assert rows[TARGET]["externalId"] == {"S": "drs-orchestration-cross-account"}
    (staging,) = rows[TARGET]["stagingAccounts"]["L"]
    assert set(staging["M"]) == {"accountId", "accountName", "roleArn", "externalId", "addedAt", "addedBy"}
    assert staging["M"]["accountName"] == {"S": f"Account {STAGING}"}


def test_hub_declared_as_account_has_one_row_without_role() -> None:
    members = {"hub": {"account_id": "999900002222"}, "accounts": [{"account_id": "999900002222", "name": "Both"}]}
    with Sandbox(parse_model(Fleet, members, "fleet")):
        table = dynamodb_backends["999900002222"]["us-east-1"].get_table("drs-orchestration-target-accounts-sandbox")
        (row,) = table.all_items()
        assert row.attrs["accountName"].value == "Both"
        assert "roleArn" not in row.attrs


def test_environment_names_everything_a_client_needs(sandbox: Sandbox) -> None:
    environment = sandbox.environment()
    assert environment["AWS_ENDPOINT_URL"] == sandbox.endpoint_url == f"http://127.0.0.1:{sandbox.port}"
    assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == "us-east-1"
    assert environment["PROJECT_NAME"] == "drs-orchestration"
    assert environment["ENVIRONMENT"] == "sandbox"
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= set(environment)
