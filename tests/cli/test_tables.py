"""`drs-sync tables create`, run as a user runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import boto3
import pytest

from service.cli.schemas import TABLES
from tests.cli.test_command_line import drs_sync
from tests.cli.test_servers import run_json
from tests.deploy.templates import template
from tests.support.sandbox import EngineSandbox

NEW: Final[dict[str, Any]] = {spec.variable: f"new-{spec.setting.replace('_', '-')}" for spec in TABLES}
OWN: Final[dict[str, Any]] = {name: NEW[name] for name in ("SOURCE_SERVER_TOPOLOGY_TABLE", "TAG_SYNC_CONFIG_TABLE")}
# Setting of each table by its logical name in the template.
LOGICAL: Final = {
    "SourceServerInventoryTable": "SOURCE_SERVER_INVENTORY_TABLE",
    "DRSRegionStatusTable": "DRS_REGION_STATUS_TABLE",
    "TargetAccountsTable": "TARGET_ACCOUNTS_TABLE",
    "TagSyncConfigTable": "TAG_SYNC_CONFIG_TABLE",
    "TopologyTable": "SOURCE_SERVER_TOPOLOGY_TABLE",
}


def create(*arguments: str, exit_code: int = 0, **environment: str) -> dict[str, tuple[str, str]]:
    """Run the command; return status and message by setting."""
    body = run_json("tables", "create", *arguments, exit_code=exit_code, **environment)
    return {each["setting"]: (each["status"], each["message"]) for each in body["tables"]}


def client(sandbox: EngineSandbox) -> Any:
    return boto3.client("dynamodb", region_name="us-east-1", endpoint_url=sandbox.server.endpoint_url)


def statuses(results: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    return {name: status for name, (status, _) in results.items()}


def test_own_tables_are_created_once_and_then_left_alone(sandbox: EngineSandbox) -> None:
    before = set(client(sandbox).list_tables()["TableNames"])
    assert statuses(create("--dry-run", **NEW)) == dict.fromkeys(OWN, "planned")
    assert set(client(sandbox).list_tables()["TableNames"]) == before
    assert statuses(create(**NEW)) == dict.fromkeys(OWN, "created")
    assert set(client(sandbox).list_tables()["TableNames"]) == before | set(OWN.values())
    assert statuses(create(**NEW)) == dict.fromkeys(OWN, "exists")


def test_what_is_created_is_what_the_template_declares(sandbox: EngineSandbox) -> None:
    assert set(statuses(create("--all", PROJECT_NAME="p", ENVIRONMENT="e", **NEW)).values()) == {"created"}
    dynamodb = client(sandbox)
    for logical, resource in template("tables.yaml")["Resources"].items():
        declared, name = resource["Properties"], NEW[LOGICAL[logical]]
        table = dynamodb.describe_table(TableName=name)["Table"]
        assert table["TableStatus"] == "ACTIVE"
        assert table["KeySchema"] == declared["KeySchema"]
        assert _sorted(table["AttributeDefinitions"]) == _sorted(declared["AttributeDefinitions"])
        assert table["BillingModeSummary"]["BillingMode"] == declared["BillingMode"]
        assert table["SSEDescription"]["Status"] == "ENABLED"
        members = ("IndexName", "KeySchema", "Projection")
        indexes = [{each: index[each] for each in members} for index in table.get("GlobalSecondaryIndexes", [])]
        assert indexes == declared.get("GlobalSecondaryIndexes", [])
        backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
        ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        assert ttl["AttributeName"] == declared["TimeToLiveSpecification"]["AttributeName"]
        tags = dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]
        assert {tag["Key"] for tag in tags} == {tag["Key"] for tag in declared["Tags"]}
        assert {tag["Value"] for tag in tags} == {"p", "e", "camelCase"}


def _sorted(definitions: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(definitions, key=lambda each: each["AttributeName"])


def test_a_table_of_another_schema_fails_and_is_not_touched(sandbox: EngineSandbox) -> None:
    status = sandbox.server.environment()["DRS_REGION_STATUS_TABLE"]
    results = create(exit_code=1, SOURCE_SERVER_TOPOLOGY_TABLE=status, TAG_SYNC_CONFIG_TABLE="")
    differs, message = results["SOURCE_SERVER_TOPOLOGY_TABLE"]
    assert (differs, "its key is region, not pk + sk" in message) == ("differs", True)
    assert results["TAG_SYNC_CONFIG_TABLE"][0] == "unset"


def test_a_table_that_cannot_be_created_says_why_and_the_other_is_created(sandbox: EngineSandbox) -> None:
    denied = {"service": "dynamodb", "operation": "CreateTable", "status": 400, "times": 1}
    sandbox.faults(fail=[{**denied, "error": "AccessDeniedException"}])
    results = create(exit_code=1, **NEW)
    assert sorted(statuses(results).values()) == ["created", "failed"]
    (message,) = (message for status, message in results.values() if status == "failed")
    assert "AccessDeniedException" in message
    assert "Fix: " in message


@pytest.mark.usefixtures("sandbox")
def test_without_names_nothing_is_created() -> None:
    body = run_json("tables", "create", exit_code=2, **dict.fromkeys(OWN, ""))
    assert "set SOURCE_SERVER_TOPOLOGY_TABLE and TAG_SYNC_CONFIG_TABLE" in body["message"]


@pytest.mark.usefixtures("sandbox")
def test_the_table_shows_each_result() -> None:
    done = drs_sync("tables", "create", "-o", "table", COLUMNS="200", **NEW)
    assert done.returncode == 0
    assert "SOURCE_SERVER_TOPOLOGY_TABLE" in done.stdout
    assert "created" in done.stdout
