"""The operations of recovery plans and their executions."""

from __future__ import annotations

from moto.core.responses import ActionResult

from .execution_records import ExecutionStep, PlanExecution
from .plans import RecoveryPlan, RecoveryPlanStep
from .request import DRSRequest, RecordResult, by_age, newest_first

_PLAN = "recoveryPlanArn"
_STEP = "recoveryPlanStepArn"
_EXECUTION = "recoveryPlanExecutionArn"
_EXECUTION_STEP = "recoveryPlanExecutionStepArn"


class RecoveryPlanResponses(DRSRequest):
    """Handler of one request about recovery plans."""

    # Plans

    def create_recovery_plan(self) -> ActionResult:
        return _plan(self.backend.create_recovery_plan(self.params))

    def get_recovery_plan(self) -> ActionResult:
        return _plan(self.backend.recovery_plan(self.id_of(_PLAN)))

    def update_recovery_plan(self) -> ActionResult:
        return _plan(self.backend.update_recovery_plan(self.id_of(_PLAN), self.params))

    def delete_recovery_plan(self) -> ActionResult:
        self.backend.delete_recovery_plan(self.id_of(_PLAN))
        return RecordResult({_PLAN: self.id_of(_PLAN)})

    def list_recovery_plans(self) -> ActionResult:
        plans = self.backend.recovery_plans.values()
        return self.page(plans, by_age, serialize=RecoveryPlan.to_summary, key="recoveryPlans")

    # Steps

    def create_recovery_plan_step(self) -> ActionResult:
        return _step(self.backend.create_recovery_plan_step(self.params))

    def get_recovery_plan_step(self) -> ActionResult:
        return _step(self.backend.recovery_plan_step(self.id_of(_STEP)))

    def update_recovery_plan_step(self) -> ActionResult:
        return _step(self.backend.update_recovery_plan_step(self.id_of(_STEP), self.params))

    def delete_recovery_plan_step(self) -> ActionResult:
        self.backend.delete_recovery_plan_step(self.id_of(_STEP))
        return RecordResult({_STEP: self.id_of(_STEP)})

    def list_recovery_plan_steps(self) -> ActionResult:
        steps = self.backend.recovery_plan(self.id_of(_PLAN)).steps
        return self.page(steps, lambda step: step.record["stepOrder"], key="recoveryPlanSteps")

    def reorder_recovery_plan_steps(self) -> ActionResult:
        plan = self.backend.reorder_recovery_plan_steps(self.id_of(_PLAN), self.params["orderedStepArns"])
        return RecordResult({"recoveryPlanSteps": [step.to_dict() for step in plan.steps]})

    # Executions

    def start_recovery_plan_execution(self) -> ActionResult:
        return _execution(self.backend.start_recovery_plan_execution(self.params))

    def get_recovery_plan_execution(self) -> ActionResult:
        return _execution(self.advanced_backend().plan_execution(self.id_of(_EXECUTION)))

    def list_recovery_plan_executions(self) -> ActionResult:
        executions = self.advanced_backend().executions_of(self.params.get(_PLAN), self.params.get("status"))
        return self.page(executions, newest_first, serialize=PlanExecution.to_summary, key="recoveryPlanExecutions")

    def cancel_recovery_plan_execution(self) -> ActionResult:
        return _execution(self.backend.cancel_recovery_plan_execution(self.id_of(_EXECUTION)))

    def delete_recovery_plan_execution(self) -> ActionResult:
        self.backend.delete_recovery_plan_execution(self.id_of(_EXECUTION))
        return RecordResult({_EXECUTION: self.id_of(_EXECUTION)})

    # Steps of executions

    def get_recovery_plan_execution_step(self) -> ActionResult:
        return _execution_step(self.advanced_backend().execution_step(self.id_of(_EXECUTION_STEP)))

    def list_recovery_plan_execution_steps(self) -> ActionResult:
        status = dict(self.params.get("filter") or {}).get("status")
        steps = self.advanced_backend().plan_execution(self.id_of(_EXECUTION)).steps
        return self.page(
            [step for step in steps if status in {None, step.status}],
            lambda step: step.record["stepIndex"],
            serialize=ExecutionStep.to_summary,
            key="recoveryPlanExecutionSteps",
        )

    def update_recovery_plan_execution_step(self) -> ActionResult:
        arn = self.id_of(_EXECUTION_STEP)
        return _execution_step(self.backend.update_recovery_plan_execution_step(arn, self.params))

    def retry_recovery_plan_execution_step(self) -> ActionResult:
        return _execution_step(self.backend.retry_recovery_plan_execution_step(self.id_of(_EXECUTION_STEP)))


def _plan(plan: RecoveryPlan) -> ActionResult:
    return RecordResult({"recoveryPlan": plan.to_dict()})


def _step(step: RecoveryPlanStep) -> ActionResult:
    return RecordResult({"recoveryPlanStep": step.to_dict()})


def _execution(execution: PlanExecution) -> ActionResult:
    return RecordResult({"recoveryPlanExecution": execution.to_dict()})


def _execution_step(step: ExecutionStep) -> ActionResult:
    return RecordResult({"recoveryPlanExecutionStep": step.to_dict()})
