"""Rows of regions outside the catalog: which they are, and which may be dropped."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from service.regions.outside_catalog import outside_problem, reason_to_keep, rows_outside
from service.regions.status_rows import RegionRow
from service.settings import Settings

NOW = datetime(2026, 11, 27, tzinfo=UTC)
SETTINGS = Settings(drs_regions=("us-east-1", "us-west-2"), drs_excluded_regions=("us-west-2", "eu-west-1"))
ROW = RegionRow("us-wset-2")


def test_a_table_of_the_catalog_is_no_problem() -> None:
    rows = [RegionRow(region) for region in ("us-east-1", "us-west-2", "eu-west-1")]
    assert rows_outside(rows, SETTINGS) == []
    assert outside_problem(rows, SETTINGS) is None


def test_the_command_of_the_fix_can_be_pasted_whatever_the_table_contains() -> None:
    problem = outside_problem([RegionRow("x; rm -rf /\x1b"), RegionRow("us-east-1")], SETTINGS)
    assert problem is not None
    assert "regions drop 'x; rm -rf /\N{REPLACEMENT CHARACTER}', or" in problem.advice


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ROW, ""),
        (RegionRow("us-west-2"), ""),  # excluded
        (RegionRow("us-east-1"), "in the catalog"),
        (replace(ROW, server_count=2), "2 servers are known"),
        (replace(ROW, unattributed=1), "1 servers are known"),
        (replace(ROW, full_scan_began=NOW), "a full scan that was cut short"),
    ],
)
def test_a_row_is_kept_for_a_reason(row: RegionRow, reason: str) -> None:
    assert reason in reason_to_keep(row, SETTINGS)
    assert bool(reason) == bool(reason_to_keep(row, SETTINGS))
