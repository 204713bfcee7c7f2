"""Tests of the templates: compatibility with the existing platform, least privilege, and that mistakes are noticed."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from service.aws.operations import READ_WRITE_OPERATIONS, Purpose, session_policy
from service.handlers import data_management, query
from service.metrics import METRICS, NAMESPACE
from tests.deploy import checks
from tests.deploy.templates import FOLDER, Template, bindings, names, of_type, template, text


def test_cfn_lint_reports_nothing() -> None:
    lint = [str(Path(sys.executable).with_name("cfn-lint")), *(str(FOLDER / name) for name in names())]
    completed = subprocess.run(lint, check=False, capture_output=True, text=True)
    assert (completed.returncode, completed.stdout) == (0, "")


def test_each_exception_from_a_security_rule_has_its_reason() -> None:
    for name in names():
        for logical, resource in template(name)["Resources"].items():
            for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
                assert len(skip["comment"].split()) > 5, (name, logical, skip["id"])


@pytest.mark.parametrize("name", names())
def test_each_star_of_a_policy_has_its_reason(name: str) -> None:
    assert checks.star_complaints(text(name)) == []


@pytest.mark.parametrize(
    "line", ['Resource: "*"', "Action: dynamodb:*", "- !Sub arn:${AWS::Partition}:dynamodb:*:*:table/*"]
)
def test_a_star_without_a_reason_is_noticed(line: str) -> None:
    assert checks.star_complaints(f"Statement:\n  {line}\n")


def test_roles_allow_what_the_code_declares_and_no_more() -> None:
    assert checks.role_complaints(template("roles.yaml")) == []


def test_the_query_role_changes_nothing() -> None:
    assert checks.query_complaints(template("roles.yaml")) == []


@pytest.mark.parametrize(
    "action",
    ["dynamodb:PutItem", "drs:CreateExtendedSourceServer", "dynamodb:*", "events:PutRule", "s3:DeleteObject"],
)
def test_a_write_that_is_given_to_the_query_role_is_noticed(action: str) -> None:
    roles = template("roles.yaml")
    _policy(roles, "QueryHandlerRole").append({"Effect": "Allow", "Action": [action], "Resource": "*"})
    assert any(action in complaint for complaint in checks.query_complaints(roles))
    assert any(action in complaint for complaint in checks.role_complaints(roles))


def test_a_permission_that_is_missing_is_noticed() -> None:
    roles = template("roles.yaml")
    del _policy(roles, "DataManagementRole")[0]
    assert "DataManagementRole lacks dynamodb:UpdateItem" in checks.role_complaints(roles)


def _policy(roles: Template, role: str) -> list[Any]:
    statements: list[Any] = roles["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    return statements


def test_the_functions_enter_accounts_through_the_named_role_only() -> None:
    for _, properties in of_type(template("roles.yaml"), "AWS::IAM::Role"):
        [assuming] = [each for each in checks.statements(properties["Policies"]) if each["Action"] == "sts:AssumeRole"]
        assert assuming["Resource"] == {"Fn::Sub": "arn:${AWS::Partition}:iam::*:role/${CrossAccountRoleName}"}


_KINDS = {  # of account -> the conditions of cross-account-role.yaml that it meets
    "target": {"IsTarget", "HasDrs"},
    "staging": {"HasDrs"},
    "application": set[str](),
}


def _allowed_in(kind: str) -> set[str]:
    """Return the actions that the role allows in an account of a kind."""
    resources = template("cross-account-role.yaml")["Resources"]
    policies = [*resources["DRSOrchestrationRole"]["Properties"]["Policies"]]
    for name in ("ReadPolicy", "TargetPolicy"):
        assert resources[name]["Properties"]["Roles"] == [{"Ref": "DRSOrchestrationRole"}]
        if resources[name]["Condition"] in _KINDS[kind]:
            policies.append(resources[name]["Properties"])
    return checks.allowed(policies)


def test_the_cross_account_role_allows_what_is_called_in_each_kind_of_account_and_no_more() -> None:
    body = template("cross-account-role.yaml")
    assert set(body["Parameters"]["Kind"]["AllowedValues"]) == set(_KINDS)
    assert body["Conditions"]["IsTarget"] == {"Fn::Equals": [{"Ref": "Kind"}, "target"]}
    assert body["Conditions"]["HasDrs"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "Kind"}, "application"]}]}
    declared = {action for action in checks.actions_of(READ_WRITE_OPERATIONS) if action.split(":")[0] in {"drs", "ec2"}}
    assert _allowed_in("target") == declared
    # What a session may do at most, by what it is for
    assert _allowed_in("staging") == _session_of(Purpose.READ)
    assert _allowed_in("application") == _session_of(Purpose.ORIGIN) == {"ec2:DescribeInstances"}
    assert all(re.match(r"\w+:(Describe|Get|List)", action) for action in _allowed_in("staging"))


def _session_of(purpose: Purpose) -> set[str]:
    policy = session_policy(READ_WRITE_OPERATIONS, purpose)
    assert policy is not None
    return set(json.loads(policy)["Statement"][0]["Action"])


def test_the_cross_account_role_trusts_the_hub_with_the_external_id() -> None:
    body = template("cross-account-role.yaml")
    role = body["Resources"]["DRSOrchestrationRole"]["Properties"]
    [statement] = role["AssumeRolePolicyDocument"]["Statement"]
    # The account and no role of it by name: the platform's functions enter by the same role, and a role that is
    # created again under its name is another principal.
    assert statement["Principal"] == {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${OrchestrationAccountId}:root"}}
    assert statement["Condition"]["StringEquals"]["sts:ExternalId"] == {"Ref": "ExternalId"}
    more = (statement["Condition"]["StringEquals"]["aws:PrincipalOrgID"], statement["Condition"]["ArnLike"])
    assert [each["Fn::If"][0] for each in more] == ["NamesOrganization", "NamesPrincipals"]
    assert [each["Fn::If"][2] for each in more] == [{"Ref": "AWS::NoValue"}] * 2  # off by default
    assert [body["Parameters"][name]["Default"] for name in ("TrustedPrincipalArns", "TrustedOrganizationId")] == [
        "",
        "",
    ]
    assert set(body["Outputs"]) == {"RoleArn", "RoleName", "ExternalId"}
    assert {"OrchestrationAccountId", "ProjectName", "Environment", "ExternalId"} <= set(body["Parameters"])


def test_the_stack_of_the_cross_account_role_is_created_for_each_kind_and_condition() -> None:
    """In a simulated AWS, whose IAM then has the trust policy that the template meant."""
    patterns = ["arn:aws:iam::999900001111:role/aws-drs-orchestration-*", "arn:aws:iam::999900001111:role/ops/*"]
    conditions = {
        ("", ""): {"StringEquals": {"sts:ExternalId": "drs-orchestration-cross-account"}},
        (",".join(patterns), "o-abcdefghij"): {
            "StringEquals": {
                "sts:ExternalId": "drs-orchestration-cross-account",
                "aws:PrincipalOrgID": "o-abcdefghij",
            },
            "ArnLike": {"aws:PrincipalArn": patterns},
        },
    }
    with mock_aws():
        iam, stacks = (boto3.client(each, region_name="us-east-1") for each in ("iam", "cloudformation"))
        for ((principals, organization), expected), kind in product(conditions.items(), _KINDS):
            parameters = {
                "OrchestrationAccountId": "999900001111",
                "Kind": kind,
                "TrustedPrincipalArns": principals,
                "TrustedOrganizationId": organization,
            }
            stacks.create_stack(
                StackName="role",
                TemplateBody=text("cross-account-role.yaml"),
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
                Capabilities=["CAPABILITY_NAMED_IAM"],
            )
            [statement] = iam.get_role(RoleName="DRSOrchestrationRole")["Role"]["AssumeRolePolicyDocument"]["Statement"]
            assert statement["Condition"] == expected
            assert statement["Principal"] == {"AWS": "arn:aws:iam::999900001111:root"}
            policies = {"read", *({"read-drs"} if "HasDrs" in _KINDS[kind] else ())}
            policies |= {"write"} if kind == "target" else set()
            assert set(iam.list_role_policies(RoleName="DRSOrchestrationRole")["PolicyNames"]) == policies
            stacks.delete_stack(StackName="role")


def test_every_schedule_ends_at_data_management() -> None:
    assert checks.schedule_complaints(template("main.yaml"), template("rules.yaml")) == []


@pytest.mark.parametrize("parameter", ["ApiHandlerFunctionArn", "DataManagementHandlerFunctionArn"])
def test_a_schedule_that_is_bound_to_the_query_function_is_noticed(parameter: str) -> None:
    main = template("main.yaml")
    main["Resources"]["EventRules"]["Properties"]["Parameters"][parameter] = {"Fn::GetAtt": checks.QUERY}
    assert checks.schedule_complaints(main, template("rules.yaml"))


@pytest.mark.parametrize("logical", [*checks.RULES, *checks.OWN_RULES])
@pytest.mark.parametrize("what", ["rule", "permission"])
def test_a_target_that_is_changed_back_is_noticed(logical: str, what: str) -> None:
    rules = template("rules.yaml")
    rules["Parameters"]["QueryHandlerFunctionArn"] = {"Type": "String"}
    if what == "rule":
        rules["Resources"][logical]["Properties"]["Targets"][0]["Arn"] = {"Ref": "QueryHandlerFunctionArn"}
    else:
        permission = rules["Resources"][logical.removesuffix("Rule") + "Permission"]["Properties"]
        permission["FunctionName"] = {"Ref": "QueryHandlerFunctionArn"}
    assert len(checks.schedule_complaints(template("main.yaml"), rules)) == 1


@pytest.mark.parametrize("logical", checks.RULES)
def test_schedules_and_payloads_are_those_of_the_platform(logical: str) -> None:
    base, rate, target_id, _ = checks.RULES[logical]
    rules = template("rules.yaml")
    properties = rules["Resources"][logical]["Properties"]
    assert properties["Name"] == {"Fn::Sub": f"${{ProjectName}}-{base}-${{Environment}}"}
    assert (properties["ScheduleExpression"], properties["State"]) == (rate, "ENABLED")
    [target] = properties["Targets"]
    assert (target["Id"], json.loads(target["Input"])) == (target_id, checks.PAYLOADS[logical])
    assert rules["Resources"][logical]["Condition"].startswith("Enable")
    assert f"{logical}Arn" in rules["Outputs"]


@pytest.mark.parametrize("logical", checks.OWN_RULES)
def test_schedules_that_no_platform_has_are_off_and_beside_those_of_others(logical: str) -> None:
    base, rate, target_id, _ = checks.OWN_RULES[logical]
    main, rules = template("main.yaml"), template("rules.yaml")
    properties = rules["Resources"][logical]["Properties"]
    assert properties["Name"] == {"Fn::Sub": f"${{ProjectName}}-${{NamePart}}{base}-${{Environment}}"}
    assert (properties["ScheduleExpression"], properties["State"]) == (rate, "ENABLED")
    [target] = properties["Targets"]
    assert (target["Id"], json.loads(target["Input"])) == (target_id, checks.PAYLOADS[logical])
    assert checks.PAYLOADS[logical]["operation"] in data_management.OPERATIONS
    switch = rules["Resources"][logical]["Condition"].removesuffix("Condition")
    permission = rules["Resources"][logical.removesuffix("Rule") + "Permission"]
    assert permission["Condition"] == f"{switch}Condition"
    assert main["Parameters"][switch]["Default"] == rules["Parameters"][switch]["Default"] == "false"
    assert main["Resources"]["EventRules"]["Properties"]["Parameters"][switch] == {"Ref": switch}


def test_comments_say_which_handler_serves_each_rule_permission_and_method() -> None:
    for logical in (*checks.RULES, *checks.OWN_RULES):
        assert "data-management-handler" in _above(text("rules.yaml"), logical)
    for name in ("rules.yaml", "api.yaml"):
        for logical, properties in of_type(template(name), "AWS::Lambda::Permission"):
            parameter = properties["FunctionName"]["Ref"]
            line = next(each for each in _below(text(name), logical) if "FunctionName" in each)
            assert "data-management-handler" in line or parameter in {
                "DataManagementHandlerFunctionArn",  # these names name the handler themselves
                "QueryHandlerArn",
            }
    for logical, properties in of_type(template("api.yaml"), "AWS::ApiGateway::Method"):
        if properties["HttpMethod"] != "OPTIONS":
            served = {"ApiHandlerFunctionArn": "data-management-handler", "QueryHandlerArn": "query-handler"}
            parameter = re.search(r"functions/\$\{(\w+)\}", properties["Integration"]["Uri"]["Fn::Sub"])
            assert parameter is not None
            assert f"served by {served[parameter[1]]} (" in _above(text("api.yaml"), logical)


def _above(source: str, logical: str) -> str:
    """Return the comment above a resource."""
    lines = source.splitlines()
    at = lines.index(f"  {logical}:")
    first = at
    while lines[first - 1].startswith("  #"):
        first -= 1
    return "\n".join(lines[first:at])


def _below(source: str, logical: str) -> list[str]:
    lines = source.splitlines()
    return lines[lines.index(f"  {logical}:") :]


def test_every_route_of_the_handlers_has_its_method_and_no_other_does() -> None:
    api = template("api.yaml")
    _, bound = bindings(template("main.yaml"))["Api"]
    assert checks._output(bound["ApiHandlerFunctionArn"]) == checks.DATA_MANAGEMENT
    assert checks._output(bound["QueryHandlerArn"]) == checks.QUERY
    methods: dict[str, set[tuple[str, str]]] = {"ApiHandlerFunctionArn": set(), "QueryHandlerArn": set()}
    options = set()
    for _, properties in of_type(api, "AWS::ApiGateway::Method"):
        path = _path(api, properties["ResourceId"]["Ref"])
        if properties["HttpMethod"] == "OPTIONS":
            assert (properties["AuthorizationType"], properties["Integration"]["Type"]) == ("NONE", "MOCK")
            options.add(path)
            continue
        assert properties["AuthorizationType"] == "COGNITO_USER_POOLS"
        parameter = re.search(r"\$\{(\w+)\}/invocations", properties["Integration"]["Uri"]["Fn::Sub"])
        assert parameter is not None
        methods[parameter[1]].add((properties["HttpMethod"], path))
        required = {f"method.request.path.{each}": True for each in re.findall(r"\{(\w+)\}", path)}
        assert properties.get("RequestParameters", {}) == required
    assert methods["ApiHandlerFunctionArn"] == {(each.method, each.path) for each in data_management.ROUTES}
    routes = {(each.method, each.path) for each in query.ROUTES}
    without_resource = ("GET", "/accounts/{id}/staging-accounts/discover")  # the gateway does not have it
    assert methods["QueryHandlerArn"] == routes - {without_resource}
    assert options == {path for routes in methods.values() for _, path in routes}


def _path(api: Template, logical: str) -> str:
    properties = api["Resources"][logical]["Properties"]
    parent = properties["ParentId"]
    above = _path(api, parent["Ref"]) if "Ref" in parent else ""
    return f"{above}/{properties['PathPart']}"


def test_the_method_that_syncs_one_account_stays_where_it_was() -> None:
    method = template("api.yaml")["Resources"]["AccountsTargetStagingAccountsSyncPostMethod"]["Properties"]
    assert method["ResourceId"] == {"Ref": "AccountsTargetStagingAccountsSyncResource"}
    assert "${ApiHandlerFunctionArn}" in method["Integration"]["Uri"]["Fn::Sub"]


TABLES: dict[str, tuple[str, list[str], dict[str, list[str]]]] = {
    "SourceServerInventoryTable": (
        "source-server-inventory",
        ["sourceServerArn", "stagingAccountId"],
        {
            "SourceAccountIndex": ["sourceAccountId", "sourceServerArn"],
            "StagingAccountIndex": ["stagingAccountId", "sourceServerArn"],
            "ReplicationRegionIndex": ["replicationRegion", "sourceServerArn"],
        },
    ),
    "DRSRegionStatusTable": ("drs-region-status", ["region"], {}),
    "TargetAccountsTable": ("target-accounts", ["accountId"], {}),
    "TagSyncConfigTable": ("tag-sync-config", ["accountId"], {}),
    "TopologyTable": ("source-server-topology", ["pk", "sk"], {}),
}


def kept_resources() -> list[tuple[str, str]]:
    """Return template and logical id of what outlives its stack: tables, log groups, and the stack of the tables."""
    kinds = {"AWS::DynamoDB::Table", "AWS::Logs::LogGroup"}
    found = [
        (name, logical)
        for name in names()
        for logical, resource in template(name)["Resources"].items()
        if resource["Type"] in kinds
    ]
    return [*found, ("main.yaml", "Tables")]


@pytest.mark.parametrize(("name", "logical"), kept_resources())
def test_tables_and_logs_go_with_a_failed_creation_and_outlive_every_other_deletion(name: str, logical: str) -> None:
    resource = template(name)["Resources"][logical]
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_tables_are_created_last_so_that_no_failure_of_another_stack_leaves_them_behind() -> None:
    resources = template("main.yaml")["Resources"]
    others = {logical for logical, each in resources.items() if each["Type"] == "AWS::CloudFormation::Stack"}
    waits_for = set(resources["Tables"]["DependsOn"])
    # EventRules waits for Roles and Functions; Api does not always exist.
    assert waits_for | {"Roles", "Functions", "Api"} == others - {"Tables"}


def test_tables_are_those_of_the_platform() -> None:
    resources = template("tables.yaml")["Resources"]
    assert set(resources) == set(TABLES)
    for logical, (base, keys, indexes) in TABLES.items():
        properties = resources[logical]["Properties"]
        assert properties["TableName"] == {"Fn::Sub": f"${{ProjectName}}-{base}-${{Environment}}"}
        assert _keys(properties) == keys
        assert {each["IndexName"]: _keys(each) for each in properties.get("GlobalSecondaryIndexes", [])} == indexes
        assert properties["BillingMode"] == "PAY_PER_REQUEST"
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert properties["SSESpecification"] == {"SSEEnabled": True}
        assert properties["TimeToLiveSpecification"] == {"AttributeName": "TTL", "Enabled": True}


def _keys(properties: dict[str, Any]) -> list[str]:
    assert [each["KeyType"] for each in properties["KeySchema"]] == ["HASH", "RANGE"][: len(properties["KeySchema"])]
    return [each["AttributeName"] for each in properties["KeySchema"]]


def test_alarms_watch_metrics_that_are_written() -> None:
    for logical, properties in of_type(template("monitoring.yaml"), "AWS::CloudWatch::Alarm"):
        if properties["Namespace"] == NAMESPACE:
            assert properties["MetricName"] in METRICS, logical


@pytest.mark.parametrize(
    ("name", "logical"),
    [("monitoring.yaml", "TagSyncSlowAlarm"), ("statemachine.yaml", "SyncStateMachineFailedAlarm")],
)
def test_an_alarm_about_every_sync_fires_for_the_hourly_one_too(name: str, logical: str) -> None:
    alarm = dict(of_type(template(name), "AWS::CloudWatch::Alarm"))[logical]
    for first in range(60):  # minutes past the hour; the next run's metrics may come four minutes later
        periods = [minutes * 60 // alarm["Period"] for minutes in (first, first + 64)]
        assert periods[1] - periods[0] < alarm["EvaluationPeriods"]
    assert alarm["DatapointsToAlarm"] == len(periods)


def test_the_dashboard_is_json_and_shows_metrics_that_are_written() -> None:
    [(_, properties)] = of_type(template("monitoring.yaml"), "AWS::CloudWatch::Dashboard")
    body = json.loads(re.sub(r"\$\{[\w:]+\}", "x", properties["DashboardBody"]["Fn::Sub"][0]))
    shown = [metric for each in body["widgets"] for metric in each["properties"].get("metrics", [])]
    expressions = [metric[0]["expression"] for metric in shown if isinstance(metric[0], dict)]
    named = {name for each in expressions for name in re.findall(r'MetricName="(\w+)"', each)}
    assert named
    named |= {metric[1] for metric in shown if metric[0] in (NAMESPACE, ".")}
    assert named <= set(METRICS)
    assert shown
    own = [each for each in shown if each[0] not in ("...", ".") and "id" not in each[0]]  # not arithmetic
    assert all("Project" in str(each) for each in own)


def test_the_first_row_of_the_dashboard_answers_the_three_questions_and_calls_saved_come_last() -> None:
    [(_, properties)] = of_type(template("monitoring.yaml"), "AWS::CloudWatch::Dashboard")
    widgets = json.loads(re.sub(r"\$\{[\w:]+\}", "x", properties["DashboardBody"]["Fn::Sub"][0]))["widgets"]
    first = [each["properties"] for each in widgets if each["y"] == 0]
    assert [(each["view"], each["title"].partition("?")[0]) for each in first] == [
        ("singleValue", "Could it fail over now"),
        ("singleValue", "Can it be believed"),
        ("singleValue", "What needs you"),
    ]
    for each in first:
        known = {metric[-1]["id"] for metric in each["metrics"] if isinstance(metric[-1], dict)}
        for metric in each["metrics"]:
            if isinstance(metric[0], dict):
                assert set(re.findall(r"[a-z]+", metric[0]["expression"])) <= known
    shares = [metric[0]["expression"] for metric in first[0]["metrics"] if isinstance(metric[0], dict)]
    assert [each.startswith("IF(uncounted < 1, ") for each in shares] == [
        True
    ]  # as the document has no percentage then
    last = max(widgets, key=lambda each: each["y"])
    assert last["properties"]["title"].startswith("Calls saved")


def test_every_alarm_has_its_section_in_the_operations_page() -> None:
    page = (FOLDER.parents[1] / "docs" / "operations.md").read_text(encoding="utf-8")
    monitoring = template("monitoring.yaml")
    composites = dict(of_type(monitoring, "AWS::CloudWatch::CompositeAlarm"))
    for logical, properties in (*composites.items(), *of_type(monitoring, "AWS::CloudWatch::Alarm")):
        if "AlarmActions" in properties:
            assert f"### {logical}\n" in page
            assert f"docs/operations.md, {logical}" in properties["AlarmDescription"]
        else:
            whole = properties["AlarmDescription"].removeprefix("Part of ")
            assert logical in str(composites[whole]["AlarmRule"])


def test_parameters_that_templates_share_are_declared_alike() -> None:
    first_declarations: dict[str, tuple[str, Any]] = {}
    for name in names():
        for parameter, declared in template(name)["Parameters"].items():
            if parameter.endswith(("Arn", "Name")) and parameter not in {"ProjectName", "CrossAccountRoleName"}:
                continue  # required where it is an output of another stack
            comparable = copy.deepcopy(declared)
            comparable.pop("Description", None)
            first, before = first_declarations.setdefault(parameter, (name, comparable))
            assert comparable == before, f"{parameter} differs between {first} and {name}"


@pytest.mark.parametrize(("name", "count"), [("roles.yaml", 2), ("container.yaml", 1)])
def test_each_role_reaches_the_table_of_topology_where_it_reaches_the_inventory(name: str, count: int) -> None:
    reached = {
        logical: {resource["Fn::Sub"].partition(":table/")[2] for resource in _table_resources(properties)}
        for logical, properties in of_type(template(name), "AWS::IAM::Role")
    }
    with_inventory = [
        tables for tables in reached.values() if any("source-server-inventory" in each for each in tables)
    ]
    assert len(with_inventory) == count
    assert all("${ProjectName}-source-server-topology-${Environment}" in tables for tables in with_inventory)


def _table_resources(role: dict[str, Any]) -> list[Any]:
    statements = [each for each in checks.statements(role["Policies"]) if str(each["Action"]).find("dynamodb") >= 0]
    named = [each["Resource"] for each in statements]
    return [resource for each in named for resource in (each if isinstance(each, list) else [each])]


def test_only_the_query_function_reads_protection_groups_and_only_where_their_table_is_named() -> None:
    roles, main = template("roles.yaml"), template("main.yaml")
    reading = {
        logical: [
            each
            for each in properties["Policies"][0]["PolicyDocument"]["Statement"]
            if "Fn::If" in each and "dynamodb" in str(each)
        ]
        for logical, properties in of_type(roles, "AWS::IAM::Role")
    }
    [(condition, statement, otherwise)] = [each["Fn::If"] for each in reading.pop("QueryHandlerRole")]
    assert not any(reading.values())
    assert (statement["Action"], otherwise) == ("dynamodb:Scan", {"Ref": "AWS::NoValue"})
    assert statement["Resource"]["Fn::Sub"].endswith(":table/${ProtectionGroupsTableName}")
    assert roles["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "ProtectionGroupsTableName"}, ""]}]}
    variables = {
        logical: properties["Environment"]["Variables"].get("PROTECTION_GROUPS_TABLE")
        for logical, properties in of_type(template("functions.yaml"), "AWS::Lambda::Function")
    }
    parameter = {"Ref": "ProtectionGroupsTableName"}
    assert variables == {"QueryHandlerFunction": parameter, "DataManagementHandlerFunction": None}
    for stack in ("Roles", "Functions"):
        assert bindings(main)[stack][1]["ProtectionGroupsTableName"] == parameter
    assert {
        template(each)["Parameters"]["ProtectionGroupsTableName"]["Default"] for each in ("roles.yaml", "main.yaml")
    } == {""}


def test_functions_and_container_name_the_same_tables() -> None:
    [(_, task)] = of_type(template("container.yaml"), "AWS::ECS::TaskDefinition")
    variables = {each["Name"]: each["Value"] for each in task["ContainerDefinitions"][0]["Environment"]}
    functions = list(of_type(template("functions.yaml"), "AWS::Lambda::Function"))
    for _, properties in functions:
        for variable, value in properties["Environment"]["Variables"].items():
            if variable.endswith("_TABLE") and variable != "PROTECTION_GROUPS_TABLE":  # no sync reads that one
                assert variables[variable] == value, variable
    named = [properties["Environment"]["Variables"]["SOURCE_SERVER_TOPOLOGY_TABLE"] for _, properties in functions]
    assert named == [template("tables.yaml")["Resources"]["TopologyTable"]["Properties"]["TableName"]] * 2
