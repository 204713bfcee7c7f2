"""Reading region status: whatever goes wrong is a reason to scan every region, and never an empty table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final, cast

import anyio
import pytest

from service.aws.dynamodb import TableReader
from service.errors import AwsError
from service.models import Call, Scope
from service.regions.selection import StatusUnavailable
from service.regions.status_reader import RegionStatusReader
from service.regions.status_writer import Recording, RegionStatusTable
from tests.simulation.clock import VirtualLoop
from tests.simulation.clock import run as run_virtually

CALL: Final = Call("dynamodb", "Scan", "hub", "us-east-1")
NOW: Final = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
TIMEOUT_S: Final = 5.0


class Rows:
    """A table with one row and a second page, which takes so long or raises."""

    def __init__(
        self, error: Exception | None = None, *, seconds: float = 0.0, first: dict[str, Any] | None = None
    ) -> None:
        self.error = error
        self.first = first or {"region": "us-east-1", "serverCount": 1}
        self.seconds = seconds
        self.reads = 0

    async def scan(self) -> AsyncIterator[dict[str, Any]]:
        self.reads += 1
        yield self.first
        await anyio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        yield {"region": "us-west-2", "serverCount": 2}

    @staticmethod
    def malformed(operation: str, why: str) -> AwsError:
        return AwsError("MalformedResponse", f"{operation}: {why}", CALL)


def reader_of(table: Rows | None) -> RegionStatusReader:
    return RegionStatusReader(cast("TableReader | None", table), lambda: NOW, cache_s=60.0, timeout_s=TIMEOUT_S)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (None, "DRS_REGION_STATUS_TABLE is not set"),
        (Rows(seconds=TIMEOUT_S + 0.1), "the region status table took longer than 5 s"),
        (Rows(AwsError("AccessDeniedException", "no", CALL)), "could not be read: AccessDeniedException: no"),
        (Rows(AwsError("ThrottlingException", "slow", CALL)), "could not be read: ThrottlingException: slow"),
        (Rows(first={"serverCount": 1}), "could not be read: MalformedResponse: Scan: an item is missing region"),
    ],
)
def test_a_table_that_cannot_be_read_is_unavailable_with_the_reason(table: Rows | None, reason: str) -> None:
    async def work(_: VirtualLoop) -> None:
        rows = await reader_of(table).rows()
        assert isinstance(rows, StatusUnavailable)
        assert reason in rows.reason

    run_virtually(work)


def test_a_failed_read_is_not_kept_and_all_pages_of_the_next_one_are_read() -> None:
    async def work(_: VirtualLoop) -> None:
        table = Rows(AwsError("InternalServerError", "oops", CALL), seconds=TIMEOUT_S - 0.1)
        reader = reader_of(table)
        assert isinstance(await reader.rows(), StatusUnavailable)
        table.error = None
        rows = await reader.rows()
        assert not isinstance(rows, StatusUnavailable)
        assert [(row.region, row.server_count) for row in rows] == [("us-east-1", 1), ("us-west-2", 2)]
        assert table.reads == 2

    run_virtually(work)


def test_without_a_table_nothing_is_written_and_there_is_no_entry() -> None:
    async def work(_: VirtualLoop) -> None:
        table = RegionStatusTable(None, lambda: NOW, cache_s=60.0, timeout_s=TIMEOUT_S)
        await table.record("us-east-1", Recording())
        await table.mark_all_checked()
        assert await table.drop("us-east-1", lambda _: False)
        assert await table.entry(Scope("111122223333", "us-east-1")) is None

    run_virtually(work)
