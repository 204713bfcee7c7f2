"""How old region status may be that a process answers from: its own writes at once, those of others after 60 s."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from service.app import open_app
from service.aws.client import AwsClient
from service.aws.dynamodb_write import Table
from service.context import SyncRequest
from service.query_app import open_query_app
from service.regions.selection import StatusUnavailable
from service.regions.status_writer import RegionStatusTable
from service.settings import Settings, load_settings
from tests.support.sandbox import EngineSandbox
from tests.support.scripted import Answer, Request, ScriptedAws, answer, refusal, scripted_aws

CACHE_S: Final = 3600  # so long that a busy machine does not outlast it by the monotonic clock
SCAN: Final = ("dynamodb", "Scan")


class Clock:
    """A wall clock that moves when it is told to."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment

    def move(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@asynccontextmanager
async def status_of(
    script: Callable[[Request], Answer], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[RegionStatusTable, ScriptedAws]]:
    """Open a region status table whose reads a script answers."""
    async with scripted_aws(script, monkeypatch) as aws, AwsClient(Settings(), clock) as aws_client:
        table = Table(aws_client.hub(), "status", aws_client.hub_region)
        yield RegionStatusTable(table, clock, cache_s=CACHE_S, timeout_s=60), aws


def rows(*regions: str) -> Answer:
    return answer({"Items": [{"region": {"S": region}} for region in regions]})


async def regions_in(status: RegionStatusTable) -> list[str]:
    found = await status.rows()
    assert not isinstance(found, StatusUnavailable), found.reason
    return [row.region for row in found]


@pytest.fixture
def clock() -> Clock:
    """Provide a clock that is right at first: AWS refuses the signatures of one that is not."""
    return Clock(datetime.now(UTC))


@pytest.fixture
def sandbox(start_sandbox: Callable[..., EngineSandbox]) -> EngineSandbox:
    """Provide a sandbox with a server in two of three regions."""
    started = start_sandbox(a={"us-west-2": {"servers": 1}}, b={"eu-west-1": {"servers": 1}})
    started.set(REGION_STATUS_CACHE_SECONDS=str(CACHE_S), DRS_REGIONS="eu-west-1 sa-east-1 us-west-2")
    return started


async def test_rows_are_read_again_when_they_are_as_old_as_the_setting_allows(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with status_of(lambda _: rows("us-east-1"), clock, monkeypatch) as (status, aws):
        for seconds, reads in ((0, 1), (CACHE_S - 1, 1), (1, 2), (CACHE_S - 1, 2), (1, 3)):
            clock.move(seconds)
            assert await regions_in(status) == ["us-east-1"]
            assert aws.request_count("Scan") == reads


async def test_the_age_of_cached_rows_counts_from_the_begin_of_their_read(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may have written while the read was under way, behind the page that was read."""

    def slow(_: Request) -> Answer:
        clock.move(CACHE_S / 2)
        return rows("us-east-1")

    async with status_of(slow, clock, monkeypatch) as (status, aws):
        await status.rows()
        clock.move(CACHE_S / 2 - 1)
        await status.rows()
        assert aws.request_count("Scan") == 1
        clock.move(1)
        await status.rows()
        assert aws.request_count("Scan") == 2


async def test_rows_that_were_invalidated_while_they_were_read_are_not_cached(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync of this process has written meanwhile: the rows under way may be those of before."""
    tables: list[RegionStatusTable] = []

    def script(_: Request) -> Answer:
        if status := (tables.pop() if tables else None):
            status.invalidate()
            return rows("us-east-1")
        return rows("us-east-1", "us-west-2")

    async with status_of(script, clock, monkeypatch) as (status, aws):
        tables.append(status)
        assert await regions_in(status) == ["us-east-1"]
        assert await regions_in(status) == await regions_in(status) == ["us-east-1", "us-west-2"]
        assert aws.request_count("Scan") == 2


async def test_a_failed_read_is_not_cached(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [refusal("AccessDeniedException", 400), rows("us-east-1")]
    async with status_of(lambda _: answers.pop(0), clock, monkeypatch) as (status, _):
        assert isinstance(await status.rows(), StatusUnavailable)
        assert await regions_in(status) == ["us-east-1"]


async def test_one_process_reads_region_status_once_until_its_own_inventory_sync(sandbox: EngineSandbox) -> None:
    """Without the cache every run would read it, and with a cache that a sync does not drop the last would be old."""
    async with open_app(load_settings()) as app:
        await app.sync_inventory(SyncRequest())
        sandbox.calls()
        found: list[Any] = []
        for _ in range(3):
            found.append(await app.status.rows())
            await app.sync_staging(SyncRequest())
        assert sandbox.calls()[SCAN] == 3 + 1  # the target accounts in each run, region status once
        assert found[0] is found[1] is found[2]
        sandbox.add(sandbox.names.a, "sa-east-1", servers=1)
        await app.sync_inventory(SyncRequest(regions=("sa-east-1",)))
        after = await app.status.rows()
    assert not isinstance(after, StatusUnavailable)
    assert {row.region: row.server_count for row in after}["sa-east-1"] == 1


async def test_a_query_process_answers_from_before_a_sync_of_another_for_as_long_as_its_cache_lasts(
    sandbox: EngineSandbox, clock: Clock
) -> None:
    """The functions share no memory: the inventory sync of one cannot drop the cache of the other."""
    async with open_app(load_settings(), clock) as app, open_query_app(load_settings(), clock) as queries:

        async def active() -> Any:
            return (await queries.regions.run()).body["activeRegions"]

        await app.sync_inventory(SyncRequest())
        before = await active()
        assert sorted(before) == ["eu-west-1", "us-west-2"]
        sandbox.add(sandbox.names.a, "sa-east-1", servers=1)
        clock.move(CACHE_S - 1)
        await app.sync_inventory(SyncRequest(regions=("sa-east-1",)))
        assert "sa-east-1" in sandbox.counts()
        sandbox.calls()
        assert await active() == before
        clock.move(1)
        assert sorted(await active()) == ["eu-west-1", "sa-east-1", "us-west-2"]
