"""Commands on a stdout that cannot show a host name, and on terminals that are too narrow for a table."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from service.cli.columns import Column, columns, pairs, table
from service.cli.main import run
from service.cli.output import print_text
from service.cli.streams import MIN_COLUMNS, set_up_streams
from tests.support import command
from tests.support.sandbox import EngineSandbox

HOST = "srv-東京-01"
SHOWN = "srv-??-01"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
WEST = "us-west-2"


@dataclass(frozen=True)
class Stdout:
    """Stdout of a command that runs in this process."""

    buffer: io.BytesIO

    def run(self, *arguments: str) -> tuple[int, bytes]:
        """Run a command line; return its exit code and what it wrote."""
        code = run(arguments)
        written = self.buffer.getvalue()
        self.buffer.seek(0)
        self.buffer.truncate()
        return code, written


def redirect(monkeypatch: pytest.MonkeyPatch, encoding: str, errors: str = "strict") -> Stdout:
    """Replace stdout by one with another encoding."""
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding=encoding, errors=errors))
    set_up_streams()
    return Stdout(buffer)


@pytest.fixture
def tokyo(start_sandbox: Callable[..., EngineSandbox]) -> EngineSandbox:
    """Provide a sandbox with a server whose name is not in Latin letters, synced."""
    sandbox = start_sandbox(a={WEST: {"servers": [{"hostname": HOST}]}}, b={WEST: {"servers": 1}})
    assert run(("sync", "inventory", "--full-scan", "-o", "json")) == 0
    return sandbox


@pytest.mark.parametrize(("encoding", "errors"), [("cp1252", "strict"), ("ascii", "surrogateescape")])
@pytest.mark.usefixtures("tokyo")
def test_every_command_writes_json_in_utf8_and_tables_with_marks(
    monkeypatch: pytest.MonkeyPatch, encoding: str, errors: str
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    stdout = redirect(monkeypatch, encoding, errors)
    for arguments in (["servers"], ["servers", "--hostname", "東京"], ["failback", HOST]):
        code, written = stdout.run(*arguments, "-o", "json")
        assert (code, HOST in json.dumps(json.loads(written), ensure_ascii=False)) == (0, True), arguments
        assert HOST.encode() in written
    code, written = stdout.run("failback", "--all")
    assert (code, HOST.encode() in written) == (0, True)
    for arguments in (["servers", "-o", "table"], ["failback", HOST], ["failback", HOST, "-o", "markdown"]):
        code, written = stdout.run(*arguments)
        assert (code, SHOWN in written.decode(encoding)) == (0, True), arguments
    for words in ("regions", "extended", "accounts list", "doctor", "sync all"):
        code, written = stdout.run(*words.split(), "-o", "table")
        assert (code, bool(written.decode(encoding))) == (0, True), words


@pytest.mark.deep
@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "cp1252"}, ASCII], ids=["cp1252", "C locale"])
def test_a_process_with_another_encoding(tokyo: EngineSandbox, environment: dict[str, str]) -> None:
    for unbuffered in ("", "1"):
        here = {**os.environ, **environment, "PYTHONUNBUFFERED": unbuffered}
        done = command.run("servers", "--hostname", "東京", text=False, env=here, real=True)
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
        assert [server["hostname"] for server in json.loads(done.stdout)["servers"]] == [HOST]
    assert tokyo.counts() == {WEST: 2}


@pytest.mark.usefixtures("tokyo")
def test_a_message_about_what_cannot_be_encoded_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    undecodable = os.fsencode("東京").decode("ascii", "surrogateescape")
    stdout = redirect(monkeypatch, "ascii")
    assert stdout.run("servers", "--hostname", undecodable, "-o", "json")[0] == 0
    code, written = stdout.run("servers", "--region", undecodable, "-o", "json")
    assert (code, json.loads(written)["error"]) == (2, "INVALID_PARAMETER")
    code, written = stdout.run("servers", undecodable, "-o", "json")
    assert (code, json.loads(written)["error"]) == (2, "Usage")


COLUMNS = (
    Column("name", can_be_cut=True),
    Column("id"),
    Column("region", 1),
    Column("account", 2),
    Column("source", 3),
)
ROW = (HOST, "s-0123456789abcdef0", WEST, "111122223333", "444455556666/us-east-1" * 3)


def shown(monkeypatch: pytest.MonkeyPatch, width: str | None) -> str:
    """Return a table and a pair as they are shown in a pipe with COLUMNS set to this."""
    monkeypatch.delenv("COLUMNS", raising=False)
    if width is not None:
        monkeypatch.setenv("COLUMNS", width)
    stdout = redirect(monkeypatch, "utf-8")
    print_text(table("1 of 1 servers", COLUMNS, [ROW]), pairs("one", [("name", "x" * 300)]))
    return stdout.buffer.getvalue().decode()


@pytest.mark.parametrize("width", [None, "0", "-3", "x", ""])
def test_without_a_terminal_there_is_no_limit(monkeypatch: pytest.MonkeyPatch, width: str | None) -> None:
    title, headings, row, _, pair = shown(monkeypatch, width).splitlines()
    assert title == "1 of 1 servers"
    assert (headings, row) == (*columns(COLUMNS, [ROW], None),)
    assert pair == f"name  {'x' * 300}"


@pytest.mark.parametrize("width", ["1", "10", "20", "40", "79"])
def test_no_width_hides_an_id_or_folds_a_row(monkeypatch: pytest.MonkeyPatch, width: str) -> None:
    _, headings, row, _, *folded = shown(monkeypatch, width).splitlines()
    assert (headings, row) == (*columns(COLUMNS, [ROW], max(int(width), MIN_COLUMNS)),)
    assert ROW[1] in row
    assert row.startswith("srv-東")
    assert max(map(len, folded)) <= max(int(width), MIN_COLUMNS)
    assert "".join(folded).replace(" ", "") == "name" + "x" * 300


def test_a_wide_terminal_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(ROW) <= set(shown(monkeypatch, "200").splitlines()[2].split())


@pytest.mark.parametrize("columns", ["0", "3", "10"])
def test_help_and_messages_on_a_narrow_terminal(columns: str) -> None:
    for arguments, code in ((["--help"], 0), (["sync", "nothing"], 2)):
        done = command.run(*arguments, env={**os.environ, "COLUMNS": columns})
        text = "".join((done.stdout + done.stderr).split())
        assert done.returncode == code
        assert ("inventory" if code == 0 else "nothing") in text
        assert max(map(len, done.stdout.splitlines())) >= MIN_COLUMNS
