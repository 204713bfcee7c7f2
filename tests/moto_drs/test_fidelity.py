"""docs/sandbox-fidelity.md: one row for each operation of the pinned model, with a source."""

from __future__ import annotations

import re
from pathlib import Path

from moto.core.utils import get_service_model

DOCUMENT = Path(__file__).parents[2] / "docs" / "sandbox-fidelity.md"
SOURCES = {"model", "user guide", "quotas", "service authorization reference", "third parties", "EC2 user guide"}


def rows() -> list[list[str]]:
    """The cells of each row of the tables, without their heads."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [each for each in cells if each[0] != "operation"]


def test_each_operation_has_one_row() -> None:
    assert sorted(row[0] for row in rows()) == sorted(get_service_model("drs").operation_names)


def test_each_row_says_what_is_real_what_is_assumed_and_why() -> None:
    for operation, real, assumed, source in rows():
        assert len(real) > 10, operation
        assert assumed, operation
        assert set(re.sub(r" \([^)]*\)", "", source).split(", ")) <= SOURCES, f"{operation}: {source}"
