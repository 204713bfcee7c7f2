"""Scan requests: a write for those of a region that come up together, not one for each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import anyio
import pytest

from service.models import Scope
from service.regions.scan_requests import ScanRequests
from service.regions.status_writer import Recording
from tests.simulation.clock import VirtualLoop, run

REGIONS: Final = ("eu-west-1", "us-west-2")
BEGAN: Final = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)


class Rows:
    """Rows of the table. A write takes a second, and touches every entry of its row."""

    def __init__(self) -> None:
        self.writes = 0
        self.entries: dict[Scope, datetime] = {}

    async def record(self, region: str, recording: Recording) -> None:
        scan_requests = recording.scan_requests or {}
        await anyio.sleep(1.0)
        self.writes += 1
        self.entries |= {Scope(account_id, region): moment for account_id, moment in scan_requests.items()}


@pytest.mark.parametrize("accounts", [1, 10, 300])
def test_the_writes_do_not_grow_with_the_number_of_accounts(accounts: int) -> None:
    scopes = [Scope(f"{number:012}", region) for number in range(accounts) for region in REGIONS]

    async def work(_: VirtualLoop) -> None:
        rows = Rows()
        requests = ScanRequests.into(cast("Any", rows))
        async with anyio.create_task_group() as tasks:
            for scope in scopes:
                tasks.start_soon(requests.request, scope, BEGAN)
        assert rows.entries == dict.fromkeys(scopes, BEGAN)
        assert rows.writes <= 2 * len(REGIONS)  # of those that came first, and of all others

    run(work)


def test_a_later_request_is_not_lost_while_an_earlier_one_is_written() -> None:
    scope, later = Scope("1" * 12, REGIONS[0]), BEGAN + timedelta(minutes=1)

    async def work(_: VirtualLoop) -> None:
        rows = Rows()
        requests = ScanRequests.into(cast("Any", rows))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(requests.request, scope, BEGAN)
            await anyio.sleep(0.5)
            await requests.request(scope, later)
        assert (rows.entries, rows.writes) == ({scope: later}, 2)

    run(work)


def test_the_latest_of_requests_that_wait_together_counts() -> None:
    first, scope, later = Scope("2" * 12, REGIONS[0]), Scope("1" * 12, REGIONS[0]), BEGAN + timedelta(minutes=1)

    async def work(_: VirtualLoop) -> None:
        rows = Rows()
        requests = ScanRequests.into(cast("Any", rows))
        async with anyio.create_task_group() as tasks:
            for each, moment in ((first, BEGAN), (scope, later), (scope, BEGAN)):
                tasks.start_soon(requests.request, each, moment)
                await anyio.sleep(0.1)
        assert rows.entries == {first: BEGAN, scope: later}

    run(work)
