"""The regions that a query chooses, and the log line that says so."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any, Final, cast

import pytest

from service.accounts.records import AccountDirectory, parse_account
from service.models import Scope
from service.queries.context import QueryContext, QueryContextLoader
from service.queries.freshness import StatusView
from service.queries.params import ScopesParams
from service.regions.scope_state import StateRules
from service.regions.selection import StatusUnavailable
from service.regions.status_rows import RegionRow
from service.settings import Settings

NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
ACCOUNT: Final = "111122223333"
UNUSED: Final = cast("Any", None)
ACTIVE, OTHER, EXCLUDED = "us-west-2", "eu-west-1", "sa-east-1"
SETTINGS: Final = Settings(drs_regions=("us-east-1", ACTIVE, OTHER, EXCLUDED), drs_excluded_regions=(EXCLUDED,))
ROWS: Final = (RegionRow(ACTIVE, 3), RegionRow(OTHER, 0), RegionRow(EXCLUDED, 2))


@pytest.mark.parametrize(
    ("rows", "regions", "level", "figures"),
    [
        (ROWS, (), "INFO", ("status_table", 1, 1, 2)),
        (ROWS, (OTHER,), "INFO", ("requested", 1, 1, 2)),
        (ROWS[1:], (), "INFO", ("full_scan_none_active", 0, 3, 0)),
        ((), (), "WARNING", ("fallback_table_empty", None, 3, 0)),
        (StatusUnavailable("it took too long"), (), "WARNING", ("fallback_table_unavailable", None, 3, 0)),
    ],
)
def test_a_query_logs_which_regions_it_reads_and_why(
    rows: tuple[RegionRow, ...] | StatusUnavailable,
    regions: tuple[str, ...],
    level: str,
    figures: tuple[Any, ...],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="service")
    directory = AccountDirectory([parse_account({"accountId": ACCOUNT})])
    context = QueryContext(directory, (), StatusView(rows), UNUSED, StateRules.of(SETTINGS, NOW))
    loader = QueryContextLoader(UNUSED, SETTINGS, UNUSED, lambda: NOW)
    chosen, scopes = loader.choose(context, ScopesParams(regions=regions), "a_query")
    assert scopes == tuple(Scope(ACCOUNT, region) for region in sorted(chosen))
    (record,) = caplog.records
    line = vars(record)
    assert (line["message"], line["levelname"], line["operation"]) == ("regions chosen", level, "a_query")
    assert tuple(line[name] for name in ("regionSource", "activeRegions", "regions", "regionsSkipped")) == figures
    assert line["scopes"] == len(scopes) == figures[2]
    assert line["reason"] == ("it took too long" if isinstance(rows, StatusUnavailable) else "")
