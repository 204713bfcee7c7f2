"""Tests of the image: installed by a clean Python, it runs `sync all` as its command says, with nothing else in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.settings import Settings
from tests.container.confined import confine
from tests.container.image import (
    DOCKERFILE,
    MACHINES,
    ROOT,
    base_tag,
    exec_form,
    image_version,
    instructions,
    own_architecture,
    variables,
)
from tests.container.pythons import REQUIRED, CleanPython, find, not_tried
from tests.support.sandbox import EngineSandbox

pytestmark = pytest.mark.deep

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.fixture
def heartbeat() -> Iterator[Path]:
    """Return a path in shared memory, where the image writes it too; every user may write there."""
    shared = Path("/dev/shm")  # noqa: S108 - the place that the image names
    with tempfile.TemporaryDirectory(dir=shared if shared.exists() else None) as folder:
        Path(folder).chmod(0o777)
        yield Path(folder) / "heartbeat"


def _environment(prefix: Path, heartbeat: Path) -> dict[str, str]:
    """Return the variables of the image and of its task, and no others: no home, no locale."""
    names = {name.upper() for name in Settings.model_fields}
    task = {name: value for name, value in os.environ.items() if name in names or name.startswith("AWS_")}
    image = variables(prefix)
    return {**task, **image, "PATH": image["PATH"].replace("$PATH", os.defpath), "HEARTBEAT_FILE": str(heartbeat)}


def _run(prefix: Path, heartbeat: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the image's entry point as its orchestrator does."""
    [name] = exec_form("ENTRYPOINT")
    environment = {**_environment(prefix, heartbeat), **more}
    command = confine([str(prefix / "bin" / name), *arguments], prefix)
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd="/")


def _site(prefix: Path) -> Path:
    [site] = prefix.glob("lib/python*/site-packages")
    return site


def _packages(prefix: Path) -> set[str]:
    return {path.name for path in _site(prefix).iterdir()}


def _all_files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_hadolint_reports_nothing() -> None:
    lint = [str(Path(sys.executable).with_name("hadolint")), str(DOCKERFILE)]
    completed = subprocess.run(lint, check=False, capture_output=True, text=True)
    assert (completed.returncode, completed.stdout) == (0, "")


def test_each_stage_is_one_release_of_python_by_digest() -> None:
    assert re.fullmatch(r"3\.\d+\.\d+-slim-[a-z]+@sha256:[0-9a-f]{64}", base_tag())
    bases = [arguments for name, arguments in instructions() if name == "FROM"]
    image = "docker.io/library/python:${PYTHON_TAG}"
    assert bases == [f"--platform=${{BUILDPLATFORM}} {image} AS build", image]


def test_the_image_is_built_without_an_emulator_and_runs_without_root() -> None:
    stages = instructions()
    names = [name for name, _ in stages]
    final = names[names.index("FROM", names.index("FROM") + 1) :]
    assert "RUN" not in final  # what runs here would be of the target's architecture
    assert ("ARG", "TARGETARCH") in stages[: -len(final)]
    assert ("USER", "10001:10001") in stages
    assert not {"COPY", "ADD"} & set(final[final.index("USER") :])
    assert all(arguments.startswith("[") for name, arguments in stages if name in {"RUN", "CMD", "ENTRYPOINT"})


def test_the_version_of_the_base_was_tried(python: CleanPython) -> None:
    version = image_version()
    if python.found.version != version and os.environ.get(REQUIRED) != "1":
        pytest.skip(not_tried(version))
    assert python.found.version == version, not_tried(version)


def test_the_python_that_installs_has_nothing_of_it(python: CleanPython, prefix: Path) -> None:
    modules = {name.split(".")[0] for name in _packages(prefix) if not name.endswith(("-info", "__pycache__"))}
    assert {"service", "pydantic", "aiobotocore", "six"} <= modules
    code = "import sys, importlib.util as u; print([name for name in sys.argv[1:] if u.find_spec(name)])"
    completed = python.run("python3", "-c", code, *modules)
    assert (completed.stdout, completed.stderr) == ("[]\n", "")
    completed = python.run("python3", "-c", "import importlib.metadata as m; print(m.version('drs-sync'))")
    assert "PackageNotFoundError" in completed.stderr


def test_it_tells_the_version_of_the_project_and_compiles_nothing(prefix: Path, heartbeat: Path) -> None:
    told = _run(prefix, heartbeat, "--version")
    assert (told.returncode, told.stdout) == (0, f"drs-sync {VERSION}\n")
    completed = _run(prefix, heartbeat, "sync", "--help", PYTHONVERBOSE="1")  # --version imports next to nothing
    assert completed.returncode == 0
    loaded = re.findall(r"^# code object from '?([^'\n]+)'?$", completed.stderr, re.MULTILINE)
    ours = [path for path in loaded if path.startswith(str(_site(prefix)))]
    assert len(ours) > 100
    assert [path for path in ours if not path.endswith(".pyc")] == []


