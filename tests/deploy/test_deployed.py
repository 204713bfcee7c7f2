"""Templates deployed to a simulated AWS: each schedule and route is followed to its handler."""

from __future__ import annotations

import importlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto.awslambda.models import lambda_backends

from service.handlers import data_management, query
from tests.deploy.checks import OWN_RULES, PAYLOADS, RULES
from tests.deploy.deployment import Deployment
from tests.deploy.templates import template
from tests.support.sandbox import EngineSandbox, Names, new_account_id

PROJECT = "drs-sync-deployed"
POOL = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_abcdefghi"


class Context:
    """Lambda context."""

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


class Hub:
    """The hub with its stacks."""

    def __init__(self, sandbox: EngineSandbox) -> None:
        self.sandbox = sandbox
        self.deployment = Deployment(boto3.client("cloudformation"))
        self.events = boto3.client("events")

    def create_stacks(self) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as package:
            package.writestr("service.py", "")
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=f"code-{self.sandbox.names.hub}")
        s3.put_object(Bucket=f"code-{self.sandbox.names.hub}", Key="1.zip", Body=packed.getvalue())
        self.deployment.create_stacks(
            template("main.yaml"),
            {
                "ProjectName": PROJECT,
                "CodeBucket": f"code-{self.sandbox.names.hub}",
                "CodeKey": "1.zip",
                "CognitoUserPoolArn": POOL,
                "EnableCoverageSync": "true",
            },
        )

    def function(self, arn: str) -> dict[str, Any]:
        """Describe a function by its ARN, from moto's backend because the sandbox's Lambda only supports Invoke."""
        function = lambda_backends[self.sandbox.names.hub]["us-east-1"].get_function(arn.rsplit(":", 1)[1])
        return {"handler": function.handler, "environment": function.environment_vars, "policy": function.policy}

    def handler(self, arn: str) -> Callable[[Any, Any], Any]:
        """Return the function's handler, with its environment set."""
        function = self.function(arn)
        for name in (
            "TARGET_ACCOUNTS_TABLE",
            "SOURCE_SERVER_INVENTORY_TABLE",
            "SOURCE_SERVER_TOPOLOGY_TABLE",
            "DRS_REGION_STATUS_TABLE",
        ):
            self.sandbox.set(**{name: function["environment"][name]})
        self.sandbox.set(TAG_SYNC_CONFIG_TABLE=function["environment"].get("TAG_SYNC_CONFIG_TABLE", ""))
        self.sandbox.set(PROJECT_NAME=PROJECT, ENVIRONMENT="test")
        module, name = function["handler"].rsplit(".", 1)
        handler: Callable[[Any, Any], Any] = getattr(importlib.import_module(module), name)
        return handler


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    names = Names(*(new_account_id() for _ in range(4)))
    members = {
        "hub": {"account_id": names.hub, "registered": False, "tag_sync_rule": False},
        "tables": {"environment": names.hub[:6]},
        "accounts": [
            {
                "account_id": names.a,
                "name": "A",
                "staging_accounts": [names.b],
                "regions": {"us-west-2": {"servers": 2}},
            },
            {"account_id": names.b, "kind": "staging", "regions": {"us-west-2": {"servers": 3}}},
        ],
    }
    with EngineSandbox(members, names, monkeypatch) as sandbox:
        hub = Hub(sandbox)
        hub.create_stacks()
        for row in sandbox.table("TARGET_ACCOUNTS_TABLE").scan()["Items"]:
            sandbox.dynamodb.Table(f"{PROJECT}-target-accounts-test").put_item(Item=row)
        yield hub
        data_management.runtime.close()
        query.runtime.close()


def answered(answer: Any) -> Any:
    return json.loads(answer["body"]) if "statusCode" in answer else answer


def test_each_schedule_starts_its_sync(hub: Hub) -> None:
    results = {}
    for logical, (base, rate, target_id, _) in {**RULES, **OWN_RULES}.items():
        name = f"{PROJECT}-{base}-test"
        rule = hub.events.describe_rule(Name=name)
        assert (rule["ScheduleExpression"], rule["State"]) == (rate, "ENABLED")
        [target] = hub.events.list_targets_by_rule(Rule=name)["Targets"]
        assert (target["Id"], json.loads(target["Input"])) == (target_id, PAYLOADS[logical])
        statements = hub.function(target["Arn"])["policy"].statements
        assert any(each["Condition"]["ArnLike"]["AWS:SourceArn"] == rule["Arn"] for each in statements)
        assert target["Arn"] == hub.deployment.outputs["Functions"]["DataManagementHandlerFunctionArn"]
        results[base] = answered(hub.handler(target["Arn"])(json.loads(target["Input"]), Context()))
    assert results["staging-account-sync"]["serversExtended"] == 3
    assert results["inventory-sync"]["totalSynced"] == 5
    assert results["coverage-sync"]["instancesProtected"] == 5
    topology = hub.sandbox.dynamodb.Table(f"{PROJECT}-source-server-topology-test").scan()["Items"]
    assert sum(item["sk"] == "TOPOLOGY" for item in topology) == 5
    assert sum(item["pk"] == "coverage" for item in topology) == len(results["coverage-sync"]["lookedAt"]) + 1
    assert results["tag-sync-schedule"]["total_failed"] == 0
    status = hub.sandbox.dynamodb.Table(f"{PROJECT}-drs-region-status-test").get_item(Key={"region": "us-west-2"})
    assert status["Item"]["serverCount"] == 5
    assert hub.sandbox.status() == {}  # the tables of the stack were used, no others


