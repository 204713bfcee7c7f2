"""Recovery plans for tests: calls of every operation, and plans made through the API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from service.sandbox.moto_drs.models import DRSBackend

_OWN = "arn:aws:drs:us-west-2:111111111111"
ARN = f"{_OWN}:source-server/s-00000000000000000"
PLAN = {"recoveryPlanArn": f"{_OWN}:recovery-plan/plan-00000000000000000"}
STEP = {"recoveryPlanStepArn": f"{PLAN['recoveryPlanArn']}/step/st-00000000000000000"}
EXECUTION = {"recoveryPlanExecutionArn": f"{_OWN}:recovery-plan-execution/exec-00000000000000000"}
EXECUTION_STEP = {
    "recoveryPlanExecutionStepArn": f"{EXECUTION['recoveryPlanExecutionArn']}/step/step-00000000000000000"
}


def wait(minutes: int) -> dict[str, Any]:
    return {"waitStepConfiguration": {"waitDurationMinutes": minutes}}


def servers(*arns: str, optional: Sequence[str] = ()) -> dict[str, Any]:
    named = [{"serverArn": each, "impactLevel": "CRITICAL"} for each in arns]
    named += [{"serverArn": each, "impactLevel": "OPTIONAL"} for each in optional]
    return {"serverStepConfiguration": {"servers": named}}


NEW_STEP = {**PLAN, "stepName": "Wait", "configuration": wait(5)}

_HIGH = {"serverArn": ARN, "impactLevel": "HIGH"}
# Valid parameters of each operation, and its error for resources that do not exist.
CALLS: dict[str, tuple[dict[str, Any], str | None]] = {
    "cancel_recovery_plan_execution": (EXECUTION, "ResourceNotFoundException"),
    "create_recovery_plan": ({"name": "Retail"}, None),
    "create_recovery_plan_step": (NEW_STEP, "ResourceNotFoundException"),
    "delete_recovery_plan": (PLAN, "ResourceNotFoundException"),
    "delete_recovery_plan_execution": (EXECUTION, "ResourceNotFoundException"),
    "delete_recovery_plan_step": (STEP, "ResourceNotFoundException"),
    "get_recovery_plan": (PLAN, "ResourceNotFoundException"),
    "get_recovery_plan_execution": (EXECUTION, "ResourceNotFoundException"),
    "get_recovery_plan_execution_step": (EXECUTION_STEP, "ResourceNotFoundException"),
    "get_recovery_plan_step": (STEP, "ResourceNotFoundException"),
    "list_recovery_plan_execution_steps": (EXECUTION, "ResourceNotFoundException"),
    "list_recovery_plan_executions": (PLAN, None),
    "list_recovery_plan_steps": (PLAN, "ResourceNotFoundException"),
    "list_recovery_plans": ({}, None),
    "reorder_recovery_plan_steps": (
        {**PLAN, "orderedStepArns": [STEP["recoveryPlanStepArn"]]},
        "ResourceNotFoundException",
    ),
    "retry_recovery_plan_execution_step": (EXECUTION_STEP, "ResourceNotFoundException"),
    "start_recovery_plan_execution": ({**PLAN, "mode": "DRILL"}, "ResourceNotFoundException"),
    "update_recovery_plan": (PLAN, "ResourceNotFoundException"),
    "update_recovery_plan_execution_step": ({**EXECUTION_STEP, "status": "SKIPPED"}, "ResourceNotFoundException"),
    "update_recovery_plan_step": (STEP, "ResourceNotFoundException"),
}
# Parameters that the service refuses, with the member that is wrong.
BAD_INPUT: list[tuple[str, dict[str, Any], str]] = [
    ("cancel_recovery_plan_execution", {}, "recoveryPlanExecutionArn"),
    ("create_recovery_plan", {}, "name"),
    ("create_recovery_plan", {"name": "-starts with a dash"}, "name"),
    ("create_recovery_plan", {"name": "n" * 257}, "name"),
    ("create_recovery_plan", {"name": "Retail", "description": "d" * 1025}, "description"),
    ("create_recovery_plan", {"name": "Retail", "clientToken": "t" * 65}, "clientToken"),
    ("create_recovery_plan", {"name": "Retail", "tags": {"aws:x": "y"}}, "tags"),
    ("create_recovery_plan_step", PLAN, "configuration"),
    ("create_recovery_plan_step", {**NEW_STEP, "recoveryPlanArn": "arn:aws:ec2:us-west-2:1:x/y"}, "recoveryPlanArn"),
    ("create_recovery_plan_step", {**NEW_STEP, "stepName": "<b>"}, "stepName"),
    ("create_recovery_plan_step", {**NEW_STEP, "stepOrder": 0}, "stepOrder"),
    ("create_recovery_plan_step", {**NEW_STEP, "stepOrder": 21}, "stepOrder"),
    ("create_recovery_plan_step", {**NEW_STEP, "configuration": wait(0)},
     "configuration.waitStepConfiguration.waitDurationMinutes"),
    ("create_recovery_plan_step", {**NEW_STEP, "configuration": wait(121)},
     "configuration.waitStepConfiguration.waitDurationMinutes"),
    ("create_recovery_plan_step", {**NEW_STEP, "configuration": servers()},
     "configuration.serverStepConfiguration.servers"),
    ("create_recovery_plan_step", {**NEW_STEP, "configuration": servers(*[ARN] * 101)},
     "configuration.serverStepConfiguration.servers"),
    ("create_recovery_plan_step",
     {**NEW_STEP, "configuration": {"serverStepConfiguration": {"servers": [_HIGH]}}},
     "configuration.serverStepConfiguration.servers[0].impactLevel"),
    ("create_recovery_plan_step", {**NEW_STEP, "configuration": servers("arn:aws:drs:us-west-2:1:source-server/s-1")},
     "configuration.serverStepConfiguration.servers[0].serverArn"),
    ("delete_recovery_plan", {"recoveryPlanArn": "plan-00000000000000000"}, "recoveryPlanArn"),
    ("delete_recovery_plan_execution", {}, "recoveryPlanExecutionArn"),
    ("delete_recovery_plan_step", {}, "recoveryPlanStepArn"),
    ("get_recovery_plan", {"recoveryPlanArn": f"{_OWN}:recovery-plan/<script>"}, "recoveryPlanArn"),
    ("get_recovery_plan_execution", {"recoveryPlanExecutionArn": "x" * 2049}, "recoveryPlanExecutionArn"),
    ("get_recovery_plan_execution_step", {}, "recoveryPlanExecutionStepArn"),
    ("get_recovery_plan_step", {}, "recoveryPlanStepArn"),
    ("list_recovery_plan_execution_steps", {**EXECUTION, "filter": {"status": "RUNNING"}}, "filter.status"),
    ("list_recovery_plan_execution_steps", {**EXECUTION, "maxResults": 1001}, "maxResults"),
    ("list_recovery_plan_executions", {"status": "ACTIVE"}, "status"),
    ("list_recovery_plan_executions", {"nextToken": "t" * 2049}, "nextToken"),
    ("list_recovery_plan_steps", {**PLAN, "maxResults": 0}, "maxResults"),
    ("list_recovery_plans", {"maxResults": 1001}, "maxResults"),
    ("list_recovery_plans", {"nextToken": "eHg="}, "nextToken"),
    ("reorder_recovery_plan_steps", {**PLAN, "orderedStepArns": []}, "orderedStepArns"),
    ("reorder_recovery_plan_steps", {**PLAN, "orderedStepArns": [STEP["recoveryPlanStepArn"]] * 21}, "orderedStepArns"),
    ("retry_recovery_plan_execution_step", {}, "recoveryPlanExecutionStepArn"),
    ("start_recovery_plan_execution", PLAN, "mode"),
    ("start_recovery_plan_execution", {**PLAN, "mode": "TEST"}, "mode"),
    ("start_recovery_plan_execution",
     {**PLAN, "mode": "DRILL", "sourceServers": [{"sourceServerID": "s-00000000000000000"}]},
     "sourceServers[0].recoverySnapshotID"),
    ("update_recovery_plan", {**PLAN, "name": ""}, "name"),
    ("update_recovery_plan_execution_step", {**EXECUTION_STEP, "status": "DONE"}, "status"),
    ("update_recovery_plan_execution_step", {**EXECUTION_STEP, "waitDurationMinutes": 121}, "waitDurationMinutes"),
    ("update_recovery_plan_execution_step", {**EXECUTION_STEP, "servers": []}, "servers"),
    ("update_recovery_plan_step", {**STEP, "stepName": "n" * 257}, "stepName"),
]  # fmt: skip


def calls(*requests: Callable[[], Any]) -> list[Callable[[], Any]]:
    """Return requests to be made one after the other."""
    return list(requests)


def make_plan(client: Any, *configurations: dict[str, Any], name: str = "Retail") -> tuple[str, list[str]]:
    """Create a plan with steps; returns its ARN and theirs."""
    arn = client.create_recovery_plan(name=name)["recoveryPlan"]["recoveryPlanArn"]
    steps = [
        client.create_recovery_plan_step(recoveryPlanArn=arn, stepName=f"Step {number}", configuration=each)
        for number, each in enumerate(configurations, start=1)
    ]
    return arn, [each["recoveryPlanStep"]["recoveryPlanStepArn"] for each in steps]


def start(client: Any, plan_arn: str, **params: Any) -> str:
    """Start an execution, as a drill unless `params` say otherwise; returns its ARN."""
    answer = client.start_recovery_plan_execution(recoveryPlanArn=plan_arn, **{"mode": "DRILL", **params})
    return str(answer["recoveryPlanExecution"]["recoveryPlanExecutionArn"])


def make_plans(backend: DRSBackend, count: int) -> list[str]:
    backend.max_recovery_plans = count
    return [backend.create_recovery_plan({"name": f"Plan {number}"}).arn for number in range(count)]


def make_steps(backend: DRSBackend, count: int) -> list[str]:
    """Make a plan of so many steps known as `PLAN`."""
    backend.recovery_plans[PLAN["recoveryPlanArn"]] = backend.create_recovery_plan({"name": "Many steps"})
    made = [backend.create_recovery_plan_step({**NEW_STEP, "stepOrder": 1}).arn for _ in range(count)]
    return made[::-1]


def make_execution_steps(backend: DRSBackend, count: int) -> list[str]:
    """Make an execution of so many steps known as `EXECUTION`."""
    backend.max_steps_in_plan = count + 1  # a plan needs a SERVER step, which the execution then loses
    make_steps(backend, count)
    configuration = servers(backend.add_source_server({}).arn)
    backend.create_recovery_plan_step({**NEW_STEP, "configuration": configuration})
    execution = backend.start_recovery_plan_execution({**PLAN, "mode": "DRILL"})
    execution.steps.pop()
    backend.plan_executions[EXECUTION["recoveryPlanExecutionArn"]] = execution
    return [step.arn for step in execution.steps]


def make_executions(backend: DRSBackend, count: int) -> list[str]:
    make_execution_steps(backend, 1)
    backend.plan_executions.clear()
    made = []
    for _ in range(count):
        made.append(backend.start_recovery_plan_execution({**PLAN, "mode": "DRILL"}).arn)
        backend.cancel_recovery_plan_execution(made[-1])
    return made[::-1]
