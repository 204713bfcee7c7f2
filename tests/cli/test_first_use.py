"""Read commands before the first sync: what they say, what they count as an error, and what they write."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_servers import run_json
from tests.cli.test_unknown import command
from tests.support.command import start
from tests.support.sandbox import FEW_REGIONS, EngineSandbox, Names, new_account_id, two_targets

CTRL_C = b"\x03"
OFF, WEST = "me-south-1", "us-west-2"
NOTHING_KNOWN = "nothing is known yet: run drs-sync sync inventory"


@pytest.fixture
def first(monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineSandbox]:
    """Provide a sandbox that was never synced, and in which A has switched a region off."""
    names = Names(*(new_account_id() for _ in range(4)))
    members = two_targets(names)
    members["accounts"][0]["regions_off"] = [OFF]
    with EngineSandbox(members, names, monkeypatch) as sandbox:
        sandbox.set(DRS_REGIONS=" ".join([*FEW_REGIONS, OFF]))
        yield sandbox


def test_a_region_that_is_switched_off_is_no_error_in_any_command(first: EngineSandbox) -> None:
    body = run_json("servers", "--no-refresh")
    assert (body["count"], body["complete"], body["errors"], body["unknown"]) == (11, True, [], [])
    (scope,) = [each for each in body["scopes"] if (each["accountId"], each["region"]) == (first.names.a, OFF)]
    assert (scope["servers"], "error" in scope) == (0, False)
    assert run_json("extended", "--no-refresh")["errors"] == []
    report = run_json("sync", "inventory")
    assert report["errors"] == []
    assert [(each["accountId"], each["regions"]) for each in report["warnings"]] == [(first.names.a, [OFF])]
    assert run_json("servers")["errors"] == run_json("regions")["unknown"] == []


def test_a_session_that_every_region_rejects_stays_an_error(first: EngineSandbox) -> None:
    rejected = {
        "operation": "DescribeSourceServers",
        "error": "UnrecognizedClientException",
        "status": 403,
        "times": 99,
    }
    first.faults(fail=[{"account_id": first.names.a, **rejected}])
    body = run_json("servers", "--no-refresh", exit_code=3)
    assert {each["code"] for each in body["errors"]} == {"UnrecognizedClientException"}
    assert {each["accountId"] for each in body["unknown"]} == {first.names.a}


def test_before_the_first_sync_every_read_command_says_so(first: EngineSandbox) -> None:
    for arguments in (["servers", "--no-refresh"], ["extended", "--no-refresh"]):
        code, out, err = command(*arguments, "-o", "table")
        assert (code, f"{NOTHING_KNOWN}; this answer was read from DRS" in err.replace("\n", " ")) == (0, True)
        assert NOTHING_KNOWN not in command(*arguments, "-o", "json")[1]
        assert out
    code, out, _ = command("regions", "-o", "table")
    assert (code, NOTHING_KNOWN in out) == (3, True)
    assert (first.items(), first.status()) == ([], {})
    run_json("sync", "inventory")
    assert NOTHING_KNOWN not in "".join(map(str, command("servers", "--no-refresh")))


def _wait_until_it_waits(pid: int) -> None:
    """Wait until a process that has asked sleeps in its read: a signal between the two is handled by the next key only.

    A person does not type that fast.
    """
    state = Path(f"/proc/{pid}/stat")
    while state.exists() and state.read_text().rpartition(")")[2].split()[0] != "S":
        time.sleep(0.005)


def on_a_terminal(*arguments: str, answer: bytes) -> tuple[int, str]:
    """Run a command on a terminal of 80 columns, type an answer, and return its exit code and what is shown."""
    reader, writer = os.openpty()
    environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    process = start(*arguments, env=environment, stdin=writer, stdout=writer, stderr=writer)
    os.close(writer)
    shown = b""
    try:
        while True:
            try:
                shown += os.read(reader, 65536)
            except OSError:  # of a terminal that nobody has open any more
                break
            if answer and b"[y/N]" in shown:
                if answer == CTRL_C:  # the terminal is not the one that controls the process
                    _wait_until_it_waits(process.pid)
                    process.send_signal(signal.SIGINT)
                else:
                    os.write(reader, answer)
                answer = b""
        return process.wait(timeout=300), shown.decode()
    finally:
        os.close(reader)


@pytest.mark.parametrize(
    ("options", "answer", "written"),
    [
        ([], b"n\n", False),
        ([], b"\n", False),
        ([], b"\x04", False),
        ([], CTRL_C, False),
        ([], b"y\n", True),
        (["--refresh"], b"", True),
        (["--no-refresh"], b"", False),
    ],
    ids=["no", "nothing", "end of input", "Ctrl-C", "yes", "--refresh", "--no-refresh"],
)
def test_on_a_terminal_a_read_command_asks_before_it_writes(
    first: EngineSandbox, options: list[str], answer: bytes, *, written: bool
) -> None:
    code, shown = on_a_terminal("servers", "--region", WEST, *options, answer=answer)
    assert code == 0, shown
    assert "8 of 8 servers" in shown
    assert ("2 scopes are stale in the inventory. Sync them now? [y/N]" in shown) is (not options)
    assert ("refreshed 2 stale scopes: complete" in shown) is written
    assert bool(first.items()) is written
    assert "Traceback" not in shown


def test_in_a_pipe_stale_scopes_are_synced_unless_an_option_says_no(first: EngineSandbox) -> None:
    assert "refreshed 1 stale scopes" in command("servers", "--account", first.names.b, "--region", WEST)[2]
    assert len(first.items()) == 2


def test_a_terminal_shows_warnings_as_paragraphs_and_a_pipe_as_json_lines(first: EngineSandbox) -> None:
    run_json("sync", "inventory")
    first.faults(deny=[{"account_id": first.names.b, "service": "drs"}])
    code, shown = on_a_terminal("sync", "inventory", answer=b"")
    assert code == 3
    assert '"level"' not in shown
    warning, report = shown.index("region looked at"), shown.index("sync_source_server_inventory: partial")
    assert warning < shown.index("Fix: a scope failed there") < report < shown.index("AccessDeniedException", report)
    lines = command("sync", "inventory")[2].splitlines()
    assert "region looked at" in {json.loads(line).get("message") for line in lines if line.startswith("{")}
