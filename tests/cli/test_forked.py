"""Commands that tests fork from a server behave as new processes do."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import command
from tests.support.command import CHECKOUT, run, start

pytestmark = pytest.mark.deep


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove every setting from the environment."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.endswith("_TABLE"):
            monkeypatch.delenv(name)


class Silent:
    """A server that accepts requests and never answers."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(60)
        self._accepted: list[socket.socket] = []
        self.environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._listener.getsockname()[1]}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIA",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "DRS_REGION_STATUS_TABLE": "regions",
            "TARGET_ACCOUNTS_TABLE": "accounts",
            "QUERY_DEADLINE_SECONDS": "600",
            "READ_TIMEOUT_SECONDS": "300",
            "NO_PROXY": "127.0.0.1",
        }

    def wait_for_call(self) -> None:
        """Wait for the first bytes of a request; a slow machine may give up a connection before it has sent any."""
        self._accepted.append(self._listener.accept()[0])
        while not self._accepted[-1].recv(1):
            self._accepted.append(self._listener.accept()[0])

    def close(self) -> None:
        for connection in (*self._accepted, self._listener):
            connection.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    with closing(Silent()) as server:
        yield server


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--help"], {"COLUMNS": "70"}),
        (["--help"], {"PYTHONIOENCODING": "ascii"}),
        (["sync", "inventory", "-o", "table"], {"PYTHONUNBUFFERED": "1"}),
        (["servers", "--region", "\udce6"], {"AWS_REGION": "us-east-1", "LC_ALL": "C", "PYTHONUTF8": "0"}),
    ],
)
def test_output_and_exit_code_are_those_of_a_new_process(arguments: list[str], environment: Mapping[str, str]) -> None:
    here = {**os.environ, **environment}
    real, forked = (run(*arguments, env=here, text=False, real=each) for each in (True, False))
    assert (forked.returncode, forked.stdout, forked.stderr) == (real.returncode, real.stdout, real.stderr)


def test_running_as_a_module_is_the_same_command() -> None:
    program = [sys.executable, "-m", "service.cli", "sync", "nothing"]
    done = subprocess.run(program, env={**os.environ, **CHECKOUT}, capture_output=True, text=True, check=False)
    forked = run("sync", "nothing")
    assert (forked.returncode, forked.stdout, forked.stderr) == (done.returncode, done.stdout, done.stderr)


def _state(pid: int) -> tuple[dict[str, int], int, list[str]]:
    """Return the signal masks of a process, its group, and its open files."""
    lines = [line.partition(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    masks = {name: int(value, 16) & 0xFFFFFFFF for name, _, value in lines if name.startswith("Sig") and name != "SigQ"}
    files = Path(f"/proc/{pid}/fd").iterdir()
    return masks, os.getpgid(pid), sorted(f"{file.name} {str(file.readlink()).partition(':')[0]}" for file in files)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_signal_masks_and_open_files_are_those_of_a_new_process() -> None:
    inherited = os.open("/dev/null", os.O_RDONLY)
    states = []
    for real in (True, False):
        with (
            closing(Silent()) as silent,
            start("regions", env=silent.environment, real=real, stdin=subprocess.PIPE) as process,
        ):
            silent.wait_for_call()
            states.append(_state(process.pid))
            process.kill()
            process.communicate()
    os.close(inherited)
    assert states[0] == states[1]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGHUP, -signal.SIGHUP), (signal.SIGTERM, 1)]
)
def test_a_signal_ends_it(silent: Silent, number: int, code: int) -> None:
    with start("regions", env=silent.environment) as process:
        silent.wait_for_call()
        assert process.poll() is None
        process.send_signal(number)
        out, _ = process.communicate(timeout=300)
    assert process.returncode == code
    assert ('"Interrupted"' in out) is (code == 1)
    process.send_signal(number)  # does nothing, and reaches no other process


def test_a_time_limit_ends_it(silent: Silent) -> None:
    with pytest.raises(subprocess.TimeoutExpired) as raised:
        run("regions", env=silent.environment, timeout=0.01)
    assert raised.value.timeout == 0.01


@pytest.mark.parametrize("own_session", [True, False])
def test_it_has_a_session_or_a_group_of_its_own_when_asked(silent: Silent, *, own_session: bool) -> None:
    group = -1 if own_session else 0
    with start("regions", env=silent.environment, start_new_session=own_session, process_group=group) as process:
        silent.wait_for_call()
        group, session = os.getpgid(process.pid), os.getsid(process.pid)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=300)
    assert group == process.pid
    assert (session == process.pid) is own_session


def test_the_directory_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("hub: {")
    done = run("sandbox", "--port", "0", "--fleet", "fleet.yaml", cwd=tmp_path)
    assert "fleet.yaml: not YAML" in done.stdout, done


def test_its_cpu_time_is_counted_once_it_has_ended(silent: Silent) -> None:
    run("--version")
    before = command.children_cpu_s()
    with start("regions", env=silent.environment) as process:
        silent.wait_for_call()
        assert command.children_cpu_s() == before
        process.kill()
        process.communicate(timeout=300)
    assert 0.01 < command.children_cpu_s() - before < 30


_ABANDONS = """
import os, sys
from tests.support.command import start
print(start("regions").pid, flush=True)
sys.stdin.read()
"""


def test_nothing_outlives_the_process_that_started_it(silent: Silent) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", _ABANDONS],
        env={**silent.environment, **CHECKOUT},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )
    assert program.stdout is not None
    end = os.pidfd_open(int(program.stdout.readline()))
    silent.wait_for_call()
    program.kill()
    program.communicate()
    assert select.select([end], [], [], 30)[0], "the command still runs"
    os.close(end)
