"""Executions of recovery plans, and their steps: what each is, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from . import shapes
from .clock import drs_clock
from .plans import SERVERS, WAIT, RecoveryPlan, RecoveryPlanStep, server_id_of
from .records import Job, Resource
from .shapes import Record

EXECUTION_SERVERS: Final = "executionServerStepConfiguration"

ACTIVE: Final = frozenset({"CREATED", "IN_PROGRESS", "CANCELLING"})
FAILED: Final = frozenset({"FAILED", "TIMED_OUT"})
_OVER: Final = frozenset({"COMPLETED", "SKIPPED"})
# Members that listings leave out.
_LEFT_OUT_OF_EXECUTIONS: Final = frozenset({"tags", "completedAt"})
_LEFT_OUT_OF_STEPS: Final = frozenset({"attempt", "createdAt", "updatedAt"})


class PlanExecution(Resource):
    """Execution of a recovery plan. It copies the steps of the plan: later changes of the plan do not reach it."""

    def __init__(self, arn: str, plan: RecoveryPlan, mode: str, tags: Record, snapshot_of: Mapping[str, str]) -> None:
        super().__init__(
            {
                "recoveryPlanExecutionArn": arn,
                "recoveryPlanArn": plan.arn,
                "mode": mode,
                "status": "CREATED",
                "startedAt": shapes.now(),
                "tags": tags,
            }
        )
        self.snapshot_of = snapshot_of  # by id of the server; others are recovered from their newest snapshot
        self.steps = [ExecutionStep(self, index, step) for index, step in enumerate(plan.steps, start=1)]

    @property
    def arn(self) -> str:
        return str(self.record["recoveryPlanExecutionArn"])

    @property
    def plan_arn(self) -> str:
        return str(self.record["recoveryPlanArn"])

    @property
    def status(self) -> str:
        return str(self.record["status"])

    @property
    def is_drill(self) -> bool:
        return bool(self.record["mode"] == "DRILL")

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    @property
    def is_moving(self) -> bool:
        return self.is_active

    @property
    def current_step(self) -> ExecutionStep | None:
        """The first step that is neither completed nor skipped."""
        return next((step for step in self.steps if step.status not in _OVER), None)

    def enter(self, status: str, error: Record | None = None) -> None:
        """Enter a status: an execution that is not active has ended, and one that goes on has not."""
        self.record["status"] = status
        for name in ("completedAt", "errorDetail"):
            self.record.pop(name, None)
        if not self.is_active:
            self.record["completedAt"] = shapes.now()
        if error is not None:
            self.record["errorDetail"] = error

    def to_summary(self) -> Record:
        return {name: value for name, value in self.record.items() if name not in _LEFT_OUT_OF_EXECUTIONS}


class ExecutionStep(Resource):
    """Step of an execution. It has no tags."""

    def __init__(self, execution: PlanExecution, index: int, step: RecoveryPlanStep) -> None:
        timestamp = shapes.now()
        servers = step.configuration.get(SERVERS)
        super().__init__(
            {
                "recoveryPlanExecutionStepArn": f"{execution.arn}/step/{shapes.new_id('step-')}",  # inferred
                "stepIndex": index,
                "status": "NOT_STARTED",
                "stepName": step.record["stepName"],
                "configuration": shapes.copied({EXECUTION_SERVERS: servers} if servers else step.configuration),
                "attempt": 1,
                "createdAt": timestamp,
                "updatedAt": timestamp,
            }
        )
        self.execution = execution
        self.ends_at: datetime | None = None  # of a running step: the end of a wait, or the time limit of servers
        self.job_of: dict[str, Job] = {}  # by id of the server, for those whose recovery could be started
        self.problem_of: dict[str, str] = {}  # by id of the server, for the others

    @property
    def arn(self) -> str:
        return str(self.record["recoveryPlanExecutionStepArn"])

    @property
    def status(self) -> str:
        return str(self.record["status"])

    @property
    def is_wait(self) -> bool:
        return WAIT in self.record["configuration"]

    @property
    def wait_minutes(self) -> int:
        return int(self.record["configuration"][WAIT]["waitDurationMinutes"])

    @property
    def servers(self) -> list[Record]:
        servers: list[Record] = self.record["configuration"].get(EXECUTION_SERVERS, {}).get("servers", [])
        return servers

    def enter(self, status: str, error: Record | None = None) -> None:
        self.record.update(status=status, updatedAt=shapes.now())
        self.record.pop("errorDetail", None)
        if error is not None:
            self.record["errorDetail"] = error

    def end(self) -> bool:
        """End a running step if its time or its jobs are over; returns whether it has ended."""
        is_late = self.ends_at is not None and drs_clock.now() >= self.ends_at
        if self.is_wait:
            if is_late:
                self.enter("COMPLETED")
            return is_late
        if any(job.is_active for job in self.job_of.values()):
            if is_late:
                self.enter("TIMED_OUT", {"code": "TIMED_OUT", "message": "The step has exceeded its time limit."})
            return is_late
        critical = {server_id_of(each) for each in self.servers if each["impactLevel"] == "CRITICAL"}
        problems = {server_id: each for server_id, each in self.failures().items() if server_id in critical}
        if problems:
            message = "; ".join(f"{server_id}: {problem}" for server_id, problem in problems.items())
            self.enter("FAILED", {"code": "SERVER_RECOVERY_FAILED", "message": message})  # codes and texts: inferred
        else:
            self.enter("COMPLETED")
        return True

    def failures(self) -> dict[str, str]:
        """Return why servers were not recovered, by id, once no job is active."""
        failed = {
            server_id: "The launch failed."
            for server_id, job in self.job_of.items()
            for each in job.participants
            if each["sourceServerID"] == server_id and each["launchStatus"] != "LAUNCHED"
        }
        return {**self.problem_of, **failed}

    def to_summary(self) -> Record:
        return {name: value for name, value in self.record.items() if name not in _LEFT_OUT_OF_STEPS}
