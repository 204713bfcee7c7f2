"""The image of deploy/container without a container engine: its instructions, build context and installation."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.deploy.templates import FOLDER

__all__ = ["ROOT", "exec_form", "install", "instructions", "make_context"]

ROOT = FOLDER.parents[1]
DOCKERFILE = ROOT / "deploy" / "container" / "Dockerfile"


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


def install(context: Path, build_folder: Path, prefix: Path) -> None:
    """Run the copies and commands of the build stage, with `prefix` as the target."""
    stage = instructions()
    stage = stage[: [name for name, _ in stage].index("RUN") + 1]
    for name, arguments in stage:
        if name == "COPY":
            *sources, target = arguments.split()
            for source in sources:
                into = build_folder / target / Path(source).name if target.endswith("/") else build_folder / target
                into.parent.mkdir(parents=True, exist_ok=True)
                if (context / source).is_dir():
                    shutil.copytree(context / source, into)
                else:
                    shutil.copy2(context / source, into)
    script, prefix_in_image = exec_form_of(stage[-1][1])
    assert prefix_in_image == "/opt/drs-sync"
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    completed = subprocess.run(
        [str(build_folder / script), str(prefix)], check=False, capture_output=True, text=True, env=environment
    )
    assert completed.returncode == 0, completed.stderr[-2000:]


def exec_form_of(arguments: str) -> list[str]:
    """Parse an exec form."""
    return [str(word) for word in json.loads(arguments)]
