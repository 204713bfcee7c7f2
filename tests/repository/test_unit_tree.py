"""Layout of the unit tests: the tests of a module are where its name says."""

from __future__ import annotations

from pathlib import Path

import pytest

UNIT = Path(__file__).parents[1] / "unit"
SERVICE = Path(__file__).parents[2] / "service"


@pytest.mark.parametrize("path", sorted(UNIT.rglob("test_*.py")), ids=lambda path: str(path.relative_to(UNIT)))
def test_each_unit_test_has_the_path_of_its_module(path: Path) -> None:
    module = SERVICE / path.relative_to(UNIT).with_name(path.name.removeprefix("test_"))
    assert module.exists(), (
        f"no module {module}. Fix: name the test after the module it tests, or move it to another layer"
    )
