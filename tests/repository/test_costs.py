"""The plugin that measures tests: what is over budget fails, and nothing else does."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from benchmarks.calibration import time_loop
from tests.support.costs import BUDGETS, Costs, over_budget

TESTS = Path(__file__).parents[1]


def test_what_is_over_its_budget_or_has_none_is_told_with_what_to_do() -> None:
    spent = {"unit": 10.0, "sync": 11.0, "new": 1.0}
    over, missing = sorted(over_budget(spent, {"unit": 10, "sync": 10}), reverse=True)
    assert over.message.startswith("tests/sync took 11 loops of CPU, its budget is 10, and more than 15 fail. Fix: ")
    assert missing.message.startswith("tests/new has no budget. Fix: ")


@pytest.mark.parametrize(
    ("times_its_usual", "fails"),
    [
        pytest.param(1.0, [], id="as usual"),
        pytest.param(1.9, [], id="a busy machine"),
        pytest.param(2.1, [False], id="doubled, or a very busy machine"),
        pytest.param(2.9, [False], id="not yet clear"),
        pytest.param(3.1, [True], id="clearly not the machine"),
    ],
)
def test_only_what_is_clearly_over_its_budget_fails(times_its_usual: float, fails: list[bool]) -> None:
    usual = 95.0
    found = over_budget({"scale": times_its_usual * usual}, {"scale": 2 * usual})
    assert [each.fails for each in found] == fails


def test_a_directory_without_a_budget_fails_whatever_it_takes() -> None:
    assert [each.fails for each in over_budget({"new": 0.1}, {})] == [True]


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


@pytest.mark.parametrize(
    ("budget_of_spent", "options", "told"),
    [
        (1.1, ["--check-budgets"], ""),
        (0.9, ["--check-budgets"], "WARNING"),
        (0.5, ["--check-budgets"], "FAILED"),
        (0.5, [], ""),
    ],
)
def test_a_run_clearly_over_its_budget_fails(
    budget_of_spent: float,
    options: list[str],
    told: str,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spent = 100.0
    monkeypatch.setattr(Costs, "_spent", lambda _: {"planted": spent})
    budgets = pytester.path / "budgets.toml"
    budgets.write_text(f"[test]\nplanted = {budget_of_spent * spent}\n")
    monkeypatch.setattr("tests.support.costs.BUDGETS", budgets)
    result = _run_planted(pytester, *options)
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if told == "FAILED" else pytest.ExitCode.OK)
    lines = [line for line in result.outlines if line.startswith("BUDGET ")]
    assert [line.startswith(f"BUDGET {told} tests/planted took 100 loops") for line in lines] == [True] * bool(told)
    assert "test_planted.py::test_quick" in result.stdout.str()


def test_what_a_run_took_is_measured(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    budgets = pytester.path / "budgets.toml"
    budgets.write_text("[test]\nplanted = 0\n")
    monkeypatch.setattr("tests.support.costs.BUDGETS", budgets)
    result = _run_planted(pytester, "--check-budgets")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "BUDGET FAILED tests/planted took" in result.stdout.str()


def _run_planted(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
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
    result = pytester.runpytest_inprocess(*options, "-m", "not deep", "-p", "no:cacheprovider", *SCOPE)
    result.assert_outcomes(passed=1, deselected=1)
    return result
