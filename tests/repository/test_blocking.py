"""Blocking calls on the event loop fail every test, even when the error is caught."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from blockbuster import BlockingError

import service
from tests.simulation.clock import run
from tests.support.blocking import BlockingCalls

# Stands for a module of service: the detector looks at the file names on the stack.
_SOURCE = """
import socket, time
from pathlib import Path

def sleep():
    time.sleep(0.001)

def read():
    with open(__file__) as file:
        return file.read()

def stat():
    return Path(__file__).exists()

def receive():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")
        return ours.recv(1)

def resolve():
    return socket.getaddrinfo("localhost", 80)

def call(function):
    function()

def caught():
    try:
        sleep()
    except Exception:
        return "caught"
"""


def planted(file: Path) -> dict[str, Callable[..., Any]]:
    """Compile functions that block, as if they were in `file`."""
    names: dict[str, Any] = {"__file__": str(Path(service.__path__[0]) / "models.py")}
    exec(compile(_SOURCE, str(file), "exec"), names)  # noqa: S102
    return names


SERVICE = planted(Path(service.__path__[0]) / "planted.py")
KINDS = {
    "sleep": "time.sleep",
    "read": "builtins.open",
    "stat": "os.stat",
    "receive": "socket.socket.send",
    "resolve": "socket.getaddrinfo",
}


@pytest.mark.parametrize(("name", "function"), KINDS.items())
async def test_a_blocking_call_on_the_loop_is_refused(name: str, function: str, blocking_calls: BlockingCalls) -> None:
    with pytest.raises(BlockingError, match=function):
        SERVICE[name]()
    with pytest.raises(pytest.fail.Exception, match=rf"^service/planted\.py:\d+ \({name}\) calls {function}, .*Fix:"):
        blocking_calls.check()


async def test_a_blocking_call_whose_error_is_caught_fails_the_test_all_the_same(blocking_calls: BlockingCalls) -> None:
    assert SERVICE["caught"]() == "caught"
    with pytest.raises(pytest.fail.Exception, match=r"time\.sleep"):
        blocking_calls.check()
    blocking_calls.check()  # each call is reported once


@pytest.mark.parametrize("runner", [run, lambda work: asyncio.run(work(None))], ids=["virtual loop", "asyncio.run"])
def test_a_loop_that_a_test_runs_by_itself_is_watched_too(
    runner: Callable[[Callable[[object], Any]], object], blocking_calls: BlockingCalls
) -> None:
    async def work(_: object) -> None:
        SERVICE["sleep"]()

    with pytest.raises(BlockingError, match=r"time\.sleep"):
        runner(work)
    with pytest.raises(pytest.fail.Exception, match=r"time\.sleep"):
        blocking_calls.check()


@pytest.mark.parametrize("name", KINDS)
async def test_threads_tests_and_the_sandbox_may_block(name: str) -> None:
    await anyio.to_thread.run_sync(SERVICE[name])
    planted(Path(__file__))[name]()
    planted(Path(service.__path__[0]) / "sandbox" / "planted.py")[name]()
    SERVICE["call"](planted(Path(__file__))[name])  # as a test does in place of a function of service


def test_without_a_loop_everything_may_block() -> None:
    for name in KINDS:
        SERVICE[name]()


async def test_a_socket_of_the_loop_does_not_block() -> None:
    """asyncio's own sockets are in non-blocking mode, so their calls return at once."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0)
        theirs.settimeout(0)
        await asyncio.get_running_loop().sock_sendall(theirs, b"x")
        assert await asyncio.get_running_loop().sock_recv(ours, 1) == b"x"
