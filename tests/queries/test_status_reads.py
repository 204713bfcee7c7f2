"""How queries read the region status table: by scans to the last page, shared by concurrent callers."""

from __future__ import annotations

from typing import Final

import anyio

from service.query_app import open_query_app
from service.regions.selection import StatusUnavailable
from service.settings import load_settings
from tests.support.sandbox import EVERY_REGION, EngineSandbox

SCAN: Final = ("dynamodb", "Scan")


async def test_more_rows_than_regions_are_read_by_scans_to_the_last_page(sandbox: EngineSandbox) -> None:
    regions = {*EVERY_REGION, "xx-north-1", "xx-south-1"}
    assert len(regions) > 28
    for number, region in enumerate(sorted(regions)):
        sandbox.put_status(region, serverCount=number, status="ACTIVE", padding="x" * 70_000)
    sandbox.calls()
    async with open_query_app(load_settings()) as app:
        rows = await app.status.rows()
    assert not isinstance(rows, StatusUnavailable), rows.reason
    assert {row.region: row.server_count for row in rows} == {
        region: number for number, region in enumerate(sorted(regions))
    }
    assert sandbox.calls() == {SCAN: 3}  # of 2.5 MB; DynamoDB ends a page at 1 MB


async def test_concurrent_queries_share_one_read_of_region_status(sandbox: EngineSandbox) -> None:
    sandbox.put_status("us-west-2", serverCount=1, status="ACTIVE")
    sandbox.calls()
    async with open_query_app(load_settings()) as app, anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(app.status.rows)
    assert sandbox.calls() == {SCAN: 1}
