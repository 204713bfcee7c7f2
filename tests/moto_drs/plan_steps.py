"""Executions of recovery plans in tests: their states, and the requests that change them."""

from __future__ import annotations

from typing import Any

from service.sandbox.moto_drs.clock import drs_clock


def id_of(arn: str) -> str:
    return arn.rpartition("/")[2]


def minutes(number: float) -> None:
    drs_clock.advance(60 * number)


def execution_of(client: Any, arn: str) -> dict[str, Any]:
    execution: dict[str, Any] = client.get_recovery_plan_execution(recoveryPlanExecutionArn=arn)[
        "recoveryPlanExecution"
    ]
    return execution


def steps_of(client: Any, arn: str, **params: Any) -> list[dict[str, Any]]:
    """Return the full steps of an execution, after checking that the listing says the same of them."""
    answer = client.list_recovery_plan_execution_steps(recoveryPlanExecutionArn=arn, **params)
    summaries = answer["recoveryPlanExecutionSteps"]
    steps = [
        client.get_recovery_plan_execution_step(recoveryPlanExecutionStepArn=each["recoveryPlanExecutionStepArn"])
        for each in summaries
    ]
    full: list[dict[str, Any]] = [each["recoveryPlanExecutionStep"] for each in steps]
    left_out = {"attempt", "createdAt", "updatedAt"}
    assert summaries == [{name: each[name] for name in each.keys() - left_out} for each in full]
    return full


def state_of(client: Any, arn: str) -> tuple[str, list[str]]:
    return execution_of(client, arn)["status"], [each["status"] for each in steps_of(client, arn)]


def step_arn(client: Any, arn: str, number: int) -> str:
    return str(steps_of(client, arn)[number - 1]["recoveryPlanExecutionStepArn"])


def skip(client: Any, arn: str, number: int) -> dict[str, Any]:
    answer = client.update_recovery_plan_execution_step(
        recoveryPlanExecutionStepArn=step_arn(client, arn, number), status="SKIPPED"
    )
    step: dict[str, Any] = answer["recoveryPlanExecutionStep"]
    return step


def retry(client: Any, arn: str, number: int) -> dict[str, Any]:
    answer = client.retry_recovery_plan_execution_step(recoveryPlanExecutionStepArn=step_arn(client, arn, number))
    step: dict[str, Any] = answer["recoveryPlanExecutionStep"]
    return step


def cancel(client: Any, arn: str) -> str:
    answer = client.cancel_recovery_plan_execution(recoveryPlanExecutionArn=arn)
    return str(answer["recoveryPlanExecution"]["status"])
