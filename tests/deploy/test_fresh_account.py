"""Templates in an account that has nothing yet: what a creation must not need, and must not take from others."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from service.settings import Settings
from tests.deploy import checks
from tests.deploy.resolving import resolved, stacks_of
from tests.deploy.templates import Template, names, of_type, template

OWN: Final = {"CodeBucket": "code", "CodeKey": "1.zip", "CognitoUserPoolArn": "pool"}


def api(access_log: str | None = None) -> Template:
    return stacks_of(OWN if access_log is None else {**OWN, "ApiAccessLog": access_log})["Api"]


def stage_of(stack: Template) -> dict[str, Any]:
    [(_, stage)] = of_type(stack, "AWS::ApiGateway::Stage")
    return stage


def kinds_of(stack: Template) -> set[str]:
    return {each["Type"] for each in stack["Resources"].values()}


def test_by_default_the_log_role_of_the_account_is_neither_needed_nor_replaced() -> None:
    assert "AccessLogSetting" not in stage_of(api())
    assert kinds_of(api()).isdisjoint({"AWS::ApiGateway::Account", "AWS::IAM::Role", "AWS::Logs::LogGroup"})


def test_an_access_log_uses_the_log_role_that_the_account_has() -> None:
    assert stage_of(api("account-role"))["AccessLogSetting"]["DestinationArn"] == {"Fn::GetAtt": ["AccessLog", "Arn"]}
    assert kinds_of(api("account-role")).isdisjoint({"AWS::ApiGateway::Account", "AWS::IAM::Role"})


def test_a_new_log_role_is_set_before_the_stage_needs_it_and_outlives_the_stack() -> None:
    stack = api("new-role")
    assert "ApiAccount" in str(stage_of(stack)["Description"])
    assert stack["Resources"]["ApiAccount"]["Properties"]["CloudWatchRoleArn"] == {"Fn::GetAtt": ["ApiLogRole", "Arn"]}
    for logical in ("ApiAccount", "ApiLogRole"):
        assert stack["Resources"][logical]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert "RoleName" not in stack["Resources"]["ApiLogRole"]["Properties"]  # retained, it would be in the way


def test_no_other_template_sets_anything_for_the_whole_account() -> None:
    for name in names():
        found = [logical for logical, _ in of_type(template(name), "AWS::ApiGateway::Account")]
        assert found == (["ApiAccount"] if name == "api.yaml" else [])


# Parameter of main.yaml -> the setting that operators set by it, and the templates that have it.
PARAMETERS: Final = {
    "DrsRegions": "us-east-1,eu-west-1",
    "DrsExtraRegions": "ap-east-1",
    "DrsExcludedRegions": "me-south-1",
    "DrsExcludedScopes": "111122223333/us-west-2",
    "DrsNewRegions": "xx-north-1",
    "DrsMostCallsPerSecond": "7",
    "ServersPerRegion": "500",
    "AdoptStagingAccounts": "true",
    "LogLevel": "DEBUG",
}


def variable(parameter: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", parameter).upper()


def function_variables(stack: Template) -> dict[str, dict[str, Any]]:
    return {
        logical: properties["Environment"]["Variables"]
        for logical, properties in of_type(stack, "AWS::Lambda::Function")
    }


def test_parameters_of_an_operator_reach_the_functions_and_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    functions = function_variables(stacks_of({**OWN, **PARAMETERS, "AccountsPerShard": "40"})["Functions"])
    [(_, task)] = of_type(resolved(template("container.yaml"), PARAMETERS), "AWS::ECS::TaskDefinition")
    container = {each["Name"]: each["Value"] for each in task["ContainerDefinitions"][0]["Environment"]}
    for variables in (functions["DataManagementHandlerFunction"], container):
        assert {name: variables[variable(name)] for name in PARAMETERS} == PARAMETERS
    assert functions["DataManagementHandlerFunction"]["ACCOUNTS_PER_SHARD"] == "40"
    of_syncs = {"ServersPerRegion", "AdoptStagingAccounts"}  # a query does not extend servers
    query = functions["QueryHandlerFunction"]
    assert {name: query.get(variable(name)) for name in PARAMETERS} == {**PARAMETERS, **dict.fromkeys(of_syncs)}
    for name, value in PARAMETERS.items():
        monkeypatch.setenv(variable(name), value)
    settings = Settings()
    assert (settings.drs_most_calls_per_second, settings.adopt_staging_accounts) == (7.0, True)
    assert settings.drs_new_regions == ("xx-north-1",)


@pytest.mark.parametrize("name", ["functions.yaml", "container.yaml", "main.yaml"])
def test_defaults_of_the_templates_are_those_of_the_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = template(name)["Parameters"]
    for parameter in PARAMETERS:
        monkeypatch.setenv(variable(parameter), str(declared[parameter].get("Default")))
    by_template = Settings()
    for parameter in PARAMETERS:
        monkeypatch.delenv(variable(parameter))
    assert by_template == Settings()


def test_by_default_no_function_takes_concurrency_from_the_quota_of_a_new_account() -> None:
    for _, properties in of_type(stacks_of(OWN)["Functions"], "AWS::Lambda::Function"):
        assert "ReservedConcurrentExecutions" not in properties
    reserved = {"DataManagementReservedConcurrency": "50", "QueryReservedConcurrency": "20"}
    functions = dict(of_type(stacks_of({**OWN, **reserved})["Functions"], "AWS::Lambda::Function"))
    assert functions["DataManagementHandlerFunction"]["ReservedConcurrentExecutions"] == "50"
    assert functions["QueryHandlerFunction"]["ReservedConcurrentExecutions"] == "20"


# What a service that traces itself needs in its role. API Gateway traces by a role of its own.
TRACING: Final = {
    "AWS::StepFunctions::StateMachine": ("TracingConfiguration", {"Enabled": True}, "RoleArn"),
    "AWS::Lambda::Function": ("TracingConfig", {"Mode": "Active"}, "Role"),
}
TRACES: Final = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}


def untraced(name: str, body: Template) -> list[str]:
    """Return resources that trace and whose role in the same template may not write traces."""
    roles = dict(of_type(body, "AWS::IAM::Role"))
    return [
        f"{name}: {logical}"
        for kind, (member, value, role) in TRACING.items()
        for logical, properties in of_type(body, kind)
        if properties.get(member) == value
        and not checks.allowed(roles.get(_role_of(properties[role]), {}).get("Policies", [])) >= TRACES
    ]


def _role_of(value: Any) -> str:
    attribute = value.get("Fn::GetAtt", "")
    return str(attribute[0] if isinstance(attribute, list) else attribute.partition(".")[0])


def test_what_traces_may_write_its_traces() -> None:
    assert [found for name in names() for found in untraced(name, template(name))] == []


def test_a_permission_to_trace_that_is_missing_is_noticed() -> None:
    body = template("statemachine.yaml")
    [policy] = body["Resources"]["SyncStateMachineRole"]["Properties"]["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    statements[:] = [each for each in statements if each["Sid"] != "Trace"]
    assert untraced("statemachine.yaml", body) == ["statemachine.yaml: SyncStateMachine"]
    functions = template("functions.yaml")
    functions["Resources"]["QueryHandlerFunction"]["Properties"]["TracingConfig"] = {"Mode": "Active"}
    assert untraced("functions.yaml", functions) == ["functions.yaml: QueryHandlerFunction"]
