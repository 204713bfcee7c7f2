"""Installation beside the platform, roll back and forward again, step by step as docs/operations.md has it."""

from __future__ import annotations

import boto3
import pytest

from tests.operations.conftest import HUB, Open, sandbox
from tests.operations.paths import BESIDE, ROLL_BACK, inventory, steps
from tests.operations.platform import ENVIRONMENT, PROJECT, ExistingPlatform

pytestmark = pytest.mark.deep


def test_an_installation_beside_the_platform_and_back_and_forward_again(opened: Open) -> None:
    tables = {"project_name": PROJECT, "environment": ENVIRONMENT}
    _, shell = opened(sandbox(roles=True, tables=tables))
    for base in ("source-server-topology", "tag-sync-config"):  # no platform has them
        boto3.client("dynamodb").delete_table(TableName=f"{PROJECT}-{base}-{ENVIRONMENT}")
    platform = ExistingPlatform(shell.checkout.parent / "aws-elasticdrs-orchestrator", HUB)
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

    shell.follow(steps(ROLL_BACK)[:-1])
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
