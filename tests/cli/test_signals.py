"""SIGTERM and Ctrl-C from the first moment of a process on, also as PID 1 and without signal handlers of asyncio."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.command import start
from tests.support.received_calls import Hold, ReceivedCall
from tests.support.sandbox import EngineSandbox

pytestmark = pytest.mark.deep

PID_1 = ["unshare", "--pid", "--fork"]

# Makes the import of the commands wait for a line on stdin. Tells on stderr that it began, and of each signal.
SLOW_IMPORT = """
import os, select, signal, sys
class Waiting:
    def find_spec(name, path=None, target=None):
        if name != "service.cli.main":
            return
        sys.meta_path.remove(Waiting)
        signals, wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup)
        os.write(2, b"loading\\n")
        while 0 not in (ready := select.select([0, signals], [], [])[0]):
            os.read(signals, 1)
            os.write(2, b"heard\\n")  # the handler has run, or the process has ended
        signal.set_wakeup_fd(-1)
sys.meta_path.insert(0, Waiting)
"""
# What the event loops of Windows do.
NO_LOOP_SIGNALS = """
import asyncio.unix_events
def missing(*arguments):
    raise NotImplementedError
loop = asyncio.unix_events._UnixSelectorEventLoop
loop.add_signal_handler = loop.remove_signal_handler = missing
"""


def has_pid_namespaces() -> bool:
    try:
        return subprocess.run([*PID_1, "true"], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


as_pid_1 = pytest.param(
    PID_1,
    id="PID 1",
    marks=pytest.mark.skipif(not has_pid_namespaces(), reason="no permission to make a PID namespace"),
)
everywhere = pytest.mark.parametrize("around", [pytest.param([], id="plain"), as_pid_1])


class Running:
    """A command that runs, alone or as PID 1 of a namespace, with code that runs before it."""

    def __init__(self, folder: Path, *arguments: str, around: Sequence[str] = (), before: str = "") -> None:
        environment = dict(os.environ)
        if before:
            (folder / "sitecustomize.py").write_text(before)
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
        self.process = start(
            *arguments,
            text=False,
            around=around,
            real=bool(before),
            env=environment,
            stdin=subprocess.PIPE,
        )
        self._is_inner = bool(around)

    def wait_for(self, line: bytes) -> None:
        """Wait for a line on stderr."""
        assert self.process.stderr is not None
        assert any(line in each for each in self.process.stderr), "it ended before"

    def send(self, number: int) -> None:
        """Send a signal to the command, not to what runs it."""
        pid = self.process.pid
        if self._is_inner:
            pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        os.kill(pid, number)

    def finish(self, data: bytes = b"") -> tuple[int, bytes, str]:
        """Give it its stdin; return its exit code, stdout and what is left of stderr."""
        out, err = self.process.communicate(data, timeout=300)
        assert b"Traceback" not in err, err
        return self.process.returncode, out, err.decode()


@everywhere
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_commands_are_loading_is_obeyed_after_it(
    tmp_path: Path, around: list[str], number: int
) -> None:
    running = Running(tmp_path, "sync", "inventory", around=around, before=SLOW_IMPORT)
    running.wait_for(b"loading")
    running.send(number)
    running.wait_for(b"heard")
    code, out, err = running.finish(b"\n")
    assert (code, json.loads(out)["error"]) == (1, "Interrupted")
    assert "interrupted before the command began" in err


@everywhere
def test_a_second_signal_while_loading_ends_the_process_at_once(tmp_path: Path, around: list[str]) -> None:
    running = Running(tmp_path, "sync", "inventory", around=around, before=SLOW_IMPORT)
    running.wait_for(b"loading")
    running.send(signal.SIGTERM)
    running.wait_for(b"heard")  # two signals that wait at the same time are one
    running.send(signal.SIGTERM)
    code, out, _ = running.finish()
    assert (code, out) == (128 + signal.SIGTERM if around else -signal.SIGTERM, b"")


def is_scan(call: ReceivedCall) -> bool:
    return call.operation == "DescribeSourceServers"


@pytest.fixture
def scans(sandbox: EngineSandbox) -> Iterator[Hold]:
    """Let no scan of a sandbox end within a test."""
    with sandbox.received_calls().holding(is_scan) as hold:
        yield hold


@everywhere
@pytest.mark.parametrize("before", ["", NO_LOOP_SIGNALS], ids=["", "as on Windows"])
def test_a_sync_that_is_told_to_stop_reports(scans: Hold, tmp_path: Path, around: list[str], before: str) -> None:
    running = Running(tmp_path, "sync", "inventory", around=around, before=before)
    scans.wait()
    running.send(signal.SIGTERM)
    code, out, err = running.finish()
    report = json.loads(out)
    assert (code, report["status"]) == (1, "failed")
    assert all("told to stop" in error["message"] for error in report["errors"])
    assert "another signal ends it at once" in err


@everywhere
def test_the_second_signal_ends_a_sync_at_once(sandbox: EngineSandbox, tmp_path: Path, around: list[str]) -> None:
    received = sandbox.received_calls()
    with received.holding(is_scan) as scans:
        running = Running(tmp_path, "sync", "inventory", around=around)
        scans.wait()
        with received.holding(lambda call: call.service == "dynamodb"):  # so that it cannot end by itself
            running.send(signal.SIGTERM)
            running.wait_for(b"stopping")
            running.send(signal.SIGTERM)
            code, out, _ = running.finish()
    assert (code, out) == (128 + signal.SIGTERM if around else -signal.SIGTERM, b"")


@everywhere
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_query_that_is_told_to_stop_ends(scans: Hold, tmp_path: Path, around: list[str], number: int) -> None:
    running = Running(tmp_path, "servers", around=around)
    scans.wait()
    running.send(number)
    code, out, err = running.finish()
    assert (code, json.loads(out)["error"]) == (1, "Interrupted")
    assert "interrupted" in err
