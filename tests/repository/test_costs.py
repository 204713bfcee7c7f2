"""The plugin that measures tests: what is over budget fails, and nothing else does."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from benchmarks.calibration import time_loop
from tests.support.costs import BUDGETS, over_budget

TESTS = Path(__file__).parents[1]


def test_what_is_over_its_budget_or_has_none_is_told_with_what_to_do() -> None:
    spent = {"unit": 10.0, "sync": 11.0, "new": 1.0}
    over, missing = sorted(over_budget(spent, {"unit": 10, "sync": 10}), reverse=True)
    assert over.startswith("tests/sync took 11 loops of CPU, its budget is 10. Fix: ")
    assert missing.startswith("tests/new has no budget. Fix: ")


def test_every_directory_of_tests_has_a_budget() -> None:
    budgets = tomllib.loads(BUDGETS.read_text())
    folders = {path.parent.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}
    assert budgets.keys() == {"test", "deep"}
    assert folders == budgets["test"].keys() | budgets["deep"].keys()


def test_a_loop_takes_time() -> None:
    assert min(time_loop()) > 0


SCOPE = ("-o", "asyncio_default_fixture_loop_scope=function")
PLANTED = """
import pytest

def test_quick():
    pass

@pytest.mark.deep
def test_long():
    pass
"""


@pytest.mark.parametrize("budget", [0, 1000])
def test_a_run_over_its_budget_fails(budget: int, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    budgets = pytester.path / "budgets.toml"
    budgets.write_text(f"[test]\nplanted = {budget}\n")
    monkeypatch.setattr("tests.support.costs.BUDGETS", budgets)
    folder = pytester.mkdir("tests") / "planted"
    folder.mkdir()
    (folder / "test_planted.py").write_text(PLANTED)
    (pytester.path / "conftest.py").write_text(
        "import pytest\n"
        "from tests.support.costs import Costs\n"
        "def pytest_addoption(parser): parser.addoption('--check-budgets', action='store_true')\n"
        "def pytest_configure(config):\n"
        "    config.addinivalue_line('markers', 'deep: long')\n"
        "    config.pluginmanager.register(Costs(config))\n"
    )
    result = pytester.runpytest_inprocess("--check-budgets", "-m", "not deep", "-p", "no:cacheprovider", *SCOPE)
    result.assert_outcomes(passed=1, deselected=1)
    assert result.ret == (pytest.ExitCode.OK if budget else pytest.ExitCode.TESTS_FAILED)
    assert ("BUDGET tests/planted took" in result.stdout.str()) == (not budget)
    assert "test_planted.py::test_quick" in result.stdout.str()
