"""Simulated AWS and shell for the commands of docs/operations.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from service.sandbox.fleet import parse_model
from service.sandbox.fleet_models import Fleet
from service.sandbox.server import Sandbox
from tests.operations.shell import Shell

HUB, TARGET, STAGING, APPLICATION = "999900001111", "111122223333", "444455556666", "777788889999"

Open = Callable[..., tuple[Sandbox, Shell]]


def sandbox(*, roles: bool, **members: Any) -> dict[str, Any]:
    """Return a fleet of the accounts that docs/operations.md names; `roles`: whether the hub may enter them."""
    role = {} if roles else {"role": None}
    origin = {"account_id": APPLICATION, "region": "us-east-1"}
    return {
        "hub": {"account_id": HUB, "registered": False, "functions": [], "tag_sync_rule": False},
        "accounts": [
            {
                "account_id": TARGET,
                "registered": roles,
                **({"staging_accounts": [STAGING]} if roles else {}),
                **role,
                "regions": {"us-west-2": {"servers": 2, "origin": origin}},
            },
            {"account_id": STAGING, "kind": "staging", **role, "regions": {"us-west-2": {"servers": 1}}},
            {"account_id": APPLICATION, "kind": "application", **role},
        ],
        **members,
    }


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Start a simulated AWS and a shell in it."""
    with ExitStack() as stack:

        def open_both(members: dict[str, Any]) -> tuple[Sandbox, Shell]:
            sandbox = stack.enter_context(Sandbox(parse_model(Fleet, members, "test")))
            for name, value in sandbox.environment().items():
                monkeypatch.setenv(name, value)
            return sandbox, stack.enter_context(Shell(tmp_path, sandbox.environment()))

        yield open_both
