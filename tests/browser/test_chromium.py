"""Finding Chromium: which one is taken, and what happens where there is none."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.browser.chromium import find, is_required

INSTALL = Path(__file__).parents[2] / ".ci" / "chromium"


def program(folder: Path, name: str, text: str = "") -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    return path


def test_the_first_name_on_the_path_is_taken(tmp_path: Path) -> None:
    assert find({"PATH": str(tmp_path)}) is None
    chrome = program(tmp_path, "google-chrome")
    assert find({"PATH": str(tmp_path)}) == chrome
    chromium = program(tmp_path, "chromium")
    assert find({"PATH": str(tmp_path)}) == chromium


def test_the_variable_names_another_and_a_wrong_one_is_an_error(tmp_path: Path) -> None:
    program(tmp_path, "chromium")
    other = program(tmp_path, "other")
    assert find({"PATH": str(tmp_path), "CHROMIUM": str(other)}) == other
    with pytest.raises(ValueError, match="Fix: "):
        find({"PATH": str(tmp_path), "CHROMIUM": str(tmp_path / "none")})


@pytest.mark.parametrize(("value", "required"), [(None, False), ("", False), ("0", False), ("1", True)])
def test_whether_it_is_required(value: str | None, required: bool) -> None:  # noqa: FBT001 - a row of a table
    assert is_required({} if value is None else {"REQUIRE_CHROMIUM": value}) is required


@pytest.mark.parametrize(("required", "outcome"), [("0", "skipped"), ("1", "failed")])
def test_without_it_tests_say_so_and_are_skipped_or_fail(
    required: str, outcome: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(pytester.path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("REQUIRE_CHROMIUM", required)
    pytester.makeconftest("from tests.browser.conftest import chromium")
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile("def test_page(chromium): assert False")
    result = pytester.inline_run("-p", "no:cacheprovider")
    reports = [each for each in result.getreports("pytest_runtest_logreport") if each.when == "setup"]
    assert [each.outcome for each in reports] == [outcome]
    assert "Fix: install the package chromium" in str(reports[0].longrepr)


def installing(folder: Path, apt_get: str | None, *, there: bool = False) -> tuple[list[str], str]:
    """Run .ci/chromium as root with an apt-get of a text; return what that was called with, and stderr."""
    for name in ("bash", "env"):
        (folder / name).symlink_to(str(shutil.which(name)))
    program(folder, "id", "echo 0")
    if apt_get is not None:
        program(folder, "apt-get", f'echo "$@" >> {folder}/calls; {apt_get}')
    if there:
        program(folder, "chromium-browser")
    done = subprocess.run([INSTALL], env={"PATH": str(folder)}, check=True, capture_output=True, text=True)
    calls = folder / "calls"
    return [line.split()[0] for line in calls.read_text().splitlines()] if calls.exists() else [], done.stderr


def test_the_check_command_installs_it_where_it_is_missing(tmp_path: Path) -> None:
    assert installing(tmp_path, "true") == (["update", "install"], "")
    assert "install --quiet=2 --yes --no-install-recommends chromium" in (tmp_path / "calls").read_text()


def test_it_installs_nothing_where_there_is_one(tmp_path: Path) -> None:
    assert installing(tmp_path, "true", there=True) == ([], "")


@pytest.mark.parametrize("apt_get", [None, "exit 1"])
def test_it_says_so_and_goes_on_where_it_cannot(tmp_path: Path, apt_get: str | None) -> None:
    assert "Fix: install the package chromium" in installing(tmp_path, apt_get)[1]
