"""Host names and tags are untrusted text: no output lets them control a terminal, a spreadsheet or a log."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest

from service.handlers import data_management
from service.sandbox.moto_drs import drs_backends
from tests.support.command import run
from tests.support.sandbox import EngineSandbox

REGION = "us-west-2"
ESCAPES = "\x1b[31m\x1b]0;owned\x07\x9b2J"
NAMES = (
    f"{ESCAPES}app01",
    "=cmd|' /C calc'!A0",
    "+1+cmd",
    "@SUM(1)",
    "-2+3",
    "\t=1+1",
    "<script>alert(1)</script>",
    "![x](http://evil.invalid/x.png) [bold]x[/bold] | `rm -rf /`",
    "line one\r\nline two\u2028line three\n# heading",
    "\u202etxt.exe",
)
# Characters that control a terminal, and those that reorder or break a line on display. Line feeds are checked apart.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def hostile_sandbox(sandbox: EngineSandbox) -> Iterator[EngineSandbox]:
    """Return a sandbox whose first servers have hostile names and tags."""
    servers = list(drs_backends[sandbox.names.a][REGION].source_servers.values())
    for number, name in enumerate(NAMES):
        record = servers[number % len(servers)].record
        if number < len(servers):
            hostname = name if number else " ".join(NAMES)
            record["sourceProperties"]["identificationHints"]["hostname"] = hostname
            record["sourceProperties"]["identificationHints"]["fqdn"] = f"{name}.example"
        record["tags"][f"t{number} {name}"[:120]] = name
    data_management.lambda_handler({"operation": "sync_source_server_inventory"}, None)
    yield sandbox
    data_management.runtime.close()


def _run(*words: str) -> str:
    done = run(*words, env={**os.environ, "COLUMNS": "900"})
    assert done.returncode == 0, done.stderr
    assert not CONTROL.search(done.stderr), ascii(done.stderr)
    return done.stdout


@pytest.mark.parametrize("words", ["servers", "regions", "accounts list"])
def test_tables_show_no_command_to_the_terminal(words: str, hostile_sandbox: EngineSandbox) -> None:
    shown = _run(*words.split(), "--output", "table")
    assert not CONTROL.search(shown), ascii(shown)
    if words == "servers":
        assert "<script>" in shown  # as it is
        assert "[bold]x[/bold]" in shown


@pytest.mark.parametrize("words", ["servers", "failback --all"])
def test_json_keeps_the_text_and_escapes_it(words: str, hostile_sandbox: EngineSandbox) -> None:
    shown = _run(*words.split(), "--output", "json")
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", shown)
    assert "\x1b" in json.dumps(json.loads(shown)).encode().decode("unicode_escape")


def test_runbooks_show_no_command_and_no_markup(hostile_sandbox: EngineSandbox) -> None:
    server_id = next(iter(drs_backends[hostile_sandbox.names.a][REGION].source_servers.values())).source_server_id
    text = _run("failback", server_id, "--output", "text")
    assert not CONTROL.search(text), ascii(text)
    assert not re.search(r"^line two", text, re.MULTILINE)
    markdown = _run("failback", server_id, "--output", "markdown")
    assert not CONTROL.search(markdown), ascii(markdown)
    assert "<script>" not in markdown
    assert not re.search(r"(?<!\\)\]\(", markdown)  # no link
    assert not re.search(r"^# heading", markdown, re.MULTILINE)


def test_no_cell_of_an_export_is_a_formula(hostile_sandbox: EngineSandbox) -> None:
    shown = _run("failback", "--all", "--output", "csv")
    assert not CONTROL.search(shown), ascii(shown)
    rows = list(csv.reader(io.StringIO(shown)))
    assert len(rows) == 1 + 11
    assert len({len(row) for row in rows}) == 1  # no name broke a row
    assert not [cell for row in rows for cell in row if re.match(r"\s*[=+\-@\t\r]", cell)]


def test_a_log_line_stays_one_line(hostile_sandbox: EngineSandbox) -> None:
    """The log message about an unusable record has the record's id, which is untrusted text too."""
    record: dict[str, Any] = next(iter(drs_backends[hostile_sandbox.names.a][REGION].source_servers.values())).record
    record["arn"] = f"no arn{ESCAPES}\nforged: line"
    record["sourceServerID"] = f"s-1{ESCAPES}\n" + '{"level": "INFO", "message": "all is well"}'
    done = run("sync", "inventory", "--output", "json")
    assert done.returncode == 3  # partial: the record is named
    assert not CONTROL.search(done.stderr), ascii(done.stderr)
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [line for line in lines if line.get("message") == "unusable record"]
    assert not [line for line in lines if line.get("message") == "all is well"]
    report = json.loads(done.stdout)
    assert "UnusableRecord" in {error["code"] for error in report["errors"]}


def test_error_messages_of_aws_are_untrusted_text_too(hostile_sandbox: EngineSandbox) -> None:
    message = f"{ESCAPES}\nall is well"
    hostile_sandbox.faults(deny=[{"account_id": hostile_sandbox.names.a, "service": "drs", "message": message}])
    for form in ("table", "json"):
        done = run("sync", "inventory", "--output", form)
        assert done.returncode in {1, 3}
        assert not CONTROL.search(done.stderr), ascii(done.stderr)
        if form == "table":
            assert not CONTROL.search(done.stdout), ascii(done.stdout)
            assert not re.search(r"^all is well", done.stdout, re.MULTILINE)
