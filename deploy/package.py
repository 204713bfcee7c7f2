"""Builds the Lambda package of both functions, and the files of the container's image.

    python -I deploy/package.py TARGET.zip [PLATFORM]       the functions' package, as `make package` builds it
    python -I deploy/package.py --into FOLDER [PLATFORM]    these and the command line, for the Python that runs this

A platform is named as in the names of wheels, such as manylinux2014_x86_64. Python 3.11 or newer with pip is enough:
nothing of the project has to be installed, and `-I` keeps out what is.

The build is reproducible: the same commit and Python give the same bytes, because packages are locked by hash and the
archive has no timestamps. It contains bytecode if a Python of the functions' version is on the PATH. Functions cannot
write bytecode, so without it every cold start compiles all modules: 2.8 times the CPU (0.70 s instead of 0.25 s).
"""
# ruff: noqa: INP001, T201 - a script that prints

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # run as a script, by a Python that does not know the project
    sys.path.insert(0, str(ROOT))

from service.aws.operations import READ_WRITE_OPERATIONS  # noqa: E402 - needs the path above, and no dependency

PLATFORM: Final = "manylinux2014_aarch64"
PYTHON: Final = "3.12"
MAX_BYTES: Final = 250 * 1024 * 1024
"""Lambda's limit for an unpacked package."""

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the earliest time of a zip entry
# pip's notes on its own work list files that are not packed, and hashes that depend on where the builder's Python is.
_NOTES: Final = r"\.dist-info/(RECORD|INSTALLER|REQUESTED)$"
_NOT_NEEDED: Final = re.compile(
    rf"(^|/)(bin|service/sandbox|botocore/data/[^/]+/.+/examples-1\.json)(/|$)|\.pyi$|{_NOTES}"
)
# What only the command line imports: its part of the service, and the packages that draw its tables and help.
_COMMAND_LINE: Final = re.compile(
    r"^(service/(cli|pages|web)|(annotated_doc|markdown_it|markdown_it_py|mdurl|pygments|rich|shellingham|typer)"
    r"(-[^/]+\.dist-info)?)/"
)


def locked(pinned: str, lock: str) -> str:
    """Return the blocks of a lock file, with hashes, for the pins of a requirements file.

    Raises:
        ValueError: the lock lacks a pin.
    """
    blocks = {block.split(" ", 1)[0]: block for block in re.split(r"\n(?=\S)", lock.strip())}
    wanted = [line.split(" ", 1)[0] for line in pinned.splitlines() if line and not line.startswith("#")]
    missing = [pin for pin in wanted if pin not in blocks]
    if missing:
        raise ValueError(f"not in the lock file: {', '.join(missing)}. Fix: run `make lock`")
    return "\n".join(blocks[pin] for pin in wanted) + "\n"


def is_needed(path: str, services: Iterable[str], *, command_line: bool = False) -> bool:
    """Return whether the functions need a file, by its path in the package.

    Most of what they do not need is the SDK's models of services that the code may not call.

    Args:
        path: the path.
        services: AWS services that the code may call.
        command_line: the command line has to work, too, as in the image.
    """
    if _NOT_NEEDED.search(path) or (_COMMAND_LINE.match(path) and not command_line):
        return False
    model = re.match(r"botocore/data/([^/]+)/", path)
    return model is None or model[1] in services


def pack(folder: Path, target: Path) -> int:
    """Pack the needed files of a folder; return their unpacked size in bytes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    size = 0
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in files:
            name = path.relative_to(folder).as_posix()
            if not is_needed(name, READ_WRITE_OPERATIONS):
                continue
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
            size += path.stat().st_size
    return size


def add_service(folder: Path) -> None:
    """Copy the service and its package metadata, from which it reads its version."""
    shutil.copytree(ROOT / "service", folder / "service", ignore=shutil.ignore_patterns("__pycache__"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    about = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir()
    about.joinpath("METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )


def fill(folder: Path, *kind: str) -> None:
    """Install the locked packages and the service.

    Args:
        folder: target folder.
        kind: further options of pip, for another platform than this machine's.

    Raises:
        subprocess.CalledProcessError: pip failed, for example because a hash differs.
    """
    requirements = ROOT / "requirements"
    with tempfile.TemporaryDirectory() as temporary:
        wanted = Path(temporary, "wanted.txt")
        wanted.write_text(locked((requirements / "runtime.txt").read_text(), (requirements / "dev.lock").read_text()))
        pip = [sys.executable, "-I", "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--require-hashes"]
        kept = ["--only-binary", ":all:", "--target", str(folder), "-r", str(wanted)]
        subprocess.run([*pip, *kind, *kept], check=True)  # noqa: S603 - our own arguments
    add_service(folder)


def prune(folder: Path, *, command_line: bool) -> None:
    """Delete files that are not needed (see `is_needed`), and folders left empty."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif not is_needed(path.relative_to(folder).as_posix(), READ_WRITE_OPERATIONS, command_line=command_line):
            path.unlink()


def interpreter(version: str = PYTHON) -> str | None:
    """Return the path of a Python of a version such as "3.12" on this machine; None if there is none."""
    for name in filter(None, (sys.executable, shutil.which(f"python{version}"))):
        script = "import sys; print('%d.%d' % sys.version_info[:2])"
        result = subprocess.run([name, "-I", "-c", script], check=False, capture_output=True, text=True)  # noqa: S603
        if result.stdout.strip() == version:
            return name
    return None


def compile_for_lambda(folder: Path, python: str) -> None:
    """Compile every module to bytecode with the paths that it has in a function.

    Raises:
        subprocess.CalledProcessError: a module cannot be compiled.
    """
    words = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", "/var/task"]
    seeded = {**os.environ, "PYTHONHASHSEED": "0"}  # the order of constant sets depends on the hash seed
    subprocess.run([python, *words, str(folder)], check=True, env=seeded)  # noqa: S603 - our own arguments


def build(target: Path, platform: str = PLATFORM) -> int:
    """Build the functions' package for a Lambda platform; return its unpacked size in bytes.

    Raises:
        subprocess.CalledProcessError: see `fill` and `compile_for_lambda`.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "package")
        fill(folder, "--platform", platform, "--python-version", PYTHON)
        prune(folder, command_line=False)
        if python := interpreter():
            compile_for_lambda(folder, python)
        else:
            print(f"no python{PYTHON} on the PATH: packed without bytecode, so cold starts are slower", file=sys.stderr)
        target.parent.mkdir(parents=True, exist_ok=True)
        return pack(folder, target)


def main() -> None:
    """Run the command line; exit with an error if pip is missing or the package exceeds Lambda's limit."""
    if importlib.util.find_spec("pip") is None:
        sys.exit(f"{sys.executable} has no pip. Fix: {sys.executable} -m ensurepip, or install the package python3-pip")
    target, *more = sys.argv[1:]
    if target == "--into":
        folder, *platform = more
        version = ("--python-version", f"{sys.version_info.major}.{sys.version_info.minor}")
        fill(Path(folder), *(("--platform", *platform, *version) if platform else ()))
        prune(Path(folder), command_line=True)
        return
    size = build(Path(target), *more)
    print(f"{target}: {Path(target).stat().st_size / 1e6:.1f} MB packed, {size / 1e6:.1f} MB unpacked")
    if size > MAX_BYTES:
        sys.exit(f"the unpacked package exceeds Lambda's limit of {MAX_BYTES / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
