"""Executions of recovery plans: start, progress, retry, skip and cancel.

Each step of `advance` moves an execution as far as jobs and clock allow: it starts steps one after the other, ends a
SERVER step with its jobs, and a WAIT step when the clock has passed its time. Two steps of `advance` recover servers.

AWS does not document these, and they are inferred: an execution is CREATED until the next step of `advance`, and
CANCELLING while jobs of its running step are active; a step fails when all its jobs have ended, not at the first
failure; a SERVER step times out after a day; 20 executions at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from moto.core.exceptions import ServiceException

from . import shapes
from .clock import drs_clock
from .exceptions import (
    ConflictException,
    ResourceNotFoundException,
    ServiceQuotaExceededException,
    ValidationException,
)
from .execution_records import FAILED, ExecutionStep, PlanExecution
from .plans import RecoveryPlan, RecoveryPlansBackend, server_id_of
from .records import Resource, locked
from .shapes import Record
from .validation import check_tags


class PlanExecutionsBackend(RecoveryPlansBackend):
    """Executions of recovery plans in one account and region."""

    max_active_executions = 20
    max_server_step_minutes = 24 * 60

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.plan_executions: dict[str, PlanExecution] = {}  # by ARN

    def resources(self) -> Iterator[Resource]:
        yield from super().resources()
        yield from self.recovery_plans.values()
        yield from self.plan_executions.values()

    # Progress

    @locked
    def advance(self) -> None:
        super().advance()
        for execution in self.plan_executions.values():
            if execution.status == "CREATED":
                execution.enter("IN_PROGRESS")
            self._follow(execution)

    @locked
    def catch_up(self) -> None:
        super().catch_up()
        for execution in self.plan_executions.values():
            self._follow(execution)

    def _follow(self, execution: PlanExecution) -> None:
        """Go from step to step until one needs time, or the execution ends."""
        while execution.status in {"IN_PROGRESS", "CANCELLING"}:
            step = execution.current_step
            if step is None or (execution.status == "CANCELLING" and step.status in FAILED):
                execution.enter("CANCELLED" if execution.status == "CANCELLING" else "COMPLETED")
            elif step.status in FAILED:
                execution.enter("FAILED", step.record["errorDetail"])
            elif step.status == "NOT_STARTED":
                self._start_step(step)
            elif not step.end():
                return

    def _start_step(self, step: ExecutionStep) -> None:
        minutes = step.wait_minutes if step.is_wait else self.max_server_step_minutes
        step.ends_at = drs_clock.now() + timedelta(minutes=minutes)
        step.enter("WAITING" if step.is_wait else "EXECUTING")
        self._recover(step, step.servers)

    def _recover(self, step: ExecutionStep, servers: Sequence[Record]) -> None:
        """Start the recovery of servers as StartRecovery does, in as many jobs as its quotas need.

        A server that cannot be started counts as failed, and does not keep the others from starting (inferred).
        """
        snapshot_of: dict[str, str | None] = {}
        busy_servers = self.busy_servers()
        for server in servers:
            server_id = server_id_of(server)
            server.pop("jobID", None)
            step.job_of.pop(server_id, None)
            step.problem_of.pop(server_id, None)
            snapshot_id = step.execution.snapshot_of.get(server_id)
            try:
                self.require_launchable(server_id, snapshot_id)
            except ConflictException as error:
                step.problem_of[server_id] = str(error.message)
            else:
                if server_id in busy_servers:
                    step.problem_of[server_id] = "A job is in progress for the source server."
                else:
                    snapshot_of[server_id] = snapshot_id
        self._start_jobs(step, snapshot_of)
        for server in servers:
            if server_id_of(server) in step.job_of:
                server["jobID"] = step.job_of[server_id_of(server)].job_id

    def _start_jobs(self, step: ExecutionStep, snapshot_of: Mapping[str, str | None]) -> None:
        is_drill = step.execution.is_drill
        job_size = self.max_servers_in_job
        startable = list(snapshot_of)
        for first in range(0, len(startable), job_size):
            server_ids = startable[first : first + job_size]
            try:
                job = self.start_recovery({each: snapshot_of[each] for each in server_ids}, is_drill=is_drill)
            except ServiceException as error:  # a quota
                step.problem_of.update(dict.fromkeys(server_ids, str(error.message)))
            else:
                step.job_of.update(dict.fromkeys(server_ids, job))

    # Executions

    def plan_execution(self, arn: str) -> PlanExecution:
        found = self.plan_executions.get(arn)
        if found is None:
            raise ResourceNotFoundException("RecoveryPlanExecution", arn)
        return found

    def executions_of(self, plan_arn: str | None, status: str | None) -> list[PlanExecution]:
        """List executions; a plan that does not exist has none (inferred)."""
        return [
            each
            for each in self.plan_executions.values()
            if plan_arn in {None, each.plan_arn} and status in {None, each.status}
        ]

    def start_recovery_plan_execution(self, params: Mapping[str, Any]) -> PlanExecution:
        """Start an execution of a plan that has SERVER steps and no other active execution."""
        return self.once("StartRecoveryPlanExecution", params, lambda: self._start_plan_execution(params))

    def _start_plan_execution(self, params: Mapping[str, Any]) -> PlanExecution:
        plan = self.recovery_plan(params["recoveryPlanArn"])
        self.catch_up()
        tags = dict(params.get("tags") or {})
        check_tags(tags)
        snapshot_of = self._checked_snapshots(plan, params.get("sourceServers") or [])
        if not plan.is_executable:
            raise ConflictException("The recovery plan has no SERVER step.", "RecoveryPlan", plan.arn)
        self._require_no_active_execution(plan.arn)
        if sum(each.is_active for each in self.plan_executions.values()) >= self.max_active_executions:
            raise ServiceQuotaExceededException(
                "Too many executions in progress.", resource_type="RecoveryPlanExecution"
            )
        arn = self.arn_of("recovery-plan-execution", shapes.new_id("exec-"))
        execution = PlanExecution(arn, plan, params["mode"], tags, snapshot_of)
        self.plan_executions[arn] = execution
        return execution

    def _checked_snapshots(self, plan: RecoveryPlan, servers: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Return the snapshots to recover from, by id of the server, which must be one of the plan (inferred)."""
        snapshot_of: dict[str, str] = {}
        for number, each in enumerate(servers):
            server_id, snapshot_id = str(each["sourceServerID"]), str(each["recoverySnapshotID"])
            if server_id not in plan.server_ids or server_id in snapshot_of:
                raise ValidationException(
                    "A snapshot must be given for a source server of the plan, and once.",
                    (f"sourceServers[{number}].sourceServerID", "is not in the plan, or is there twice"),
                )
            if all(known["snapshotID"] != snapshot_id for known in self.snapshots_of(server_id)):
                raise ResourceNotFoundException("RecoverySnapshot", snapshot_id)
            snapshot_of[server_id] = snapshot_id
        return snapshot_of

    def _require_no_active_execution(self, plan_arn: str) -> None:
        for execution in self.executions_of(plan_arn, None):
            if execution.is_active:
                raise ConflictException(
                    "The recovery plan has an execution in progress.", "RecoveryPlanExecution", execution.arn
                )

    def cancel_recovery_plan_execution(self, arn: str) -> PlanExecution:
        """Cancel an execution: remaining steps are skipped, a wait as well (inferred); jobs that run go on."""
        execution = self.plan_execution(arn)
        self.catch_up()
        if execution.status not in {"CREATED", "IN_PROGRESS"}:
            raise ConflictException("The execution is not in progress.", "RecoveryPlanExecution", arn)
        for step in execution.steps:
            if step.status in {"NOT_STARTED", "WAITING"}:
                step.enter("SKIPPED")
        execution.enter("CANCELLING")
        self._follow(execution)
        return execution

    def delete_recovery_plan_execution(self, arn: str) -> None:
        execution = self.plan_execution(arn)
        self.catch_up()
        if execution.is_active:
            raise ConflictException("The execution is in progress.", "RecoveryPlanExecution", arn)
        del self.plan_executions[arn]
        self.forget(execution)

    def delete_recovery_plan(self, arn: str) -> None:
        self.catch_up()
        self._require_no_active_execution(self.recovery_plan(arn).arn)
        super().delete_recovery_plan(arn)

    # Steps of executions

    def execution_step(self, arn: str) -> ExecutionStep:
        for execution in self.plan_executions.values():
            for step in execution.steps:
                if step.arn == arn:
                    return step
        raise ResourceNotFoundException("RecoveryPlanExecutionStep", arn)

    def retry_recovery_plan_execution_step(self, arn: str) -> ExecutionStep:
        """Recover those servers of a failed step again that were not recovered, critical or optional (inferred)."""
        step = self.execution_step(arn)
        self.catch_up()
        if step.is_wait:
            raise ValidationException(
                "Only a SERVER step can be retried.", ("recoveryPlanExecutionStepArn", "is a WAIT step")
            )
        self._require_failed(step)
        if any(job.is_active for job in step.job_of.values()):
            raise _step_conflict("A job of the step is in progress.", step)
        failures = step.failures()
        step.record["attempt"] += 1
        self._start_step_again(step, [each for each in step.servers if server_id_of(each) in failures])
        return step

    def _start_step_again(self, step: ExecutionStep, servers: Sequence[Record]) -> None:
        step.execution.enter("IN_PROGRESS")
        step.ends_at = drs_clock.now() + timedelta(minutes=self.max_server_step_minutes)
        step.enter("EXECUTING")
        self._recover(step, servers)

    def _require_failed(self, step: ExecutionStep) -> None:
        """Raise unless an execution waits at a failed step, and can go on: its plan has no other active execution."""
        if step.status not in FAILED or step.execution.status != "FAILED":
            raise _step_conflict(f"The step is {step.status} in an execution that is {step.execution.status}.", step)
        self._require_no_active_execution(step.execution.plan_arn)

    def update_recovery_plan_execution_step(self, arn: str, params: Mapping[str, Any]) -> ExecutionStep:
        """Skip a step, or replace the servers or the duration of one that has not started: one of these (inferred)."""
        step = self.execution_step(arn)
        self.catch_up()
        names = [name for name in ("status", "servers", "waitDurationMinutes") if params.get(name) is not None]
        if len(names) != 1:
            raise ValidationException(
                "Exactly one of status, servers and waitDurationMinutes must be set.",
                *[(name, "must be the only change") for name in names],
            )
        (name,) = names
        if name == "status":
            self._skip(step, params["status"])
            return step
        if step.is_wait != (name == "waitDurationMinutes"):
            raise ValidationException("The step is of another type.", (name, "is not of this type of step"))
        if step.status != "NOT_STARTED":
            raise _step_conflict(f"The step is {step.status}.", step)
        if name == "servers":
            step.servers[:] = self.checked_servers(params["servers"], name)
        else:
            step.record["configuration"]["waitStepConfiguration"]["waitDurationMinutes"] = params[name]
        step.record["updatedAt"] = shapes.now()
        return step

    def _skip(self, step: ExecutionStep, status: str) -> None:
        """Skip a step: one that has not started at once, and a failed one so that the execution goes on behind it."""
        if status != "SKIPPED":
            raise ValidationException("A step can only be skipped.", ("status", "must be SKIPPED"))
        if step.status == "NOT_STARTED":
            step.enter("SKIPPED")
            return
        self._require_failed(step)
        step.enter("SKIPPED")
        step.execution.enter("IN_PROGRESS")
        self._follow(step.execution)


def _step_conflict(message: str, step: ExecutionStep) -> ConflictException:
    return ConflictException(message, "RecoveryPlanExecutionStep", step.arn)
