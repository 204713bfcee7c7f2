"""Results of `tables create`: what is to be known of a table is told in full below the rows."""

from __future__ import annotations

import pytest

from service.cli.tables import results_table
from tests.support.printed import SHOWN, WHY, joined, printed


@pytest.mark.parametrize("status", ["failed", "differs", "planned", "unset"])
def test_a_table_that_does_not_exist_has_its_message_in_full(status: str) -> None:
    there = {"setting": "A_TABLE", "name": "a", "status": "exists", "message": "left as it is"}
    lines = printed(results_table([there, {"setting": "B_TABLE", "name": "b", "status": status, "message": WHY}]))
    assert [line.split() for line in lines[2:4]] == [["exists", "A_TABLE", "a"], [status, "B_TABLE", "b"]]
    level = "ERROR" if status in {"failed", "differs"} else status
    assert joined(lines[4:]).strip() == f"{level}  b {SHOWN}"