def test_the_command_syncs_all_and_leaves_the_image_as_it_was(
    prefix: Path, heartbeat: Path, sandbox: EngineSandbox
) -> None:
    sandbox.calls()
    before = _all_files(prefix)
    completed = _run(prefix, heartbeat, *exec_form("CMD"))
    report = json.loads(completed.stdout)
    assert (completed.returncode, report["status"], report["notRun"]) == (0, "complete", []), completed.stderr
    assert list(report["reports"]) == ["staging", "inventory", "tags"]
    assert report["reports"]["inventory"]["serversSynced"] == len(sandbox.items()) > 0
    assert _all_files(prefix) == before
    assert heartbeat.exists()


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
    site, present = _site(prefix), _packages(prefix)
    assert "service" in present
    assert not present & {"moto", "pytest", "hypothesis", "pip", "werkzeug", "flask"}
    assert not (site / "service" / "sandbox").exists()
    models = {path.name for path in (site / "botocore" / "data").iterdir() if path.is_dir()}
    assert models == {"drs", "dynamodb", "ec2", "events", "lambda", "sts"}
    code, compiled = list(site.rglob("*.py")), list(site.rglob("*.pyc"))
    assert len(compiled) == len(code)


def test_it_is_as_big_as_the_page_says(prefix: Path) -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    [told] = re.findall(r"(\d+) MB beside Python itself", page)
    size = sum(path.stat().st_size for path in prefix.rglob("*") if path.is_file() and not path.is_symlink())
    assert float(told) == pytest.approx(size / 1e6, rel=0.1)


def test_the_other_architecture_gets_the_same_packages_with_its_own_libraries(
    python: CleanPython, prefix: Path, other_prefix: Path
) -> None:
    assert _packages(prefix) - _packages(other_prefix) == set()
    tag = "cpython-" + python.found.version.replace(".", "")
    own = own_architecture()
    [other] = [name for name in MACHINES if name != own] if own else ["arm64"]
    for folder, architecture in ((prefix, own), (other_prefix, other)):
        libraries = list(_site(folder).rglob("*.so"))
        assert len(libraries) >= 10
        assert {path.name.split(".")[1].startswith((tag, "abi3")) for path in libraries} == {True}
        if architecture:
            machines = {int.from_bytes(path.read_bytes()[18:20], "little") for path in libraries}
            assert machines == {MACHINES[architecture]}


def test_an_architecture_without_locked_wheels_is_refused(python: CleanPython, script: Path, tmp_path: Path) -> None:
    completed = python.run(str(script), str(tmp_path / "opt"), TARGETARCH="riscv64")
    assert completed.returncode == 2
    assert "TARGETARCH=riscv64. Fix: build for arm64 or amd64" in completed.stderr
    assert not (tmp_path / "opt").exists()


def test_commands_of_the_sandbox_say_what_is_missing(prefix: Path, heartbeat: Path) -> None:
    completed = _run(prefix, heartbeat, "demo", "--output", "json")
    assert completed.returncode == 2
    assert "drs-sync[sandbox]" in json.loads(completed.stdout)["message"]


def _launcher(folder: Path, name: str, answer: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{answer}\n")
    path.chmod(0o755)
    return path


def _python(folder: Path, name: str, version: str) -> Path:
    path = folder / name
    return _launcher(folder, name, f"echo {path}; echo {version}")


def test_the_newest_python_of_the_version_is_found_wherever_it_is(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}
    assert find("3.99", environment) is None
    _launcher(tmp_path / "bin", "python3.99", "exit 127")  # a launcher whose version is not installed
    _python(tmp_path / "bin", "python3", "3.98 7")
    assert find("3.99", environment) is None
    older = _python(tmp_path / ".pyenv" / "versions" / "3.99.9" / "bin", "python3", "3.99 9")
    assert find("3.99", environment) == (older, "3.99", 9)
    newer = _python(tmp_path / "tools" / "Python" / "3.99.10" / "x64" / "bin", "python3", "3.99 10")
    assert find("3.99", {**environment, "RUNNER_TOOL_CACHE": str(tmp_path / "tools")}) == (newer, "3.99", 10)
    assert find("3.99", {**environment, "IMAGE_PYTHON": str(tmp_path / "bin" / "python3")}) is None
