"""Executions of recovery plans, played step by step on the clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from service.sandbox.moto_drs.clock import drs_clock
from service.sandbox.moto_drs.models import DRSBackend
from tests.moto_drs.plan_calls import calls, make_plan, servers, start, wait
from tests.moto_drs.plan_steps import cancel, execution_of, id_of, minutes, retry, state_of, step_arn, steps_of

pytestmark = pytest.mark.usefixtures("real_time")

# Two waves with a wait of two minutes between them, by the minute: statuses of the execution and of its steps.
TWO_WAVES = [
    ("CREATED", ["NOT_STARTED", "NOT_STARTED", "NOT_STARTED"]),
    ("IN_PROGRESS", ["EXECUTING", "NOT_STARTED", "NOT_STARTED"]),
    ("IN_PROGRESS", ["EXECUTING", "NOT_STARTED", "NOT_STARTED"]),
    ("IN_PROGRESS", ["COMPLETED", "WAITING", "NOT_STARTED"]),
    ("IN_PROGRESS", ["COMPLETED", "WAITING", "NOT_STARTED"]),
    ("IN_PROGRESS", ["COMPLETED", "COMPLETED", "EXECUTING"]),
    ("IN_PROGRESS", ["COMPLETED", "COMPLETED", "EXECUTING"]),
    ("COMPLETED", ["COMPLETED", "COMPLETED", "COMPLETED"]),
]


def test_two_waves_with_a_wait_between_them(client: Any, backend: DRSBackend, new_server: Callable[[], str]) -> None:
    first, second = [new_server(), new_server()], [new_server()]
    plan, _ = make_plan(client, servers(*first), wait(2), servers(*second))
    answer = client.start_recovery_plan_execution(recoveryPlanArn=plan, mode="DRILL", tags={"Ticket": "1"})
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    started = answer["recoveryPlanExecution"]
    arn = started["recoveryPlanExecutionArn"]
    assert ":recovery-plan-execution/exec-" in arn
    assert (started["recoveryPlanArn"], started["mode"], started["tags"]) == (plan, "DRILL", {"Ticket": "1"})
    assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"Ticket": "1"}
    played = [state_of(client, arn)]
    for _ in TWO_WAVES[1:]:
        minutes(1)
        played.append(state_of(client, arn))
    assert played == TWO_WAVES

    ended = execution_of(client, arn)
    assert "errorDetail" not in ended
    assert datetime.fromisoformat(ended["completedAt"]) - datetime.fromisoformat(ended["startedAt"]) >= timedelta(
        minutes=7
    )
    steps = steps_of(client, arn)
    assert [each["stepIndex"] for each in steps] == [1, 2, 3]
    assert {each["attempt"] for each in steps} == {1}
    assert [steps[0]["updatedAt"] < steps[1]["updatedAt"] < steps[2]["updatedAt"]] == [True]
    jobs = client.describe_jobs()["items"][::-1]
    for step, job, arns in ((steps[0], jobs[0], first), (steps[2], jobs[1], second)):
        named = step["configuration"]["executionServerStepConfiguration"]["servers"]
        assert named == [{"serverArn": each, "impactLevel": "CRITICAL", "jobID": job["jobID"]} for each in arns]
        assert {each["sourceServerID"] for each in job["participatingServers"]} == {id_of(each) for each in arns}
        assert (job["initiatedBy"], job["status"]) == ("START_DRILL", "COMPLETED")
    assert steps[1]["configuration"] == wait(2)
    instances = client.describe_recovery_instances()["items"]
    assert {each["sourceServerID"] for each in instances} == {id_of(each) for each in [*first, *second]}
    assert {each["isDrill"] for each in instances} == {True}  # and nothing terminates them


def test_the_clock_may_be_moved_in_one_go(client: Any, arn: str, new_server: Callable[[], str]) -> None:
    plan, _ = make_plan(client, servers(arn), wait(120), servers(new_server()))
    execution = start(client, plan, mode="RECOVERY")
    minutes(3 + 120 + 1)
    assert state_of(client, execution) == ("IN_PROGRESS", ["COMPLETED", "COMPLETED", "EXECUTING"])
    minutes(24 * 60)
    assert state_of(client, execution)[0] == "COMPLETED"
    assert {each["initiatedBy"] for each in client.describe_jobs()["items"]} == {"START_RECOVERY"}


def test_a_wait_ends_when_the_clock_has_passed_it(client: Any, arn: str) -> None:
    plan, _ = make_plan(client, wait(1), servers(arn), wait(1))
    execution = start(client, plan)
    minutes(1)
    assert state_of(client, execution)[1] == ["WAITING", "NOT_STARTED", "NOT_STARTED"]
    drs_clock.offset += timedelta(minutes=1)  # as real time passes: no step is made
    assert state_of(client, execution)[1] == ["COMPLETED", "EXECUTING", "NOT_STARTED"]
    assert client.describe_jobs()["items"][0]["status"] == "PENDING"
    minutes(2)
    assert state_of(client, execution)[1] == ["COMPLETED", "COMPLETED", "WAITING"]
    drs_clock.offset += timedelta(minutes=1)
    assert state_of(client, execution)[0] == "COMPLETED"


def test_reads_move_an_execution_when_they_move_states(client: Any, backend: DRSBackend, arn: str) -> None:
    plan, _ = make_plan(client, servers(arn), wait(1))
    execution = start(client, plan)
    (step,) = [each.arn for each in backend.plan_execution(execution).steps if each.is_wait]
    backend.auto_advance = True
    assert execution_of(client, execution)["status"] == "IN_PROGRESS"
    (listed,) = client.list_recovery_plan_executions()["recoveryPlanExecutions"]
    assert listed["status"] == "IN_PROGRESS"
    assert client.describe_jobs()["items"][0]["status"] == "COMPLETED"
    answer = client.get_recovery_plan_execution_step(recoveryPlanExecutionStepArn=step)
    assert answer["recoveryPlanExecutionStep"]["status"] == "WAITING"
    minutes(1)
    assert state_of(client, execution) == ("COMPLETED", ["COMPLETED", "COMPLETED"])


def test_a_critical_server_that_fails_ends_the_execution(client: Any, arn: str, failing: str) -> None:
    plan, _ = make_plan(client, servers(arn, failing), wait(1))
    execution = start(client, plan)
    minutes(3)
    assert state_of(client, execution) == ("FAILED", ["FAILED", "NOT_STARTED"])
    error = {"code": "SERVER_RECOVERY_FAILED", "message": f"{id_of(failing)}: The launch failed."}
    ended = execution_of(client, execution)
    assert steps_of(client, execution)[0]["errorDetail"] == ended["errorDetail"] == error
    assert ended["completedAt"]
    (listed,) = client.list_recovery_plan_executions()["recoveryPlanExecutions"]
    kept = ("recoveryPlanExecutionArn", "recoveryPlanArn", "mode", "status", "startedAt", "errorDetail")
    assert listed == {name: ended[name] for name in kept}
    minutes(60)
    assert execution_of(client, execution) == ended


def test_an_optional_server_that_fails_does_not(client: Any, arn: str, failing: str) -> None:
    plan, _ = make_plan(client, servers(arn, optional=[failing]), wait(1))
    execution = start(client, plan)
    minutes(4)
    assert state_of(client, execution) == ("COMPLETED", ["COMPLETED", "COMPLETED"])
    assert "errorDetail" not in steps_of(client, execution)[0]


def test_servers_that_cannot_be_started_do_not_hold_up_the_others(
    client: Any, backend: DRSBackend, new_server: Callable[[], str]
) -> None:
    good, gone, busy, worn = new_server(), new_server(), new_server(), new_server()
    plan, _ = make_plan(client, servers(good, optional=[gone, busy, worn]))
    snapshot = backend.snapshots_of(id_of(worn))[0]["snapshotID"]
    execution = start(client, plan, sourceServers=[{"sourceServerID": id_of(worn), "recoverySnapshotID": snapshot}])
    backend.remove_source_server(id_of(gone))
    backend.source_servers[id_of(worn)].snapshots.clear()
    backend.start_recovery({id_of(busy): None}, is_drill=True)
    minutes(1)
    (step,) = steps_of(client, execution)
    named = step["configuration"]["executionServerStepConfiguration"]["servers"]
    assert ["jobID" in each for each in named] == [True, False, False, False]
    assert backend.plan_execution(execution).steps[0].problem_of == {
        id_of(gone): "There is no such source server.",
        id_of(busy): "A job is in progress for the source server.",
        id_of(worn): "There is no such recovery snapshot.",
    }
    minutes(2)
    assert state_of(client, execution) == ("COMPLETED", ["COMPLETED"])


def test_jobs_of_a_step_keep_to_the_quotas(client: Any, backend: DRSBackend, new_server: Callable[[], str]) -> None:
    plan, _ = make_plan(client, servers(*[new_server() for _ in range(5)]))
    backend.max_servers_in_job, backend.max_jobs_in_progress = 2, 2
    execution = start(client, plan)
    minutes(1)
    assert [len(each["participatingServers"]) for each in client.describe_jobs()["items"]] == [2, 2]
    minutes(2)
    assert state_of(client, execution) == ("FAILED", ["FAILED"])
    error = execution_of(client, execution)["errorDetail"]["message"]
    assert error.endswith(": Too many jobs in progress.")
    assert error.count(";") == 0  # of the fifth server only
    retry(client, execution, 1)
    minutes(2)
    assert state_of(client, execution) == ("COMPLETED", ["COMPLETED"])


def test_a_deleted_job_does_not_hold_up_its_step(client: Any, backend: DRSBackend, arn: str) -> None:
    plan, _ = make_plan(client, servers(arn), wait(1))
    execution = start(client, plan)
    minutes(1)
    (job,) = backend.jobs.values()
    job.step()
    job.step()
    client.delete_job(jobID=job.job_id)
    assert state_of(client, execution) == ("IN_PROGRESS", ["COMPLETED", "WAITING"])


def test_chosen_snapshots_are_recovered(client: Any, backend: DRSBackend, new_server: Callable[[], str]) -> None:
    chosen, newest = new_server(), new_server()
    older = {}
    for each in (chosen, newest):
        server = backend.source_servers[id_of(each)]
        server.snapshots[0]["timestamp"] = older[each] = "2026-01-01T00:00:00Z"
        server.take_snapshot()
    plan, _ = make_plan(client, servers(chosen, newest))
    snapshot = backend.snapshots_of(id_of(chosen))[0]["snapshotID"]
    start(client, plan, sourceServers=[{"sourceServerID": id_of(chosen), "recoverySnapshotID": snapshot}])
    minutes(3)
    of_server = {
        each["sourceServerID"]: each["pointInTimeSnapshotDateTime"]
        for each in client.describe_recovery_instances()["items"]
    }
    assert of_server[id_of(chosen)] == older[chosen]
    assert of_server[id_of(newest)] > older[newest]


def test_snapshots_must_be_of_the_plan(client: Any, backend: DRSBackend, new_server: Callable[[], str]) -> None:
    mine, other = new_server(), new_server()
    plan, _ = make_plan(client, servers(mine))
    mine_of, other_of = (
        {"sourceServerID": id_of(each), "recoverySnapshotID": backend.snapshots_of(id_of(each))[0]["snapshotID"]}
        for each in (mine, other)
    )
    for wrong, field in (([other_of], 0), ([mine_of, mine_of], 1)):
        with pytest.raises(client.exceptions.ValidationException) as caught:
            start(client, plan, sourceServers=wrong)
        assert caught.value.response["fieldList"][0]["name"] == f"sourceServers[{field}].sourceServerID"
    with pytest.raises(client.exceptions.ResourceNotFoundException) as missing:
        start(client, plan, sourceServers=[{**mine_of, "recoverySnapshotID": other_of["recoverySnapshotID"]}])
    assert missing.value.response["resourceType"] == "RecoverySnapshot"


def test_what_cannot_be_started(client: Any, backend: DRSBackend, arn: str, new_server: Callable[[], str]) -> None:
    waiting, _ = make_plan(client, wait(1), name="Only a wait")
    with pytest.raises(client.exceptions.ConflictException, match="no SERVER step"):
        start(client, waiting)
    plan, _ = make_plan(client, servers(arn))
    execution = start(client, plan)
    with pytest.raises(client.exceptions.ConflictException, match="has an execution in progress") as caught:
        start(client, plan)
    assert caught.value.response["resourceId"] == execution
    other, _ = make_plan(client, servers(new_server()), name="Other")
    backend.max_active_executions = 1
    with pytest.raises(client.exceptions.ServiceQuotaExceededException):
        start(client, other)
    minutes(3)
    start(client, other)
    with pytest.raises(client.exceptions.ValidationException, match="aws:"):
        start(client, plan, tags={"aws:x": "y"})


def test_a_repeated_start_starts_nothing_new(client: Any, arn: str) -> None:
    plan, _ = make_plan(client, servers(arn))
    execution = start(client, plan, clientToken="token")
    assert start(client, plan, clientToken="token") == execution
    with pytest.raises(client.exceptions.ConflictException, match="token was used with other parameters"):
        start(client, plan, clientToken="token", mode="RECOVERY")
    minutes(3)
    assert start(client, plan, clientToken="token") == execution
    client.delete_recovery_plan_execution(recoveryPlanExecutionArn=execution)
    assert start(client, plan, clientToken="token") != execution


def test_deletions_wait_for_the_end(client: Any, arn: str) -> None:
    plan, _ = make_plan(client, servers(arn))
    execution = start(client, plan)
    for call in calls(
        lambda: client.delete_recovery_plan(recoveryPlanArn=plan),
        lambda: client.delete_recovery_plan_execution(recoveryPlanExecutionArn=execution),
    ):
        with pytest.raises(client.exceptions.ConflictException, match="in progress"):
            call()
    minutes(3)
    client.delete_recovery_plan(recoveryPlanArn=plan)
    (listed,) = client.list_recovery_plan_executions(recoveryPlanArn=plan)["recoveryPlanExecutions"]
    assert (listed["recoveryPlanExecutionArn"], listed["status"]) == (execution, "COMPLETED")
    step = step_arn(client, execution, 1)
    answer = client.delete_recovery_plan_execution(recoveryPlanExecutionArn=execution)
    assert answer["recoveryPlanExecutionArn"] == execution
    assert client.list_recovery_plan_executions()["recoveryPlanExecutions"] == []
    for lost in calls(
        lambda: client.get_recovery_plan_execution(recoveryPlanExecutionArn=execution),
        lambda: client.get_recovery_plan_execution_step(recoveryPlanExecutionStepArn=step),
    ):
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            lost()


def test_changes_of_a_plan_do_not_reach_a_running_execution(
    client: Any, arn: str, new_server: Callable[[], str]
) -> None:
    plan, (_, second) = make_plan(client, servers(arn), wait(1))
    execution = start(client, plan)
    client.update_recovery_plan_step(recoveryPlanStepArn=second, stepName="Changed", configuration=wait(99))
    client.create_recovery_plan_step(recoveryPlanArn=plan, stepName="Late", configuration=servers(new_server()))
    minutes(4)
    assert state_of(client, execution) == ("COMPLETED", ["COMPLETED", "COMPLETED"])
    assert steps_of(client, execution)[1]["stepName"] == "Step 2"


def test_executions_and_steps_are_filtered(client: Any, arn: str, new_server: Callable[[], str]) -> None:
    plan, _ = make_plan(client, servers(arn), wait(1))
    other, _ = make_plan(client, servers(new_server()), name="Other")
    first, second = start(client, plan), start(client, other)
    cancel(client, first)
    third = start(client, plan)

    def listed(**params: Any) -> list[str]:
        found = client.list_recovery_plan_executions(**params)["recoveryPlanExecutions"]
        return [each["recoveryPlanExecutionArn"] for each in found]

    assert listed() == [third, second, first]
    assert listed(recoveryPlanArn=plan) == [third, first]
    assert listed(status="CANCELLED") == [first]
    assert listed(recoveryPlanArn=other, status="CANCELLED") == []
    minutes(3)
    assert [each["stepIndex"] for each in steps_of(client, third, filter={"status": "WAITING"})] == [2]
    assert [each["stepIndex"] for each in steps_of(client, third, filter={})] == [1, 2]
