"""A recovery plan of two waves with a wait between them, through the AWS CLI, with the clock of the sandbox."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import botocore
import pytest

from service.sandbox.server import Sandbox
from tests.sandbox.conftest import TARGET
from tests.support import command

pytestmark = pytest.mark.deep

Aws = Callable[..., Any]


@pytest.fixture
def aws(sandbox: Sandbox, tmp_path: Path) -> Aws:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **sandbox.environment(),
        "AWS_ACCESS_KEY_ID": f"AKIA0000{TARGET}",
        "AWS_REGION": "us-west-2",
        "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_DATA_PATH": str(
            Path(botocore.__file__).parent / "data"
        ),  # that of the CLI itself has no recovery plans yet
    }

    def run(*arguments: str) -> Any:
        done = command.run("--endpoint-url", sandbox.endpoint_url, "drs", *arguments, program="aws", env=environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def move_clock(sandbox: Sandbox) -> Callable[[dict[str, Any]], None]:
    def control(members: dict[str, Any]) -> None:
        connection = HTTPConnection("127.0.0.1", sandbox.port, timeout=300)
        connection.request("POST", "/sandbox/clock", body=json.dumps(members))
        response = connection.getresponse()
        assert response.status == 200, response.read()
        connection.close()

    return control


def test_two_waves_with_a_wait_between_them(aws: Aws, move_clock: Callable[[dict[str, Any]], None]) -> None:
    move_clock({"auto_advance": False})
    database, web, *_ = [each["arn"] for each in aws("describe-source-servers")["items"]]
    plan = aws("create-recovery-plan", "--name", "Retail", "--tags", "Team=retail")["recoveryPlan"]["recoveryPlanArn"]

    def add(name: str, configuration: str) -> None:
        arguments = ("--recovery-plan-arn", plan, "--step-name", name, "--configuration", configuration)
        aws("create-recovery-plan-step", *arguments)

    add("Databases", f"serverStepConfiguration={{servers=[{{serverArn={database}}}]}}")
    add("Settle", "waitStepConfiguration={waitDurationMinutes=30}")
    add("Web", f"serverStepConfiguration={{servers=[{{serverArn={web},impactLevel=OPTIONAL}}]}}")
    assert aws("get-recovery-plan", "--recovery-plan-arn", plan)["recoveryPlan"]["status"] == "ACTIVE"
    steps = aws("list-recovery-plan-steps", "--recovery-plan-arn", plan, "--page-size", "2")["recoveryPlanSteps"]
    assert [each["stepName"] for each in steps] == ["Databases", "Settle", "Web"]

    started = aws("start-recovery-plan-execution", "--recovery-plan-arn", plan, "--mode", "DRILL")
    execution = started["recoveryPlanExecution"]["recoveryPlanExecutionArn"]

    def state() -> tuple[str, list[str]]:
        arn = ("--recovery-plan-execution-arn", execution)
        steps = aws("list-recovery-plan-execution-steps", *arn)["recoveryPlanExecutionSteps"]
        status = aws("get-recovery-plan-execution", *arn)["recoveryPlanExecution"]["status"]
        return status, [each["status"] for each in steps]

    assert state() == ("CREATED", ["NOT_STARTED", "NOT_STARTED", "NOT_STARTED"])
    for minutes, expected in (
        (1, ("IN_PROGRESS", ["EXECUTING", "NOT_STARTED", "NOT_STARTED"])),
        (2, ("IN_PROGRESS", ["COMPLETED", "WAITING", "NOT_STARTED"])),
        (29, ("IN_PROGRESS", ["COMPLETED", "WAITING", "NOT_STARTED"])),
        (1, ("IN_PROGRESS", ["COMPLETED", "COMPLETED", "EXECUTING"])),
        (2, ("COMPLETED", ["COMPLETED", "COMPLETED", "COMPLETED"])),
    ):
        move_clock({"advance_s": 60 * minutes})
        assert state() == expected
    launched = aws("describe-recovery-instances")["items"]
    assert {each["sourceServerID"] for each in launched} == {each.rpartition("/")[2] for each in (database, web)}
    assert {each["isDrill"] for each in launched} == {True}
    jobs = aws("describe-jobs")["items"]
    assert [each["initiatedBy"] for each in jobs] == ["START_DRILL", "START_DRILL"]
    assert aws("delete-recovery-plan", "--recovery-plan-arn", plan) == {"recoveryPlanArn": plan}
