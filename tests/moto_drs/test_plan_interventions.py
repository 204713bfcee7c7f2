"""Interventions in executions of recovery plans: retry, skip, change, cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from service.sandbox.moto_drs.models import DRSBackend
from tests.moto_drs.plan_calls import calls, make_plan, servers, start, wait
from tests.moto_drs.plan_steps import cancel, execution_of, id_of, minutes, retry, skip, state_of, step_arn, steps_of

pytestmark = pytest.mark.usefixtures("real_time")


def test_a_retry_recovers_what_had_failed(client: Any, backend: DRSBackend, arn: str, failing: str) -> None:
    plan, _ = make_plan(client, servers(arn, failing), wait(1))
    execution = start(client, plan)
    minutes(3)
    before = steps_of(client, execution)[0]
    backend.source_servers[id_of(failing)].take_snapshot()
    step = retry(client, execution, 1)
    assert (step["status"], step["attempt"]) == ("EXECUTING", 2)
    assert "errorDetail" not in step
    running = execution_of(client, execution)
    assert running["status"] == "IN_PROGRESS"
    assert running.keys().isdisjoint({"completedAt", "errorDetail"})
    (job, _) = client.describe_jobs()["items"]
    assert [each["sourceServerID"] for each in job["participatingServers"]] == [id_of(failing)]
    old, new = (each["configuration"]["executionServerStepConfiguration"]["servers"] for each in (before, step))
    assert old[0] == new[0]
    assert new[1]["jobID"] == job["jobID"] != old[1]["jobID"]
    minutes(2)
    assert state_of(client, execution) == ("IN_PROGRESS", ["COMPLETED", "WAITING"])


def test_a_retry_may_fail_again(client: Any, failing: str) -> None:
    plan, _ = make_plan(client, servers(failing))
    execution = start(client, plan)
    minutes(3)
    for attempt in (2, 3):
        minutes(25 * 60)  # the time limit is that of an attempt
        assert retry(client, execution, 1)["attempt"] == attempt
        minutes(2)
        assert state_of(client, execution) == ("FAILED", ["FAILED"])


def test_a_retry_of_a_server_that_is_gone_has_no_job(client: Any, backend: DRSBackend, failing: str) -> None:
    plan, _ = make_plan(client, servers(failing))
    execution = start(client, plan)
    minutes(3)
    backend.remove_source_server(id_of(failing))
    step = retry(client, execution, 1)
    assert step["configuration"]["executionServerStepConfiguration"] == {
        "servers": [{"serverArn": failing, "impactLevel": "CRITICAL"}]
    }
    assert execution_of(client, execution)["errorDetail"]["message"].endswith("There is no such source server.")
    assert len(client.describe_jobs()["items"]) == 1


def test_what_cannot_be_retried(client: Any, arn: str, failing: str) -> None:
    plan, _ = make_plan(client, servers(arn), wait(1), servers(failing))
    execution = start(client, plan)
    conflict, invalid = client.exceptions.ConflictException, client.exceptions.ValidationException
    for expected in ("NOT_STARTED", "EXECUTING", "EXECUTING", "COMPLETED"):
        assert steps_of(client, execution)[0]["status"] == expected
        with pytest.raises(conflict, match=f"The step is {expected}") as caught:
            retry(client, execution, 1)
        assert caught.value.response["resourceType"] == "RecoveryPlanExecutionStep"
        with pytest.raises(invalid, match="Only a SERVER step"):
            retry(client, execution, 2)
        minutes(1)
    minutes(2)
    assert state_of(client, execution) == ("FAILED", ["COMPLETED", "COMPLETED", "FAILED"])
    start(client, plan)
    for call in (retry, skip):
        with pytest.raises(conflict, match="has an execution in progress"):
            call(client, execution, 3)


def test_a_failed_step_is_skipped_and_the_execution_goes_on(client: Any, arn: str, failing: str) -> None:
    plan, _ = make_plan(client, servers(failing), wait(1), servers(failing))
    execution = start(client, plan)
    minutes(3)
    assert state_of(client, execution)[0] == "FAILED"
    assert skip(client, execution, 1)["status"] == "SKIPPED"
    assert state_of(client, execution) == ("IN_PROGRESS", ["SKIPPED", "WAITING", "NOT_STARTED"])
    minutes(3)
    assert state_of(client, execution) == ("FAILED", ["SKIPPED", "COMPLETED", "FAILED"])
    skip(client, execution, 3)
    assert state_of(client, execution) == ("COMPLETED", ["SKIPPED", "COMPLETED", "SKIPPED"])
    assert "errorDetail" not in execution_of(client, execution)


def test_a_step_is_skipped_while_an_earlier_one_runs(client: Any, arn: str, new_server: Callable[[], str]) -> None:
    plan, _ = make_plan(client, servers(arn), wait(1), servers(new_server()))
    execution = start(client, plan)
    skip(client, execution, 2)
    minutes(1)
    skip(client, execution, 3)
    assert state_of(client, execution) == ("IN_PROGRESS", ["EXECUTING", "SKIPPED", "SKIPPED"])
    minutes(2)
    assert state_of(client, execution) == ("COMPLETED", ["COMPLETED", "SKIPPED", "SKIPPED"])
    assert len(client.describe_jobs()["items"]) == 1


def test_a_running_or_completed_step_is_not_skipped(client: Any, arn: str, new_server: Callable[[], str]) -> None:
    plan, _ = make_plan(client, servers(arn), wait(1), servers(new_server()))
    execution = start(client, plan)
    minutes(1)
    for number, status in ((1, "EXECUTING"), (1, "COMPLETED"), (2, "WAITING")):
        assert steps_of(client, execution)[number - 1]["status"] == status
        with pytest.raises(client.exceptions.ConflictException, match=f"The step is {status}"):
            skip(client, execution, number)
        minutes(2 if status == "EXECUTING" else 0)
    skip(client, execution, 3)
    with pytest.raises(client.exceptions.ConflictException, match="The step is SKIPPED"):
        skip(client, execution, 3)


def test_changes_of_a_step_that_has_not_started(client: Any, new_server: Callable[[], str]) -> None:
    first, second, third = new_server(), new_server(), new_server()
    plan, _ = make_plan(client, servers(first), wait(60), servers(second))
    execution = start(client, plan)
    arns = [step_arn(client, execution, number) for number in (1, 2, 3)]
    update = client.update_recovery_plan_execution_step
    changed = update(recoveryPlanExecutionStepArn=arns[1], waitDurationMinutes=1)["recoveryPlanExecutionStep"]
    assert changed["configuration"] == wait(1)
    update(recoveryPlanExecutionStepArn=arns[2], servers=[{"serverArn": third}])
    minutes(6)
    assert state_of(client, execution) == ("COMPLETED", ["COMPLETED"] * 3)
    launched = {each["sourceServerID"] for each in client.describe_recovery_instances()["items"]}
    assert launched == {id_of(first), id_of(third)}
    plan_steps = client.list_recovery_plan_steps(recoveryPlanArn=plan)["recoveryPlanSteps"]
    assert [each["configuration"] for each in plan_steps] == [servers(first), wait(60), servers(second)]
    with pytest.raises(client.exceptions.ConflictException, match="The step is COMPLETED"):
        update(recoveryPlanExecutionStepArn=arns[1], waitDurationMinutes=1)
    with pytest.raises(client.exceptions.ConflictException, match="The step is COMPLETED"):
        update(recoveryPlanExecutionStepArn=arns[2], servers=[{"serverArn": third}])


@pytest.mark.parametrize(
    ("number", "changes", "field"),
    [
        (1, {}, None),
        (1, {"status": "SKIPPED", "servers": ...}, "servers"),
        (1, {"status": "COMPLETED"}, "status"),
        (1, {"waitDurationMinutes": 5}, "waitDurationMinutes"),
        (2, {"servers": ...}, "servers"),
        (1, {"servers": [{"serverArn": "arn:aws:drs:eu-west-1:111111111111:source-server/s-00000000000000000"}]},
         "servers[0].serverArn"),
    ],
)  # fmt: skip
def test_updates_that_make_no_sense(
    client: Any, arn: str, number: int, changes: dict[str, Any], field: str | None
) -> None:
    plan, _ = make_plan(client, servers(arn), wait(1))
    execution = start(client, plan)
    filled = {name: [{"serverArn": arn}] if value is ... else value for name, value in changes.items()}
    before = steps_of(client, execution)
    with pytest.raises(client.exceptions.ValidationException) as caught:
        client.update_recovery_plan_execution_step(
            recoveryPlanExecutionStepArn=step_arn(client, execution, number), **filled
        )
    if field:
        assert field in [each["name"] for each in caught.value.response["fieldList"]]
    assert steps_of(client, execution) == before


@pytest.mark.parametrize(
    ("after", "at_once", "in_the_end"),
    [
        (0, "CANCELLED", ["SKIPPED", "SKIPPED", "SKIPPED"]),
        (1, "CANCELLING", ["COMPLETED", "SKIPPED", "SKIPPED"]),
        (3, "CANCELLED", ["COMPLETED", "SKIPPED", "SKIPPED"]),
        (4, "CANCELLING", ["COMPLETED", "COMPLETED", "FAILED"]),
    ],
)
def test_a_cancellation_skips_what_remains(
    client: Any, new_server: Callable[[], str], after: int, at_once: str, in_the_end: list[str]
) -> None:
    arn, failing = new_server(), new_server()
    client.stop_replication(sourceServerID=id_of(failing))  # which deletes its snapshots
    plan, _ = make_plan(client, servers(arn), wait(1), servers(failing))
    execution = start(client, plan)
    minutes(after)
    assert cancel(client, execution) == at_once
    if at_once == "CANCELLING":
        for call in calls(lambda: cancel(client, execution), lambda: start(client, plan)):
            with pytest.raises(client.exceptions.ConflictException, match="in progress"):
                call()
    minutes(2)
    assert state_of(client, execution) == ("CANCELLED", in_the_end)
    ended = execution_of(client, execution)
    assert ended["completedAt"]
    for call in calls(
        lambda: cancel(client, execution),
        lambda: skip(client, execution, 3),
        lambda: retry(client, execution, 3),
    ):
        with pytest.raises(client.exceptions.ConflictException):
            call()
    minutes(10)
    assert execution_of(client, execution) == ended
    assert len(client.describe_recovery_instances()["items"]) == (after > 0)  # nothing is terminated


def test_a_server_step_has_a_time_limit(client: Any, backend: DRSBackend, arn: str) -> None:
    plan, _ = make_plan(client, servers(arn), wait(1))
    backend.max_server_step_minutes = 1
    execution = start(client, plan)
    minutes(2)
    assert state_of(client, execution) == ("FAILED", ["TIMED_OUT", "NOT_STARTED"])
    assert execution_of(client, execution)["errorDetail"]["code"] == "TIMED_OUT"
    with pytest.raises(client.exceptions.ConflictException, match="A job of the step is in progress"):
        retry(client, execution, 1)
    minutes(1)  # the job goes on, and succeeds: there is nothing to launch again
    assert retry(client, execution, 1)["attempt"] == 2
    assert state_of(client, execution) == ("IN_PROGRESS", ["COMPLETED", "WAITING"])
    assert len(client.describe_jobs()["items"]) == 1


def test_a_step_that_timed_out_can_be_skipped(client: Any, backend: DRSBackend, arn: str) -> None:
    plan, _ = make_plan(client, servers(arn))
    backend.max_server_step_minutes = 1
    execution = start(client, plan)
    minutes(2)
    skip(client, execution, 1)
    assert backend.plan_execution(execution).status == "COMPLETED"  # at once, and not when somebody looks
    assert state_of(client, execution) == ("COMPLETED", ["SKIPPED"])
