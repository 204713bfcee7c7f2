"""`drs-sync report`: the same numbers as the tables in every format, read without DRS."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_unknown import command, sync_inventory
from tests.support.sandbox import EngineSandbox

EAST, WEST = "us-east-1", "us-west-2"


@pytest.fixture
def estate(start_sandbox: Callable[..., EngineSandbox]) -> EngineSandbox:
    """Start a sandbox with a stalled server in A, whose region us-west-2 is denied after the first sync."""
    sandbox = start_sandbox(
        a={EAST: {"servers": [{"hostname": "<b>web</b>"}, {"hostname": "=app"}]}, WEST: {"servers": 4}},
        b={EAST: {"servers": 1}},
    )
    info = sandbox.records(sandbox.names.a, EAST)[0]["dataReplicationInfo"]
    info.update(dataReplicationState="STALLED", dataReplicationError={"error": "AGENT_NOT_SEEN"})
    sync_inventory()
    return sandbox


def test_the_formats_show_the_servers_of_the_tables_and_drs_is_not_called(
    estate: EngineSandbox, tmp_path: Path
) -> None:
    before = estate.calls()
    code, out, _ = command("report", "--output", "json")
    body = json.loads(out)
    assert (code, body["complete"], body["serversListed"]) == (0, True, 7)
    assert body["servers"][0]["posture"] == "stalled"
    assert body["servers"][0]["postureReason"] == "AGENT_NOT_SEEN"
    assert body["servers"][0]["postureSince"]
    assert len(body["runbooks"]) == 7
    assert "FAILBACK of " in body["runbooks"][0]["text"]

    code, out, _ = command("report", "--output", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, len(rows)) == (0, 7)
    assert {row["posture"] for row in rows} == {"stalled", "ready"}

    page = tmp_path / "estate.html"
    code, out, err = command("report", "--file", str(page))
    assert (code, out) == (0, "")
    assert f"wrote {page}: 7 servers" in err
    text = page.read_text()
    assert text.count('<section class="server"') == 7
    assert "NO: 6 of 7 servers are ready" in text
    assert "&lt;b&gt;web" in text
    assert "<b>" not in text
    assert list(tmp_path.iterdir()) == [page]
    assert not [call for call in estate.calls() - before if call[0] in {"drs", "ec2"}]


def test_a_scope_that_was_never_read_makes_it_incomplete(estate: EngineSandbox) -> None:
    estate.set(DRS_REGIONS=f"{EAST} {WEST} eu-west-1 eu-west-2")
    code, out, _ = command("report", "--output", "md")
    assert code == 3
    assert "unknown" in out
    assert "%)" not in out


def test_only_the_accounts_that_are_named(estate: EngineSandbox) -> None:
    code, out, _ = command("report", "--output", "csv", "--account", estate.names.b)
    assert code == 0
    assert [row["accountId"] for row in csv.DictReader(io.StringIO(out))] == [estate.names.b]
    assert command("report", "--account", "12")[0] == 2


@pytest.mark.usefixtures("estate")
def test_a_file_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    code, out, err = command("report", "--file", str(tmp_path / "none" / "x.csv"))
    assert (code, out) == (2, "")
    assert "cannot be written: No such file or directory. Fix: " in err


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "service.pages.html", raising=False)
    code, _, err = command("report")
    assert code == 2
    assert "pip install 'drs-sync[web]'" in err
