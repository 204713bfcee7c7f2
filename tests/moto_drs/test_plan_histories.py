"""Any order of requests about executions, with the clock moved between them: what holds in all of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import boto3
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from service.sandbox.moto_drs.clock import drs_clock
from service.sandbox.moto_drs.exceptions import ConflictException, ResourceNotFoundException, ValidationException
from service.sandbox.moto_drs.execution_records import ExecutionStep, PlanExecution
from service.sandbox.moto_drs.models import DRSBackend
from tests.moto_drs.conftest import REGION
from tests.moto_drs.plan_calls import servers, wait
from tests.moto_drs.wire_model import shape_errors

RUNNING = {"EXECUTING", "WAITING"}
MODEL = boto3.Session("key", "secret", region_name=REGION).client("drs").meta.service_model
positions = st.integers(0, 3)


class PlanHistories(RuleBasedStateMachine):
    """Two plans that share servers, of which some have no snapshots, and requests about their executions."""

    def __init__(self) -> None:
        super().__init__()
        drs_clock.reset()
        self.backend = DRSBackend(REGION, "111111111111")
        self.servers = [self.backend.add_source_server({}) for _ in range(4)]
        arns = [each.arn for each in self.servers]
        waves = [servers(arns[0], optional=[arns[1]]), wait(2), servers(arns[1], arns[2]), servers(arns[3])]
        self.plans = [self.plan("First", waves), self.plan("Second", waves[2:])]
        self.executions: list[PlanExecution] = []
        self.ended: dict[str, Any] = {}

    def plan(self, name: str, configurations: list[dict[str, Any]]) -> str:
        arn = self.backend.create_recovery_plan({"name": name}).arn
        for each in configurations:
            step = {"recoveryPlanArn": arn, "stepName": "Step", "configuration": each}
            self.backend.create_recovery_plan_step(step)
        return arn

    def teardown(self) -> None:
        drs_clock.reset()

    def attempt(self, request: Callable[[], object]) -> None:
        """Make a request, which may be refused: then it has changed nothing."""
        self.backend.catch_up()  # a request sees what the clock has ended, refused or not
        before = self.state()
        try:
            request()
        except (ConflictException, ResourceNotFoundException, ValidationException):
            assert self.state() == before

    def state(self) -> Any:
        return copy.deepcopy([(each.record, [step.record for step in each.steps]) for each in self.executions])

    def step_at(self, execution: int, position: int) -> str:
        if not self.executions:
            return "arn:of:none"
        steps = self.executions[execution % len(self.executions)].steps
        return steps[position % len(steps)].arn

    @rule(plan=st.integers(0, 1), mode=st.sampled_from(["DRILL", "RECOVERY"]))
    def start(self, plan: int, mode: str) -> None:
        def request() -> None:
            made = self.backend.start_recovery_plan_execution({"recoveryPlanArn": self.plans[plan], "mode": mode})
            self.executions.append(made)

        before = len(self.executions)
        self.attempt(request)
        assert len(self.executions) - before in {0, 1}

    @rule()
    def a_minute_passes(self) -> None:
        self.time_passes(60)

    @rule(seconds=st.sampled_from([1, 60, 120, 121, 600]))
    def some_time_passes(self, seconds: int) -> None:
        self.time_passes(seconds)

    def time_passes(self, seconds: int) -> None:
        """Move the clock by minutes, which are steps, and then by seconds, as real time passes."""
        failed = [(each, copy.deepcopy(each.record)) for each in self.executions if each.status == "FAILED"]
        for _ in range(seconds // 60):
            drs_clock.offset += timedelta(minutes=1)
            self.backend.advance()
        drs_clock.offset += timedelta(seconds=seconds % 60)
        self.backend.catch_up()
        assert all(each.record == record for each, record in failed)  # only somebody's request resumes it

    @rule(minutes=st.sampled_from([1, 5, 5, 5]))
    def change_the_time_limit(self, minutes: int) -> None:
        self.backend.max_server_step_minutes = minutes

    @rule(execution=positions, step=positions)
    def skip(self, execution: int, step: int) -> None:
        arn = self.step_at(execution, step)
        self.attempt(lambda: self.backend.update_recovery_plan_execution_step(arn, {"status": "SKIPPED"}))

    @rule(execution=positions, step=positions)
    def retry(self, execution: int, step: int) -> None:
        arn = self.step_at(execution, step)
        self.attempt(lambda: self.backend.retry_recovery_plan_execution_step(arn))

    @rule(execution=positions)
    def retry_what_failed(self, execution: int) -> None:
        failed = [each for each in self.executions if each.status == "FAILED"]
        step = failed[execution % len(failed)].current_step if failed else None
        if step is not None:
            self.attempt(lambda: self.backend.retry_recovery_plan_execution_step(step.arn))

    @rule(execution=positions, step=positions, server=positions)
    def replace_servers(self, execution: int, step: int, server: int) -> None:
        arn, changes = self.step_at(execution, step), {"servers": [{"serverArn": self.servers[server].arn}]}
        self.attempt(lambda: self.backend.update_recovery_plan_execution_step(arn, changes))

    @rule(execution=positions, chance=positions)
    def cancel(self, execution: int, chance: int) -> None:
        if self.executions and chance == 0:  # else most executions would end in this way
            arn = self.executions[execution % len(self.executions)].arn
            self.attempt(lambda: self.backend.cancel_recovery_plan_execution(arn))

    @rule(server=positions)
    def lose_or_take_snapshots(self, server: int) -> None:
        if self.servers[server].snapshots:
            self.servers[server].snapshots.clear()
        else:
            self.servers[server].take_snapshot()

    @invariant()
    def every_record_is_as_modelled(self) -> None:
        for execution in self.executions:
            errors = [*shape_errors(execution.to_dict(), MODEL.shape_for("RecoveryPlanExecution"), "")]
            for step in execution.steps:
                errors += shape_errors(step.to_dict(), MODEL.shape_for("RecoveryPlanExecutionStep"), "")
            assert errors == []

    @invariant()
    def steps_run_one_after_the_other(self) -> None:
        for execution in self.executions:
            statuses = [step.status for step in execution.steps]
            running = [number for number, status in enumerate(statuses) if status in RUNNING]
            assert len(running) <= 1
            for number in running:
                assert set(statuses[:number]) <= {"COMPLETED", "SKIPPED"}
                assert set(statuses[number + 1 :]) <= {"NOT_STARTED", "SKIPPED"}

    @invariant()
    def a_status_fits_the_steps(self) -> None:
        allowed = {
            "CREATED": {"NOT_STARTED", "SKIPPED"},
            "IN_PROGRESS": {"NOT_STARTED", "SKIPPED", "COMPLETED", *RUNNING},
            "CANCELLING": {"SKIPPED", "COMPLETED", "EXECUTING"},
            "CANCELLED": {"SKIPPED", "COMPLETED", "FAILED", "TIMED_OUT"},
            "COMPLETED": {"SKIPPED", "COMPLETED"},
            "FAILED": {"NOT_STARTED", "SKIPPED", "COMPLETED", "FAILED", "TIMED_OUT"},
        }
        for execution in self.executions:
            statuses = [step.status for step in execution.steps]
            assert set(statuses) <= allowed[execution.status]
            assert (execution.status == "FAILED") == ("errorDetail" in execution.record)
            assert execution.is_active == ("completedAt" not in execution.record)
            if execution.status == "FAILED":
                assert execution.current_step is not None
                assert execution.current_step.status in {"FAILED", "TIMED_OUT"}

    @invariant()
    def a_plan_has_one_active_execution(self) -> None:
        active = [each.plan_arn for each in self.executions if each.is_active]
        assert len(active) == len(set(active))

    @invariant()
    def what_has_ended_does_not_change(self) -> None:
        for execution in self.executions:
            state = execution.record, [step.record for step in execution.steps]
            if execution.arn in self.ended:
                assert state == self.ended[execution.arn]
            elif execution.status in {"COMPLETED", "CANCELLED"}:
                self.ended[execution.arn] = copy.deepcopy(state)

    @invariant()
    def a_completed_step_has_recovered_its_critical_servers(self) -> None:
        for execution in self.executions:
            for step in execution.steps:
                if step.status == "COMPLETED" and not step.is_wait:
                    assert launched(step) >= {
                        each["serverArn"] for each in step.servers if each["impactLevel"] == "CRITICAL"
                    }


def launched(step: ExecutionStep) -> set[str]:
    """Return the servers of a step whose job has launched them."""
    by_id = {each["serverArn"].rpartition("/")[2]: each for each in step.servers}
    return {
        by_id[server_id]["serverArn"]
        for server_id, job in step.job_of.items()
        for each in job.participants
        if each["sourceServerID"] == server_id
        and each["launchStatus"] == "LAUNCHED"
        and by_id[server_id]["jobID"] == job.job_id
    }


PlanHistories.TestCase.settings = settings(max_examples=50, stateful_step_count=60)
TestPlanHistories = PlanHistories.TestCase