def test_the_schedule_of_tags_that_an_operator_changed_is_the_one_of_the_template(hub: Hub) -> None:
    manage = hub.handler(hub.deployment.outputs["Functions"]["DataManagementHandlerFunctionArn"])
    body = json.dumps({"enabled": False, "intervalHours": 6})
    event = {"requestContext": {}, "httpMethod": "PUT", "path": "/config/tag-sync", "body": body}
    assert manage(event, Context())["statusCode"] == 200
    rule = hub.events.describe_rule(Name=f"{PROJECT}-tag-sync-schedule-test")
    assert (rule["State"], rule["ScheduleExpression"]) == ("DISABLED", "rate(6 hours)")
    [target] = hub.events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert target["Id"] == "TagSyncTarget"


def test_each_route_reaches_the_handler_that_knows_it(hub: Hub) -> None:
    gateway = boto3.client("apigateway")
    api = hub.deployment.outputs["Api"]["RestApiId"]
    values = {"id": hub.sandbox.names.a, "stagingAccountId": hub.sandbox.names.b}
    reached = {}
    for resource in gateway.get_resources(restApiId=api, limit=500)["items"]:
        for method in resource.get("resourceMethods", {}):
            integration = gateway.get_integration(restApiId=api, resourceId=resource["id"], httpMethod=method)
            assert (integration["type"], integration["httpMethod"]) == ("AWS_PROXY", "POST")
            arn = re.search(r"functions/(.+)/invocations", integration["uri"])
            assert arn is not None
            path = re.sub(r"\{(\w+)\}", lambda name: values[name[1]], resource["path"])
            event = {
                "requestContext": {},
                "resource": resource["path"],
                "path": path,
                "httpMethod": method,
                "pathParameters": values,
                "queryStringParameters": {"region": "us-west-2"},
                "body": None,
            }
            answer = hub.handler(arn[1])(event, Context())
            assert "Content-Type" in answer["headers"]
            error = json.loads(answer["body"]).get("error")
            # The path is known; an error, if any, is about the event.
            assert not (answer["statusCode"] == 404 and error == "NOT_FOUND"), resource["path"]
            assert answer["statusCode"] < 500, (path, answer)
            reached[method, resource["path"]] = answer["statusCode"]
    assert set(reached) == {
        (route.method, route.path)
        for route in (*data_management.ROUTES, *query.ROUTES)
        if route.path != "/accounts/{id}/staging-accounts/discover"
    }
    assert reached["POST", "/accounts/targets/{id}/staging-accounts/sync"] == 200
    assert reached["GET", "/drs/source-server-inventory"] == 200


def test_deployed_tables_are_as_the_sandbox_has_them(hub: Hub) -> None:
    client = boto3.client("dynamodb")
    for base, variable in (
        ("source-server-inventory", "SOURCE_SERVER_INVENTORY_TABLE"),
        ("drs-region-status", "DRS_REGION_STATUS_TABLE"),
        ("target-accounts", "TARGET_ACCOUNTS_TABLE"),
        ("tag-sync-config", "TAG_SYNC_CONFIG_TABLE"),
        ("source-server-topology", "SOURCE_SERVER_TOPOLOGY_TABLE"),
    ):
        ours = client.describe_table(TableName=f"{PROJECT}-{base}-test")["Table"]
        theirs = client.describe_table(TableName=hub.sandbox.server.environment()[variable])["Table"]
        assert _shape(ours) == _shape(theirs)


def _shape(table: dict[str, Any]) -> Any:
    indexes = {each["IndexName"]: each["KeySchema"] for each in table.get("GlobalSecondaryIndexes", [])}
    return table["KeySchema"], sorted(map(str, table["AttributeDefinitions"])), indexes


@pytest.mark.parametrize(
    ("parameter", "bases"),
    [
        ("CreateTables", {"tag-sync-config", "source-server-topology"}),
        (
            "CreateTagSyncConfigTable",
            {"source-server-inventory", "drs-region-status", "target-accounts", "source-server-topology"},
        ),
        (
            "CreateTopologyTable",
            {"source-server-inventory", "drs-region-status", "target-accounts", "tag-sync-config"},
        ),
    ],
)
def test_tables_that_exist_are_left_alone(hub: Hub, parameter: str, bases: set[str]) -> None:
    hub.deployment.put_stack("beside", template("tables.yaml"), {"ProjectName": "a-platform", parameter: "false"})
    table_names = boto3.client("dynamodb").list_tables()["TableNames"]
    assert {name for name in table_names if name.startswith("a-platform-")} == {
        f"a-platform-{base}-test" for base in bases
    }
    assert len(hub.deployment.outputs["beside"]) == 2 * len(bases)
