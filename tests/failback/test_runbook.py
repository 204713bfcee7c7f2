"""The runbook in every state of a server: the method, the order of the steps, and the exact text.

`python -m tests.failback.test_runbook` regenerates the expected texts; read the diff before you commit it.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.queries.failback.decision import Way
from service.queries.failback.facts import DrsRecord, Facts
from service.queries.failback.render import as_json, as_markdown, as_text
from service.queries.failback.runbook import write_runbook
from service.queries.failback.steps import Progress
from service.topology.origin import ENVIRONMENT, ENVIRONMENT_SOURCE
from tests.failback.states import A1, APPS, DOWN, DR, FORWARD, INTO_SOURCE, ORIGINAL, STATES, STEADY, after

EXPECTED = Path(__file__).parent / "expected"
DESTROYS = (
    "start-recovery",
    "stop-replication",
    "terminate-recovery-instances",
    "delete-",
    "disconnect-",
    "start-failback-launch",
)


@pytest.mark.parametrize("state", STATES)
def test_each_state_has_its_way_back(state: str) -> None:
    way, facts = STATES[state]
    assert str(write_runbook(facts).way) == way


@pytest.mark.parametrize("state", STATES)
def test_the_text_is_what_was_read_and_agreed(state: str) -> None:
    _, facts = STATES[state]
    assert as_text(facts, write_runbook(facts)) == (EXPECTED / f"{state}.txt").read_text()


def test_no_expected_text_is_left_over() -> None:
    assert {path.stem for path in EXPECTED.glob("*.txt")} == set(STATES)


@pytest.mark.parametrize("state", STATES)
def test_whatever_destroys_is_warned_of_before(state: str) -> None:
    _, facts = STATES[state]
    for step in write_runbook(facts).steps:
        if any(word in command for command in step.commands for word in DESTROYS):
            assert step.warning, step.title
    lines = as_text(facts, write_runbook(facts)).splitlines()
    for number, line in enumerate(lines):
        if "aws drs" in line and any(word in line for word in DESTROYS):
            before = [each for each in lines[:number] if re.search(r"\d\. |WARNING", each)]
            assert "WARNING" in before[-1], line


@pytest.mark.parametrize("state", STATES)
def test_every_command_names_region_and_account(state: str) -> None:
    _, facts = STATES[state]
    scopes = {("us-west-2", DR), ("us-east-1", APPS)}
    for step in write_runbook(facts).steps:
        for command in step.commands:
            shlex.split(command)  # well-formed
            if "aws drs" in command:
                match = re.search(r"--region (\S+) --profile drs-(\d{12})", command)
                assert match, command
                assert match.groups() in scopes


def test_what_is_done_is_marked_and_exactly_one_step_is_next() -> None:
    done = {
        "recovered": 0,
        "reversing": 1,
        "ready": 2,
        "launched-back": 3,
        "launched-into-the-original": 3,
        "protected-again": 4,
        "recovered-a-second-time": 0,
        "other-zone": 0,
        "on-premises": 0,
        "on-premises-ready": 3,
    }
    for state, count in done.items():
        progress = [step.progress for step in write_runbook(STATES[state][1]).steps]
        assert progress[: count + 1] == [Progress.DONE] * count + [Progress.NEXT], state
        assert set(progress[count + 1 :]) <= {Progress.LATER}, state


@pytest.mark.parametrize("state", STATES)
def test_without_a_known_origin_every_step_only_reads(state: str) -> None:
    _, facts = STATES[state]
    hidden = {"originalSourceRegion", "originalSourceAccountId", "originalInstanceId", "originalAvailabilityZone"}
    original = {name: value for name, value in facts.original.items() if name not in {*hidden, ENVIRONMENT_SOURCE}}
    machine = facts.recovered.model_copy(update={"origin_environment": ""}) if facts.recovered else None
    for environment in (None, "ON_PREMISES", "AWS"):
        unknown = after(facts, original={**original, ENVIRONMENT: environment}, recovered=machine)
        runbook = write_runbook(unknown)
        assert runbook.way is Way.UNKNOWN
        commands = [command for step in runbook.steps for command in step.commands]
        assert all(command.startswith("aws drs describe-") for command in commands)
        assert commands or unknown.forward is None
        assert not runbook.otherwise


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("ec2_state", ["SHUTTING-DOWN", "TERMINATED", "NOT_FOUND"])
def test_no_step_needs_a_machine_that_is_gone(state: str, ec2_state: str) -> None:
    _, facts = STATES[state]
    gone = {"ec2_state": ec2_state}
    recovered = facts.recovered and facts.recovered.model_copy(update=gone)
    back = facts.failed_back and facts.failed_back.model_copy(update=gone)
    for lost in (after(facts, recovered=recovered), after(facts, recovered=recovered, failed_back=back)):
        runbook = write_runbook(lost)
        ahead = [step for step in runbook.steps if step.progress is not Progress.DONE]
        for machine in filter(None, (lost.recovered, lost.failed_back)):
            if machine.is_gone and machine.failback_state != "FAILBACK_COMPLETED":
                assert not [command for step in ahead for command in step.commands if machine.instance_id in command]
                assert not any(machine.instance_id in line for line in (*runbook.preconditions, *runbook.otherwise))


def test_the_same_instance_id_alone_does_not_prove_that_the_server_is_protected_again() -> None:
    assert INTO_SOURCE.forward is not None
    assert INTO_SOURCE.forward.instance_id == A1
    machine = INTO_SOURCE.failed_back
    assert machine is not None
    protected = after(INTO_SOURCE, failed_back=machine.model_copy(update={"agent_state": "CONTINUOUS"}))
    next_of = [
        next(step.title for step in write_runbook(facts).steps if step.progress is Progress.NEXT)
        for facts in (INTO_SOURCE, protected)
    ]
    assert next_of == ["Protect the launched machine", "Clean up: stop the reversed replication"]


def test_the_account_is_given_to_the_installer_only_when_it_is_another() -> None:
    same = after(STEADY, forward=None, original={**ORIGINAL, "originalSourceAccountId": DR})
    other = after(STEADY, forward=None)
    assert "--account-id" not in as_text(same, write_runbook(same))
    assert f"--region us-east-1 --account-id {APPS} --no-prompt" in as_text(other, write_runbook(other))


@pytest.mark.parametrize("state", STATES)
def test_json_and_markdown_show_the_same_commands(state: str) -> None:
    _, facts = STATES[state]
    runbook = write_runbook(facts)
    body, page = as_json(facts, runbook), as_markdown(facts, runbook)
    orjson.dumps(body)
    for step in body["steps"]:
        for command in step["commands"] if step["progress"] != "done" else ():
            assert f"   {command}\n" in page
    for name, value in facts.original.items():
        assert body[name] == value


@given(host=st.text(max_size=30), instance=st.text(max_size=30), region=st.text(max_size=20))
def test_hostile_values_neither_steer_the_terminal_nor_run_in_a_shell(host: str, instance: str, region: str) -> None:
    record = FORWARD.model_copy(update={"hostname": host, "recovery_instance": instance, "last_launch": "SUCCEEDED"})
    facts = after(DOWN, forward=record, original={**ORIGINAL, "originalSourceRegion": region, "originalHostname": host})
    runbook = write_runbook(facts)
    for text in (as_text(facts, runbook), as_markdown(facts, runbook)):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


@pytest.mark.parametrize(
    ("region", "domain"),
    [("us-west-2", "amazonaws.com"), ("us-gov-west-1", "amazonaws.com"), ("eusc-de-east-1", "amazonaws.eu")],
)
@pytest.mark.parametrize("state", ["machine-stopped", "on-premises-stopped"])
def test_downloads_come_from_the_partition_of_the_region(state: str, region: str, domain: str) -> None:
    _, facts = STATES[state]
    assert facts.forward is not None
    moved = facts.model_copy(
        update={
            "forward": facts.forward.model_copy(update={"region": region}),
            "original": {**facts.original, "originalReplicationRegion": region},
        }
    )
    urls = re.findall(r"curl -fLO (\S+)", as_text(moved, write_runbook(moved)))
    assert urls
    assert {url.split("/")[2] for url in urls} == {f"aws-elastic-disaster-recovery-{region}.s3.{region}.{domain}"}


def test_a_command_in_an_id_stays_an_argument() -> None:
    record = DOWN.forward
    assert isinstance(record, DrsRecord)
    hostile = "i-0; rm -rf /"
    facts: Facts = after(DOWN, forward=record.model_copy(update={"recovery_instance": hostile}), scopes_read=())
    for step in write_runbook(facts).steps:
        for command in step.commands:
            assert hostile not in command or f"'{hostile}'" in command


if __name__ == "__main__":
    for name, (_, known) in STATES.items():
        (EXPECTED / f"{name}.txt").write_text(as_text(known, write_runbook(known)))
