"""Installation in an account of its own, and what follows it, step by step as docs/operations.md has it."""

from __future__ import annotations

import pytest

from tests.operations.conftest import TARGET, Open, sandbox
from tests.operations.paths import FRESH, INCIDENTS, LATER, OURS, inventory, rules, steps

pytestmark = pytest.mark.deep


def test_an_installation_in_a_fresh_account(opened: Open) -> None:
    _, shell = opened(sandbox(roles=False))
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
