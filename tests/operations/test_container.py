"""Installation as a container only, step by step as docs/operations.md has it."""

from __future__ import annotations

import boto3
import pytest

from tests.operations.conftest import Open, sandbox
from tests.operations.paths import CONTAINER, steps

pytestmark = pytest.mark.deep


def test_an_installation_as_a_container_only(opened: Open) -> None:
    _, shell = opened(sandbox(roles=False))
    shell.follow(steps(CONTAINER))
    [stack] = [
        each
        for each in boto3.client("cloudformation").describe_stacks()["Stacks"]
        if each["StackName"] == "drs-sync-container"
    ]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
