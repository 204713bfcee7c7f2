"""Tests of the image: its installation runs `sync all` as its command says, and contains nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.container.image import DOCKERFILE, exec_form, install, instructions, make_context
from tests.support.estate import Estate


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the installation that the build stage creates from the build context."""
    folder = tmp_path_factory.mktemp("image")
    install(make_context(folder / "context"), folder / "src", folder / "opt" / "drs-sync")
    return folder / "opt" / "drs-sync"


@pytest.fixture
def heartbeat(tmp_path: Path) -> Path:
    return tmp_path / "heartbeat"


def _environment(prefix: Path, heartbeat: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return {**kept, "PATH": f"{prefix}/bin:{os.environ['PATH']}", "HEARTBEAT_FILE": str(heartbeat)}


def _all_files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_hadolint_reports_nothing() -> None:
    lint = [str(Path(sys.executable).with_name("hadolint")), str(DOCKERFILE)]
    completed = subprocess.run(lint, check=False, capture_output=True, text=True)
    assert (completed.returncode, completed.stdout) == (0, "")


def test_the_image_is_made_of_one_pinned_base_and_runs_without_root() -> None:
    stages = instructions()
    assert stages[0] == ("ARG", "PYTHON_TAG=3.13.7-slim-bookworm")
    bases = [arguments.split()[0] for name, arguments in stages if name == "FROM"]
    assert bases == ["docker.io/library/python:${PYTHON_TAG}"] * 2
    after_user = [name for name, _ in stages[[name for name, _ in stages].index("USER") :]]
    assert ("USER", "10001:10001") in stages
    assert not {"RUN", "COPY", "ADD"} & set(after_user)
    assert all(arguments.startswith("[") for name, arguments in stages if name in {"RUN", "CMD", "ENTRYPOINT"})


def test_the_command_syncs_all_and_leaves_the_image_as_it_was(prefix: Path, heartbeat: Path, estate: Estate) -> None:
    estate.calls()
    before = _all_files(prefix)
    command = [*exec_form("ENTRYPOINT"), *exec_form("CMD")]
    completed = subprocess.run(
        command, check=False, capture_output=True, text=True, env=_environment(prefix, heartbeat), cwd=heartbeat.parent
    )
    report = json.loads(completed.stdout)
    assert (completed.returncode, report["status"], report["notRun"]) == (0, "complete", [])
    assert list(report["reports"]) == ["staging", "inventory", "tags"]
    assert report["reports"]["inventory"]["serversSynced"] == len(estate.items()) > 0
    assert _all_files(prefix) == before


def test_the_health_check_distinguishes_a_running_loop_from_a_stuck_one(prefix: Path, heartbeat: Path) -> None:
    check, environment = exec_form("HEALTHCHECK"), _environment(prefix, heartbeat)

    def healthy() -> bool:
        return subprocess.run(check, check=False, capture_output=True, env=environment).returncode == 0

    assert not healthy()  # no sync has started
    heartbeat.touch()
    assert healthy()
    old = heartbeat.stat().st_mtime - 61
    os.utime(heartbeat, (old, old))
    assert not healthy()


def test_nothing_is_in_it_that_a_sync_does_not_need(prefix: Path) -> None:
    [site] = prefix.glob("lib/python*/site-packages")
    present = {path.name for path in site.iterdir()}
    assert "service" in present
    assert not present & {"moto", "pytest", "hypothesis", "pip", "werkzeug", "flask"}
    assert not (site / "service" / "sandbox").exists()
    models = {path.name for path in (site / "botocore" / "data").iterdir() if path.is_dir()}
    assert models == {"drs", "dynamodb", "ec2", "events", "lambda", "sts"}
    code, compiled = list(site.rglob("*.py")), list(site.rglob("*.pyc"))
    assert len(compiled) == len(code)


def test_commands_of_the_sandbox_say_what_is_missing(prefix: Path, heartbeat: Path) -> None:
    completed = subprocess.run(
        [*exec_form("ENTRYPOINT"), "demo", "--output", "json"],
        check=False,
        capture_output=True,
        text=True,
        env=_environment(prefix, heartbeat),
    )
    assert completed.returncode == 2
    assert "drs-sync[sandbox]" in json.loads(completed.stdout)["message"]
