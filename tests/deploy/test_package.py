"""Tests of the function package: its contents, hashes, and reproducibility."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.package import ROOT, add_service, compile_for_lambda, interpreter, is_needed, locked, pack, prune
from service.aws.operations import READ_WRITE_OPERATIONS
from tests.deploy.templates import of_type, template


def test_every_pin_of_the_run_time_has_a_hash() -> None:
    requirements = ROOT / "requirements"
    pinned = (requirements / "runtime.txt").read_text()
    lock = locked(pinned, (requirements / "dev.lock").read_text())
    blocks = [line for line in lock.splitlines() if not line.startswith(" ")]
    assert len(blocks) == len(pinned.splitlines())
    assert lock.count("--hash=sha256:") >= len(blocks)


def test_a_pin_that_was_not_locked_is_refused() -> None:
    with pytest.raises(ValueError, match=r"b==2\. Fix: run `make lock`"):
        locked("a==1\nb==2\n", "a==1 \\\n    --hash=sha256:00\nb==1 \\\n    --hash=sha256:00\n")


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("service/handlers/query.py", True),
        ("service/sandbox/server.py", False),
        ("service/__pycache__/models.cpython-312.pyc", True),
        ("service/sandbox/__pycache__/server.cpython-312.pyc", False),
        ("botocore/data/endpoints.json", True),
        ("botocore/data/drs/2020-02-26/service-2.json.gz", True),
        ("botocore/data/drs/2020-02-26/examples-1.json", False),
        ("botocore/data/s3/2006-03-01/service-2.json.gz", False),
        ("bin/jp.py", False),
        ("pydantic-2.14.3.dist-info/METADATA", True),
        ("pydantic-2.14.3.dist-info/RECORD", False),
        ("pydantic-2.14.3.dist-info/INSTALLER", False),
        ("pydantic/typer/main.py", True),
    ],
)
def test_what_goes_in(path: str, needed: bool) -> None:  # noqa: FBT001 - a table
    assert is_needed(path, ("drs", "dynamodb")) is needed


@pytest.mark.parametrize(
    "path",
    [
        "service/cli/main.py",
        "service/pages/templates/report.js",
        "service/web/app.py",
        "typer-0.29.2.dist-info/METADATA",
        "rich/abc.py",
    ],
)
def test_what_only_the_command_line_needs_goes_into_the_image_alone(path: str) -> None:
    assert not is_needed(path, ())
    assert is_needed(path, (), command_line=True)


def test_every_module_of_the_package_can_be_imported_with_nothing_but_the_package(tmp_path: Path) -> None:
    add_service(tmp_path)
    for pin in (ROOT / "requirements" / "runtime.txt").read_text().splitlines():
        if ";" in pin:  # of another system
            continue
        distribution = importlib.metadata.distribution(pin.partition("==")[0])
        for file in distribution.files or ():
            if ".." not in file.parts and is_needed(file.as_posix(), READ_WRITE_OPERATIONS):
                target = tmp_path / file
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(Path(str(distribution.locate_file(file))).resolve())
    prune(tmp_path, command_line=False)
    modules = [
        ".".join(path.relative_to(tmp_path).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((tmp_path / "service").rglob("*.py"))
    ]
    assert {"service.handlers.query", "service.handlers.data_management"} <= set(modules)
    assert not [each for each in modules if each.split(".")[1:2] in (["cli"], ["web"], ["pages"], ["sandbox"])]
    script = (
        "import importlib, sys; sys.path.insert(0, sys.argv[1]); "
        "[importlib.import_module(each) for each in sys.argv[2:]]; print(sys.modules['botocore'].__file__)"
    )
    command = [sys.executable, "-I", "-S", "-B", "-c", script, str(tmp_path), *modules]
    completed = subprocess.run(command, check=False, capture_output=True, text=True, env={"AWS_REGION": "us-east-1"})
    assert (completed.returncode, completed.stderr) == (0, "")
    assert completed.stdout.strip() == str(tmp_path / "botocore" / "__init__.py")


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("b/two.py", "a.py", "a.pyi"):
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    assert pack(tmp_path / "files", tmp_path / "1.zip") == len("b/two.pya.py")
    os.utime(tmp_path / "files" / "a.py", (0, 0))
    (tmp_path / "files" / "a.py").chmod(0o755)
    pack(tmp_path / "files", tmp_path / "2.zip")
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()


def test_bytecode_is_used_as_it_is_and_the_same_from_anywhere(tmp_path: Path) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    python = interpreter(version)
    assert python is not None
    packed = []
    for name in ("one", "another/place"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        folder.joinpath("module.py").write_text("KINDS = frozenset({'a', 'b', 'c'})\nif KINDS & {'x', 'y'}: pass\n")
        compile_for_lambda(folder, python)
        pack(folder, tmp_path / "package.zip")
        packed.append((tmp_path / "package.zip").read_bytes())
        folder.joinpath("module.py").write_text("raise SystemExit('compiled again')\n")
        script = "import sys; sys.path.insert(0, sys.argv[1]); import module; print(len(module.KINDS))"
        completed = subprocess.run(
            [python, "-I", "-c", script, str(folder)], check=True, capture_output=True, text=True
        )
        assert completed.stdout == "3\n"
    assert packed[0] == packed[1]


def test_a_python_that_is_not_there_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert interpreter("3.999") is None
    named = tmp_path / "python3.999"  # a launcher whose version is not installed
    named.write_text("#!/bin/sh\nexit 127\n")
    named.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert interpreter("3.999") is None


def test_the_functions_start_what_the_package_has(tmp_path: Path) -> None:
    pack(ROOT / "service", tmp_path / "service.zip")
    with zipfile.ZipFile(tmp_path / "service.zip") as archive:
        packed = {f"service/{name}" for name in archive.namelist()}
    for _, properties in of_type(template("functions.yaml"), "AWS::Lambda::Function"):
        module, name = properties["Handler"].rsplit(".", 1)
        path = module.replace(".", "/")
        path = f"{path}/__init__.py" if (ROOT / path).is_dir() else f"{path}.py"
        assert path in packed
        assert f"{name} = " in (ROOT / path).read_text() or f"def {name}(" in (ROOT / path).read_text()


def test_the_script_needs_nothing_that_is_not_pythons_own(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", str(ROOT / "deploy" / "package.py"), str(tmp_path / "package.zip")]
    completed = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert completed.returncode == 1
    assert completed.stderr.startswith(f"{sys.executable} has no pip. Fix: ")


def test_the_packed_service_finds_its_version_where_nothing_else_is_installed(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    add_service(tmp_path / "files")
    pack(tmp_path / "files", tmp_path / "package.zip")
    script = "import sys; sys.path.insert(0, sys.argv[1]); import service, importlib.metadata as metadata; "
    script += "print(service.__file__, metadata.version('drs-sync'))"
    command = [sys.executable, "-I", "-S", "-c", script, str(tmp_path / "package.zip")]
    completed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert completed.stderr == ""
    assert completed.stdout.split() == [
        str(tmp_path / "package.zip" / "service" / "__init__.py"),
        importlib.metadata.version("drs-sync"),
    ]
