"""Fixtures: a Python that has only pip, and the installation that the image's build stage makes with it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.container.image import image_version, install, make_context, own_architecture, stage_in
from tests.container.pythons import CleanPython, Found, clean_python, find


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> CleanPython:
    """Return a clean Python of the image's version; where there is none, of this one's.

    The test of the base's version tells which it was.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    own = Found(Path(sys._base_executable), version, sys.version_info.micro)  # type: ignore[attr-defined] # undocumented
    return clean_python(find(image_version()) or own, tmp_path_factory.mktemp("python") / "clean")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return install.sh in a folder that has what the build stage has, and nothing else."""
    folder = tmp_path_factory.mktemp("image")
    return stage_in(make_context(folder / "context"), folder / "src")


@pytest.fixture(scope="module")
def prefix(python: CleanPython, script: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the installation for this machine's architecture, made as buildx makes it."""
    prefix = tmp_path_factory.mktemp("opt") / "drs-sync"
    install(python, script, prefix, own_architecture())
    return prefix


@pytest.fixture(scope="module")
def other_prefix(python: CleanPython, script: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the installation for the architecture that this machine has not."""
    prefix = tmp_path_factory.mktemp("opt") / "drs-sync"
    install(python, script, prefix, "amd64" if own_architecture() == "arm64" else "arm64")
    return prefix
