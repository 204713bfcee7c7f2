"""`drs-sync status`: the screen, the document and its schema, and the exit code that cron reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from tests.cli.test_unknown import command, sync_inventory
from tests.support.sandbox import EngineSandbox

EAST, WEST = "us-east-1", "us-west-2"
SCHEMA: Final = json.loads((Path(__file__).parents[2] / "docs" / "estate.schema.json").read_text())


@pytest.fixture
def estate(start_sandbox: Callable[..., EngineSandbox]) -> EngineSandbox:
    """Start a sandbox with a stalled server in A, whose region us-west-2 a policy denies."""
    sandbox = start_sandbox(a={EAST: {"servers": 3}, WEST: {"servers": 4}}, b={EAST: {"servers": 1}})
    info = sandbox.records(sandbox.names.a, EAST)[0]["dataReplicationInfo"]
    info.update(dataReplicationState="STALLED", dataReplicationError={"error": "AGENT_NOT_SEEN"})
    sandbox.faults(deny=[{"account_id": sandbox.names.a, "region": WEST, "service": "drs", "scp": True}])
    sync_inventory()
    return sandbox


def document(*arguments: str, exit_code: int) -> dict[str, Any]:
    code, out, _ = command("status", *arguments)
    assert code == exit_code
    body: dict[str, Any] = json.loads(out)
    jsonschema.validate(body, SCHEMA, format_checker=jsonschema.FormatChecker())
    return body


def test_the_document_is_what_its_schema_says(estate: EngineSandbox) -> None:
    body = document(exit_code=3)
    assert (body["verdict"], body["complete"]) == ("notReady", False)
    assert body["servers"]["stalled"] == 1
    assert [each["code"] for each in body["needsYou"]][:2] == ["STALLED_AGENT_NOT_SEEN", "UNKNOWN_SCP_DENIED"]
    document("--account", estate.names.b, exit_code=0)


def test_the_screen_says_no_names_the_cause_and_the_command(estate: EngineSandbox) -> None:
    code, out, _ = command("status", "--output", "table")
    assert code == 3
    assert "NO: 3 of at least 4 servers are ready\n" in out
    assert "1 server stalled: AGENT_NOT_SEEN" in out
    assert "drs-sync servers --state STALLED" in out
    assert "1 scope unknown: SCP_DENIED (us-west-2)" in out
    assert "100 %" not in out
    assert len(out.splitlines()) <= 24


def test_quiet_prints_nothing_where_all_is_well(estate: EngineSandbox) -> None:
    assert command("status", "--quiet", "--account", estate.names.b)[:2] == (0, "")
    code, out, _ = command("status", "--quiet", "--output", "table")
    assert (code, bool(out)) == (3, True)


@pytest.mark.usefixtures("estate")
def test_a_wrong_account_is_wrong_usage() -> None:
    assert command("status", "--account", "12")[0] == 2
    assert command("status", "--account", "999999999999")[0] == 2
