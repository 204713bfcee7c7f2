"""Tests of the container's template: permissions, command, and agreement with the image."""

from __future__ import annotations

import json
from typing import Any

import pytest

from service.aws.operations import READ_WRITE_OPERATIONS
from service.settings import Settings
from tests.container.image import ROOT, exec_form
from tests.deploy import checks
from tests.deploy.templates import of_type, template

# Only the data-management function changes schedules and invokes functions; a sync does not.
_NOT_USED_BY_SYNCS = {"events", "lambda"}


@pytest.fixture(scope="module")
def container_template() -> dict[str, Any]:
    return template("container.yaml")


def _role(container_template: dict[str, Any], name: str) -> list[dict[str, Any]]:
    policies: list[dict[str, Any]] = container_template["Resources"][name]["Properties"]["Policies"]
    return policies


def test_the_task_may_do_what_a_sync_declares_and_no_more(container_template: dict[str, Any]) -> None:
    declared = checks.actions_of(
        {name: each for name, each in READ_WRITE_OPERATIONS.items() if name not in _NOT_USED_BY_SYNCS}
    )
    assert checks.allowed(_role(container_template, "TaskRole")) == declared | {"events:PutEvents"}


def test_the_task_has_the_same_bounds_as_the_function(container_template: dict[str, Any]) -> None:
    task = {each["Sid"]: each for each in checks.statements(_role(container_template, "TaskRole"))}
    function = {each["Sid"]: each for each in checks.statements(_role(template("roles.yaml"), "DataManagementRole"))}
    assert task == {name: function[name] for name in task}


def test_the_schedule_may_run_this_task_in_this_cluster_with_these_roles(container_template: dict[str, Any]) -> None:
    statements = {each["Sid"]: each for each in checks.statements(_role(container_template, "ScheduleRole"))}
    assert checks.allowed(_role(container_template, "ScheduleRole")) == {
        "ecs:RunTask",
        "iam:PassRole",
        "sqs:SendMessage",
    }
    assert statements["RunTheTask"]["Resource"] == {"Ref": "TaskDefinition"}
    assert statements["RunTheTask"]["Condition"] == {"ArnEquals": {"ecs:cluster": {"Ref": "ClusterArn"}}}
    passed = [{"Fn::GetAtt": f"{name}.Arn"} for name in ("TaskRole", "ExecutionRole")]
    given = [
        {"Fn::GetAtt": ".".join(each["Fn::GetAtt"])} if isinstance(each["Fn::GetAtt"], list) else each
        for each in statements["GiveItItsRoles"]["Resource"]
    ]
    assert given == passed


def test_the_coverage_task_runs_the_command_in_the_same_task_where_it_is_enabled(
    container_template: dict[str, Any],
) -> None:
    resources = container_template["Resources"]
    coverage, usual = resources["CoverageSchedule"], resources["Schedule"]["Properties"]["Target"]
    assert coverage["Condition"] == "WithCoverageSync"
    assert container_template["Parameters"]["EnableCoverageSync"]["Default"] == "false"
    target = dict(coverage["Properties"]["Target"])
    overrides = json.loads(target.pop("Input")["Fn::Sub"].replace("${TimeLimitSeconds}", "840"))
    [container] = resources["TaskDefinition"]["Properties"]["ContainerDefinitions"]
    assert overrides == {
        "containerOverrides": [{"name": container["Name"], "command": ["coverage", "--time-limit", "840"]}]
    }
    different = {name for name in usual if target[name] != usual[name]}
    assert different == {"RetryPolicy"}


def test_no_role_can_be_assumed_by_another_account(container_template: dict[str, Any]) -> None:
    for _, properties in of_type(container_template, "AWS::IAM::Role"):
        [statement] = properties["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_the_container_runs_as_the_image_is_meant_to(container_template: dict[str, Any]) -> None:
    definition = container_template["Resources"]["TaskDefinition"]["Properties"]
    [container] = definition["ContainerDefinitions"]
    assert container["Command"][:2] == exec_form("CMD")
    assert container["Command"][2] == "--time-limit"
    assert container["HealthCheck"]["Command"] == ["CMD", *exec_form("HEALTHCHECK")]
    assert (container["User"], container["ReadonlyRootFilesystem"]) == ("10001:10001", True)
    assert "Privileged" not in container
    assert definition["NetworkMode"] == "awsvpc"
    limit, rate = (
        container_template["Parameters"]["TimeLimitSeconds"]["Default"],
        container_template["Parameters"]["ScheduleExpression"]["Default"],
    )
    assert rate == "rate(15 minutes)"
    assert int(limit) < 15 * 60


def test_its_variables_are_settings_and_none_of_them_is_a_secret(container_template: dict[str, Any]) -> None:
    [container] = container_template["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"]
    given = {each["Name"] for each in container["Environment"]}
    assert {name.lower() for name in given if not name.startswith("AWS_")} <= set(Settings.model_fields)
    assert "Secrets" not in container
    assert not {name for name in given if "SECRET" in name or "TOKEN" in name or "PASSWORD" in name}


def test_each_alarm_has_its_section_in_the_page_for_operators(container_template: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for logical, properties in of_type(container_template, "AWS::CloudWatch::Alarm"):
        assert f"### {logical}\n" in page
        assert f"docs/operations.md, {logical}" in properties["AlarmDescription"]
