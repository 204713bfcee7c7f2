"""Puts together what runs elsewhere: the Lambda package of both functions, and what the container's image holds.

    python deploy/package.py TARGET.zip [PLATFORM]    the functions' package, as `make package` builds it
    python deploy/package.py --into FOLDER            the same files for this machine's Python, not packed

The same commit and the same Python give the same bytes: what is installed is what was locked, by hash, and the archive
has no times in it. It carries bytecode when a Python of the functions' version is on the PATH: where functions run
nothing can be written, so what is not compiled here is compiled at each cold start, for 2.8 times the CPU (0.70 s, not
0.25 s).
"""
# ruff: noqa: INP001, T201 - a script, which talks to its caller

from __future__ import annotations

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

from service.aws.operations import READ_WRITE_OPERATIONS

ROOT: Final = Path(__file__).parents[1]
PLATFORM: Final = "manylinux2014_aarch64"
PYTHON: Final = "3.12"
MAX_BYTES: Final = 250 * 1024 * 1024
"""What Lambda takes, unpacked."""

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the first that a zip can say
_NEEDLESS: Final = re.compile(r"(^|/)(bin|service/sandbox|botocore/data/[^/]+/.+/examples-1\.json)(/|$)|\.pyi$")


def locked(pinned: str, lock: str) -> str:
    """Give the blocks of a lock, with their hashes, for what is pinned elsewhere without.

    Raises:
        ValueError: a pin that the lock does not have; run `make lock`.
    """
    blocks = {block.split(" ", 1)[0]: block for block in re.split(r"\n(?=\S)", lock.strip())}
    wanted = [line.split(" ", 1)[0] for line in pinned.splitlines() if line and not line.startswith("#")]
    missing = [pin for pin in wanted if pin not in blocks]
    if missing:
        raise ValueError(f"not in the lock: {', '.join(missing)}; run `make lock`")
    return "\n".join(blocks[pin] for pin in wanted) + "\n"


def is_needed(path: str, services: Iterable[str]) -> bool:
    """Tell whether the functions need a file, by its path in the package.

    The SDK's models of services that no code may call are the largest part of what is not.
    """
    if _NEEDLESS.search(path):
        return False
    model = re.match(r"botocore/data/([^/]+)/", path)
    return model is None or model[1] in services


def pack(folder: Path, target: Path) -> int:
    """Pack what is needed of a folder; give its size unpacked, in bytes."""
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
    """Put the service in, and what an installer would leave beside it: the service asks there for its own version."""
    shutil.copytree(ROOT / "service", folder / "service", ignore=shutil.ignore_patterns("__pycache__"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    about = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir()
    about.joinpath("METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )


def fill(folder: Path, *kind: str) -> None:
    """Install what is locked, and the service.

    Args:
        folder: where to.
        kind: further options of pip: for which machine, if not this one.

    Raises:
        subprocess.CalledProcessError: pip could not install, or a hash differs.
    """
    requirements = ROOT / "requirements"
    with tempfile.TemporaryDirectory() as scope:
        wanted = Path(scope, "wanted.txt")
        wanted.write_text(locked((requirements / "runtime.txt").read_text(), (requirements / "dev.lock").read_text()))
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--require-hashes"]
        kept = ["--only-binary", ":all:", "--target", str(folder), "-r", str(wanted)]
        subprocess.run([*pip, *kind, *kept], check=True)  # noqa: S603 - our own words
    add_service(folder)


def prune(folder: Path) -> None:
    """Take away what is not needed, and the folders that are empty then."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif not is_needed(path.relative_to(folder).as_posix(), READ_WRITE_OPERATIONS):
            path.unlink()


def interpreter(version: str = PYTHON) -> str | None:
    """Find a Python of a version, "3.12", on this machine; None when there is none that runs."""
    for name in filter(None, (sys.executable, shutil.which(f"python{version}"))):
        script = "import sys; print('%d.%d' % sys.version_info[:2])"
        told = subprocess.run([name, "-I", "-c", script], check=False, capture_output=True, text=True)  # noqa: S603
        if told.stdout.strip() == version:
            return name
    return None


def compile_for_lambda(folder: Path, python: str) -> None:
    """Put bytecode beside every module, under the paths that it has in a function.

    Raises:
        subprocess.CalledProcessError: a module is no Python of that version.
    """
    words = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", "/var/task"]
    seeded = {**os.environ, "PYTHONHASHSEED": "0"}  # sets of constants are written in the order of their hashes
    subprocess.run([python, *words, str(folder)], check=True, env=seeded)  # noqa: S603 - our own words


def build(target: Path, platform: str = PLATFORM) -> int:
    """Build the functions' package for Lambda's processor; give its size unpacked, in bytes.

    Raises:
        subprocess.CalledProcessError: see `fill` and `compile_for_lambda`.
    """
    with tempfile.TemporaryDirectory() as scope:
        folder = Path(scope, "package")
        fill(folder, "--platform", platform, "--python-version", PYTHON)
        prune(folder)
        if python := interpreter():
            compile_for_lambda(folder, python)
        else:
            print(f"no python{PYTHON} on the PATH: packed without bytecode, for slower cold starts", file=sys.stderr)
        target.parent.mkdir(parents=True, exist_ok=True)
        return pack(folder, target)


def main() -> None:
    """Do what the command line says; fail when Lambda would not take the package."""
    target, *more = sys.argv[1:]
    if target == "--into":
        fill(Path(more[0]))
        prune(Path(more[0]))
        return
    size = build(Path(target), *more)
    print(f"{target}: {Path(target).stat().st_size / 1e6:.1f} MB packed, {size / 1e6:.1f} MB unpacked")
    if size > MAX_BYTES:
        sys.exit("more than Lambda takes")


if __name__ == "__main__":
    main()
