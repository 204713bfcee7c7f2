"""`drs-sync sandbox` around another command, and with a file for a shell to source."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.cli.test_command_line import drs_sync
from tests.support import command

SHOW = 'printf "%s %s" "$AWS_ENDPOINT_URL" "${AWS_PROFILE-none}"; exit 5'


@pytest.fixture
def fleet(tmp_path: Path) -> str:
    """Write a fleet of two servers."""
    path = tmp_path / "fleet.json"
    account = {"account_id": "210000000003", "regions": {"us-west-2": {"servers": 2}}}
    path.write_text(json.dumps({"hub": {"account_id": "210000000002"}, "accounts": [account]}))
    return str(path)


def test_a_command_runs_in_it_and_gives_the_exit_code(fleet: str) -> None:
    done = drs_sync("sandbox", "--fleet", fleet, "--", "/bin/sh", "-c", SHOW, AWS_PROFILE="prod")
    assert done.returncode == 5, done.stderr
    endpoint, profile = done.stdout.split()  # nothing but what the command prints
    assert endpoint.startswith("http://127.0.0.1:")
    assert profile == "none"
    assert not done.stderr


def test_a_command_that_does_not_exist_is_said(fleet: str) -> None:
    done = drs_sync("sandbox", "--fleet", fleet, "--", "no-such-command-here")
    assert done.returncode == 127
    assert "there is no such command. Fix: " in json.loads(done.stdout)["message"]


def test_a_shell_can_source_the_environment_while_it_serves(fleet: str, tmp_path: Path) -> None:
    path = tmp_path / "sandbox.env"
    running = command.start("sandbox", "--fleet", fleet, "--env-file", str(path), env={**os.environ})
    assert running.stdout is not None
    for line in running.stdout:
        if line == "}\n":
            break
    script = f'. {path}; printf "%s" "$AWS_ENDPOINT_URL"'
    sourced = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    with urllib.request.urlopen(f"{sourced.stdout}/sandbox/health") as health:  # noqa: S310 - loopback
        assert json.load(health)["servers"] == 2
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=300)
    assert running.returncode == 0
    assert not path.exists()


def test_a_fleet_is_drawn_and_what_it_has_at_the_end_is_exported(tmp_path: Path) -> None:
    path = tmp_path / "later.json"
    tag = (
        "import json, os, urllib.request as u; e = os.environ['AWS_ENDPOINT_URL'];"
        "print(json.load(u.urlopen(e + '/sandbox/health'))['servers']);"
        "u.urlopen(u.Request(e + '/sandbox/faults', b'{\"latency_ms\": {\"drs\": 7}}', method='PUT'))"
    )
    done = drs_sync("sandbox", "--servers", "30", "--seed", "7", "--export", str(path), "--", sys.executable, "-c", tag)
    assert (done.returncode, done.stdout) == (0, "30\n"), done.stderr
    assert json.loads(path.read_text())["faults"] == {"latency_ms": {"drs": 7.0}}
    again = drs_sync("sandbox", "--fleet", str(path), "--export", str(path), "--", sys.executable, "-c", tag)
    assert (again.returncode, again.stdout) == (0, "30\n"), again.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--seed", "7"], "--seed draws no fleet without --servers. Fix: "),
        (["--servers", "7", "--fleet", "fleet.yaml"], "--servers and --fleet name two fleets. Fix: "),
        (["--servers", "7", "--export", "no-such-folder/later.json"], "there is no folder no-such-folder. Fix: "),
    ],
)
def test_options_that_do_not_fit_are_refused(arguments: list[str], expected: str) -> None:
    done = drs_sync("sandbox", *arguments, "--", "true")
    assert done.returncode == 2
    assert expected in json.loads(done.stdout)["message"]


@pytest.mark.parametrize("arguments", [("sandbox", "--", "true"), ("demo",)])
def test_where_the_sandbox_is_left_out_the_command_says_what_to_install(arguments: tuple[str, ...]) -> None:
    """The image and the packages of the functions have everything but `service/sandbox`."""
    code = (
        "import sys; sys.modules['service.sandbox'] = None\n"
        "from service.cli.command_line import main\n"
        f"sys.argv = ['drs-sync', *{arguments}]\n"
        "sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **command.CHECKOUT},
    )
    assert done.returncode == 2, done.stderr
    assert json.loads(done.stdout)["message"] == "the sandbox is not installed. Fix: pip install 'drs-sync[sandbox]'"


def test_a_profile_is_taken_before_and_after_the_command() -> None:
    for arguments in (("--profile", "nobody-has-this", "servers"), ("servers", "--profile=nobody-has-this")):
        done = drs_sync(*arguments)
        assert done.returncode == 2
        assert "nobody-has-this" in json.loads(done.stdout)["message"]
    assert "it is empty" in json.loads(drs_sync("servers", "--profile", "").stdout)["message"]
