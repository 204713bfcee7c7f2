"""docs/operations.md: its commands, executed in order against the simulated AWS, and what they leave behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.operations.conftest import HUB, TARGET, Open, estate
from tests.operations.page import ROOT, Block, blocks
from tests.operations.platform import ENVIRONMENT, PROJECT, Platform
from tests.operations.shell import Shell, StepError

PAGE = (ROOT / "docs" / "operations.md").read_text()
FRESH, LATER = "Install in a fresh account", "Deploy a later version"
BESIDE, ROLL_BACK, CONTAINER = "Install beside the platform", "Roll back", "Install as a container only"
# What follows an installation, in the order of the page.
INCIDENTS = (
    "Alarms",
    "InventorySyncSilentAlarm",
    "DeadLettersAlarm",
    "More than some hundred accounts",
    "An account is removed",
)
OURS = "drs-orchestration"


def steps(*sections: str, first: int = 0, last: int = 99) -> list[Block]:
    """Return the blocks of sections, in order; `first` and `last` limit the numbered steps."""
    return [block for block in blocks(PAGE) if block.section in sections and first <= block.step <= last]


def inventory(project: str) -> list[dict[str, Any]]:
    found = boto3.resource("dynamodb").Table(f"{project}-source-server-inventory-prod").scan()["Items"]
    return [item for item in found if item["stagingAccountId"].isdigit()]


def rules() -> dict[str, str]:
    """Return the function that each rule of the hub starts."""
    events, found = boto3.client("events"), {}
    for rule in events.list_rules()["Rules"]:
        [target] = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        found[rule["Name"]] = target["Arn"].rpartition(":")[2]
    return found


def test_every_block_belongs_to_a_path() -> None:
    assert {block.section for block in blocks(PAGE)} == {FRESH, LATER, BESIDE, ROLL_BACK, CONTAINER, *INCIDENTS}
    assert [block.line for block in blocks(PAGE) if block.reason == ""] == []


def test_an_installation_in_a_fresh_account(opened: Open) -> None:
    _, shell = opened(estate(roles=False))
    shell.follow(steps(FRESH, last=6))
    assert rules() == {}
    answer = shell.follow(steps(FRESH, first=7, last=7))
    assert '"totalSynced": 2' in answer
    assert '"status": "complete"' in answer
    assert len(inventory(OURS)) == 2
    assert all(item["sourceTags"] for item in inventory(OURS))  # read in the account that runs the instances
    assert "rate(15 minutes)\tENABLED" in shell.follow(steps(FRESH, first=8))
    function = f"{OURS}-data-management-handler-prod"
    scheduled = {
        f"{OURS}-{base}-prod": function for base in ("tag-sync-schedule", "staging-account-sync", "inventory-sync")
    }
    assert rules() == scheduled

    shell.follow(steps(LATER))
    assert rules() == scheduled
    answer = shell.follow(steps(*INCIDENTS[:-2]))
    assert '"message": "sync finished"' in answer
    shell.follow(steps(INCIDENTS[-2]))
    machine = f"{OURS}-sync-prod"
    assert rules() == {name.replace("-prod", "-shards-prod").replace("-schedule", ""): machine for name in scheduled}
    shell.follow(steps(INCIDENTS[-1]))
    assert [item for item in inventory(OURS) if TARGET in item["sourceServerArn"]] == []


def test_an_installation_beside_the_platform_and_back_and_forward_again(opened: Open) -> None:
    tables = {"project_name": PROJECT, "environment": ENVIRONMENT}
    _, shell = opened(estate(roles=True, tables=tables))
    for base in ("source-server-topology", "tag-sync-config"):  # no platform has them
        boto3.client("dynamodb").delete_table(TableName=f"{PROJECT}-{base}-{ENVIRONMENT}")
    platform = Platform(shell.checkout.parent / "aws-elasticdrs-orchestrator", HUB)
    platform.deploy()
    before = platform.targets()
    theirs = {route: f"{PROJECT}-{base}-{ENVIRONMENT}" for route, base in platform.routes.items()}
    assert platform.served_by() == theirs

    answer = shell.follow(steps(BESIDE, last=5))
    assert '"status": "complete"' in answer
    assert len(inventory(PROJECT)) == 2
    assert platform.targets() == before

    shell.follow(steps(BESIDE, first=6, last=6))
    moved = {"tag-sync-schedule", "staging-account-sync", "inventory-sync"}
    assert platform.targets() == {base: function for base, function in before.items() if base not in moved}
    shell.follow(steps(BESIDE, first=7))
    manage = f"{PROJECT}-drs-sync-data-management-handler-{ENVIRONMENT}"
    ours = {route: name.replace(PROJECT, f"{PROJECT}-drs-sync") for route, name in theirs.items()}
    forward = before | dict.fromkeys(moved, manage)
    assert platform.targets() == forward
    assert platform.served_by() == ours | platform.others()

    shell.follow(steps(ROLL_BACK, last=3)[:-1])
    assert platform.targets() == before
    assert platform.served_by() == theirs
    shell.follow(steps(BESIDE, first=6))
    assert platform.targets() == forward
    assert platform.served_by() == ours | platform.others()

    shell.follow(steps(ROLL_BACK))
    assert platform.targets() == before
    kept = boto3.client("dynamodb").list_tables()["TableNames"]
    assert {f"{PROJECT}-source-server-topology-{ENVIRONMENT}", f"{PROJECT}-tag-sync-config-{ENVIRONMENT}"} <= set(kept)
    assert len(inventory(PROJECT)) == 2


def test_an_installation_as_a_container_only(opened: Open) -> None:
    _, shell = opened(estate(roles=False))
    shell.follow(steps(CONTAINER))
    [stack] = [
        each
        for each in boto3.client("cloudformation").describe_stacks()["Stacks"]
        if each["StackName"] == "drs-sync-container"
    ]
    assert stack["StackStatus"] == "CREATE_COMPLETE"


# These need no AWS: the command fails, or bash does, before a request.
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$ false\n", ""),
        ("$ false | cat\n", ""),
        ("$ echo $NOWHERE\n", "NOWHERE: unbound variable"),
        ("$ aws s3 mb s3://$HERE --no-such-option\n", "Unknown options: --no-such-option"),
        ("$ cat < nothing\n$ true\n", "nothing: No such file"),
    ],
)
def test_a_step_that_fails_is_noticed_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    page = f"# P\n\n```console\n$ HERE=a-bucket\n```\n\n```console\n{text}```\n"
    with Shell(tmp_path, {}) as shell, pytest.raises(StepError, match=rf"(?s)^line 7 \(P.*{message}"):
        shell.follow(blocks(page))


def test_the_variables_of_a_step_that_is_not_executed_are_looked_up(tmp_path: Path) -> None:
    page = "# P\n\n<!-- not executed: no engine -->\n```console\n$ docker build -t ${NOWHERE%%/*} .\n```\n"
    with Shell(tmp_path, {}) as shell, pytest.raises(StepError, match="NOWHERE: unbound variable"):
        shell.follow(blocks(page))
