"""The paths through docs/operations.md, and what they leave in the simulated AWS."""

from __future__ import annotations

from typing import Any

import boto3

from tests.operations.page import ROOT, Block, blocks

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
