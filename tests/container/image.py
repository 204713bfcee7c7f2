"""The image of deploy/container without a container engine: its instructions, build context and installation."""

from __future__ import annotations

import json
import platform
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from tests.container.pythons import CleanPython
from tests.deploy.templates import FOLDER

__all__ = [
    "DOCKERFILE",
    "MACHINES",
    "ROOT",
    "base_tag",
    "exec_form",
    "image_version",
    "install",
    "instructions",
    "make_context",
    "own_architecture",
    "stage_in",
    "variables",
]

ROOT = FOLDER.parents[1]
DOCKERFILE = ROOT / "deploy" / "container" / "Dockerfile"
MACHINES = {"amd64": 62, "arm64": 183}
"""Architectures of the image, as buildx names them, and the number that an ELF file has for each."""


def own_architecture() -> str:
    """Return this machine's architecture as buildx names it; empty if the image is not made for it."""
    names = {"x86_64": "amd64", "aarch64": "arm64"}
    return names.get(platform.machine(), "") if sys.platform == "linux" else ""


def instructions() -> list[tuple[str, str]]:
    """Return name and arguments of the Dockerfile's instructions, in order."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in joined.splitlines()]


def exec_form(name: str) -> list[str]:
    """Return the arguments of the last instruction of a name, which is in exec form."""
    [*_, arguments] = [given for each, given in instructions() if each == name]
    words: Any = json.loads(arguments[arguments.index("[") :])
    assert isinstance(words, list)
    return [str(word) for word in words]


def make_context(target: Path) -> Path:
    """Copy the build context that .dockerignore allows; its first line excludes everything else."""
    everything, *patterns = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")
    ]
    assert everything == "*"
    kept = [pattern.removeprefix("!") for pattern in patterns if pattern.startswith("!")]
    excluded = [pattern for pattern in patterns if not pattern.startswith("!")]
    for name in kept:
        source, copied = ROOT / name, target / name
        copied.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copied, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, copied)
    for pattern in excluded:
        for path in target.glob(pattern):
            shutil.rmtree(path)
    return target


def base_tag() -> str:
    """Return tag and digest of the base image."""
    [tag] = [given.removeprefix("PYTHON_TAG=") for each, given in instructions() if each == "ARG" and "=" in given]
    return tag


def image_version() -> str:
    """Return the Python version of the base image's tag, such as "3.13"."""
    return ".".join(base_tag().split(".")[:2])


def variables(prefix: Path) -> dict[str, str]:
    """Return the variables that the image sets, with `prefix` in place of its own."""
    [given] = [given for name, given in instructions() if name == "ENV"]
    return dict(re.findall(r"(\w+)=(\S+)", given.replace("/opt/drs-sync", str(prefix))))


def stage_in(context: Path, folder: Path) -> Path:
    """Do the copies of the build stage, and return the script that it runs to install."""
    stage = instructions()
    stage = stage[: [name for name, _ in stage].index("FROM", [name for name, _ in stage].index("FROM") + 1)]
    for name, arguments in stage:
        if name == "COPY":
            *sources, target = arguments.split()
            for source in sources:
                into = folder / target / Path(source).name if target.endswith("/") else folder / target
                into.parent.mkdir(parents=True, exist_ok=True)
                if (context / source).is_dir():
                    shutil.copytree(context / source, into)
                else:
                    shutil.copy2(context / source, into)
    script, prefix = (str(word) for word in json.loads(stage[-1][1]))
    assert prefix == "/opt/drs-sync"
    return folder / script


def install(python: CleanPython, script: Path, prefix: Path, architecture: str) -> None:
    """Install under a prefix as the build stage does, from its working directory."""
    completed = python.run(str(script), str(prefix), cwd=script.parents[2], TARGETARCH=architecture)
    assert completed.returncode == 0, completed.stderr[-2000:]
