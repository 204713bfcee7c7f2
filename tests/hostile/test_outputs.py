"""Host names and tags are other people's text: no output of ours lets them act."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from service.handlers import data_management
from service.sandbox.moto_drs import drs_backends
from tests.support.command import CHECKOUT, COMMAND
from tests.support.estate import Estate

SCOPE = "us-west-2"
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
# What a terminal obeys, and what reorders or breaks a line for the eye alone. Line feeds are looked at apart.
OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def infested(estate: Estate) -> Iterator[Estate]:
    """Give an estate whose first servers are called and tagged as somebody hostile might."""
    servers = list(drs_backends[estate.names.a][SCOPE].source_servers.values())
    for number, name in enumerate(NAMES):
        record = servers[number % len(servers)].record
        if number < len(servers):
            whole = name if number else " ".join(NAMES)
            record["sourceProperties"]["identificationHints"]["hostname"] = whole
            record["sourceProperties"]["identificationHints"]["fqdn"] = f"{name}.example"
        record["tags"][f"t{number} {name}"[:120]] = name
    data_management.lambda_handler({"operation": "sync_source_server_inventory"}, None)
    yield estate
    data_management.host.close()


def _ended(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    here = {**os.environ, **CHECKOUT, **environment}
    return subprocess.run([COMMAND, *words], capture_output=True, text=True, check=False, env=here)


def _run(*words: str) -> str:
    done = _ended(*words, COLUMNS="900")
    assert done.returncode == 0, done.stderr
    assert not OBEYED.search(done.stderr), ascii(done.stderr)
    return done.stdout


@pytest.mark.parametrize("words", ["servers", "regions", "accounts list"])
def test_tables_show_no_command_to_the_terminal(words: str, infested: Estate) -> None:
    shown = _run(*words.split(), "--output", "table")
    assert not OBEYED.search(shown), ascii(shown)
    if words == "servers":
        assert "<script>" in shown  # as it is
        assert "[bold]x[/bold]" in shown


@pytest.mark.parametrize("words", ["servers", "failback --all"])
def test_json_keeps_the_text_and_escapes_it(words: str, infested: Estate) -> None:
    shown = _run(*words.split(), "--output", "json")
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", shown)
    assert "\x1b" in json.dumps(json.loads(shown)).encode().decode("unicode_escape")


def test_runbooks_show_no_command_and_no_markup(infested: Estate) -> None:
    server_id = next(iter(drs_backends[infested.names.a][SCOPE].source_servers.values())).source_server_id
    text = _run("failback", server_id, "--output", "text")
    assert not OBEYED.search(text), ascii(text)
    assert not re.search(r"^line two", text, re.MULTILINE)
    markdown = _run("failback", server_id, "--output", "markdown")
    assert not OBEYED.search(markdown), ascii(markdown)
    assert "<script>" not in markdown
    assert not re.search(r"(?<!\\)\]\(", markdown)  # no link
    assert not re.search(r"^# heading", markdown, re.MULTILINE)


def test_no_cell_of_an_export_is_a_formula(infested: Estate) -> None:
    shown = _run("failback", "--all", "--output", "csv")
    assert not OBEYED.search(shown), ascii(shown)
    rows = list(csv.reader(io.StringIO(shown)))
    assert len(rows) == 1 + 11
    assert len({len(row) for row in rows}) == 1  # no name broke a row
    assert not [cell for row in rows for cell in row if re.match(r"\s*[=+\-@\t\r]", cell)]


def test_a_log_line_stays_one_line(infested: Estate) -> None:
    """A record that cannot be used is logged with its id, and that is somebody's text as well."""
    record: dict[str, Any] = next(iter(drs_backends[infested.names.a][SCOPE].source_servers.values())).record
    record["arn"] = f"no arn{ESCAPES}\nforged: line"
    record["sourceServerID"] = f"s-1{ESCAPES}\n" + '{"level": "INFO", "message": "all is well"}'
    done = _ended("sync", "inventory", "--output", "json")
    assert done.returncode == 3  # partial: the record is named
    assert not OBEYED.search(done.stderr), ascii(done.stderr)
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [line for line in lines if line.get("message") == "unusable record"]
    assert not [line for line in lines if line.get("message") == "all is well"]
    report = json.loads(done.stdout)
    assert "UnusableRecord" in {error["code"] for error in report["errors"]}


def test_what_aws_says_is_other_peoples_text_too(infested: Estate) -> None:
    message = f"{ESCAPES}\nall is well"
    infested.faults(deny=[{"account_id": infested.names.a, "service": "drs", "message": message}])
    for form in ("table", "json"):
        done = _ended("sync", "inventory", "--output", form)
        assert done.returncode in {1, 3}
        assert not OBEYED.search(done.stderr), ascii(done.stderr)
        if form == "table":
            assert not OBEYED.search(done.stdout), ascii(done.stdout)
            assert not re.search(r"^all is well", done.stdout, re.MULTILINE)
