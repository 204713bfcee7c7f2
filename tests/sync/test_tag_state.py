"""The lock, the last result and the settled launch settings of the tag sync, against a simulated DynamoDB."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import anyio
import pytest

from service.aws.client import AwsClient
from service.errors import AwsError
from service.models import Scope, utc_now
from service.settings import load_settings
from service.sync.engine.lease import LeaseLostError
from service.sync.tags.state import LastSync, TagState
from tests.support.sandbox import EngineSandbox

START: Final = datetime(2026, 11, 23, 5, 0, 0, 987654, tzinfo=UTC)
START_S: Final = int(START.timestamp())
SCOPE: Final = Scope("111122223333", "us-west-2")
TABLE: Final = "TAG_SYNC_CONFIG_TABLE"


class Clock:
    """A wall clock that a test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(start_sandbox: Any) -> EngineSandbox:
    """Start a sandbox with tables and no servers."""
    started: EngineSandbox = start_sandbox(a={}, b={})
    return started


@asynccontextmanager
async def opened(clock: Clock) -> AsyncIterator[TagState]:
    async with AwsClient(load_settings(), utc_now) as aws_client:
        yield TagState.of(aws_client, load_settings(), clock)


def row(sandbox: EngineSandbox, key: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = sandbox.table(TABLE).get_item(Key={"accountId": key}).get("Item")
    return found


async def test_a_lock_is_held_by_one(sandbox: EngineSandbox, clock: Clock) -> None:
    async with opened(clock) as state:
        assert await state.acquire(owner="one")
        assert not await state.acquire(owner="two")
        assert await state.acquire(owner="one")  # its first response may have been lost
        assert row(sandbox, "_tag_sync_lock") == {
            "accountId": "_tag_sync_lock",
            "status": "IN_PROGRESS",
            "startedAt": START_S,
            "owner": "one",
            "fence": START_S + 2,
        }
        clock.forward(60)
        await state.release("two")
        assert not await state.acquire(owner="two")
        await state.release("one")
        assert row(sandbox, "_tag_sync_lock") == {
            "accountId": "_tag_sync_lock",
            "status": "COMPLETED",
            "startedAt": START_S,
            "completedAt": START_S + 60,
            "owner": "one",
            "fence": START_S + 2,
        }
        assert await state.acquire(owner="two")
        stored = row(sandbox, "_tag_sync_lock")
        assert stored is not None
        assert "completedAt" not in stored


async def test_of_many_at_once_one_gets_the_lock(sandbox: EngineSandbox, clock: Clock) -> None:
    won: list[str] = []
    async with opened(clock) as state:

        async def attempt(owner: str) -> None:
            if await state.acquire(owner=owner):
                won.append(owner)

        async with anyio.create_task_group() as tasks:
            for number in range(25):
                tasks.start_soon(attempt, f"run-{number}")
    assert len(won) == 1


@pytest.mark.parametrize(("age_s", "free"), [(0, False), (899, False), (900, True), (901, True), (-5, False)])
async def test_a_lock_is_void_after_900_seconds(
    age_s: int, sandbox: EngineSandbox, clock: Clock, *, free: bool
) -> None:
    async with opened(clock) as state:
        assert await state.acquire(owner="one")
        clock.forward(age_s)
        assert (await state.last() is None) is free
        assert await state.acquire(owner="two") is free
        await state.release("one")  # a late release does not free the lock of another run
        stored = row(sandbox, "_tag_sync_lock")
        assert stored is not None
        assert stored["status"] == ("IN_PROGRESS" if free else "COMPLETED")


async def test_a_lock_can_be_handed_over(sandbox: EngineSandbox, clock: Clock) -> None:
    async with opened(clock) as state:
        assert await state.acquire(owner="request")
        assert not await state.acquire(owner="worker", takes_over="somebody")
        assert await state.acquire(owner="worker", takes_over="request")
        assert not await state.acquire(owner="worker-again", takes_over="request")  # an event delivered twice runs once
        await state.release("request")
        assert not await state.acquire(owner="other")
        await state.release("worker")
        assert await state.acquire(owner="late", takes_over="request")  # the lock is free, so it can be acquired


async def test_a_run_that_lost_the_lock_overwrites_nothing_of_its_successor(
    sandbox: EngineSandbox, clock: Clock
) -> None:
    result: dict[str, Any] = {"source": "manual", "accounts": 1, "failed": 0, "servers": 9, "complete": True}
    launches = "_launch_settings#111122223333#us-west-2"
    async with opened(clock) as first, opened(clock) as second:
        assert await first.acquire(owner="one")
        clock.forward(900)
        assert await second.acquire(owner="two")
        await first.settle_launches(SCOPE, {"s-1"})  # the next run has not recorded anything yet
        await second.settle_launches(SCOPE, {"s-2"})
        await second.finish(synced=2, **result)
        with pytest.raises(LeaseLostError):
            await first.settle_launches(SCOPE, {"s-1"})
        with pytest.raises(LeaseLostError):
            await first.finish(synced=1, **result)
        assert not await first.acquire(owner="one")
        await second.settle_launches(SCOPE, {"s-2", "s-3"})
    stored, last = row(sandbox, launches), row(sandbox, "_last_tag_sync")
    assert stored is not None
    assert last is not None
    assert (stored["settled"], stored["fence"]) == (["s-2", "s-3"], START_S + 2)
    assert (last["totalSynced"], last["fence"]) == (2, START_S + 2)


async def test_the_number_rises_also_where_an_earlier_writer_has_put_a_lock_without_one(
    sandbox: EngineSandbox, clock: Clock
) -> None:
    async with opened(clock) as state:
        for _ in range(5):
            assert await state.acquire(owner="one")
            clock.forward(300)
        await state.settle_launches(SCOPE, {"s-1"})
        sandbox.table(TABLE).put_item(Item={"accountId": "_tag_sync_lock", "status": "COMPLETED"})
        assert await state.acquire(owner="two")
        await state.settle_launches(SCOPE, {"s-2"})
        assert await state.settled_launches(SCOPE) == {"s-2"}


@pytest.mark.parametrize(
    ("stored", "free"),
    [
        ({"status": "IN_PROGRESS", "startedAt": Decimal(f"{START_S - 10}.123456")}, False),
        ({"status": "IN_PROGRESS", "startedAt": Decimal(START_S - 1000)}, True),
        ({"status": "COMPLETED", "completedAt": Decimal(f"{START_S - 10}.5")}, True),
        ({"status": "IN_PROGRESS"}, True),
        ({}, True),
    ],
)
async def test_locks_of_the_earlier_writer(
    stored: dict[str, Any], sandbox: EngineSandbox, clock: Clock, *, free: bool
) -> None:
    sandbox.table(TABLE).put_item(Item={"accountId": "_tag_sync_lock", **stored})
    async with opened(clock) as state:
        last = await state.last()
        assert (last is None) is free
        if last is not None:
            assert last.status == "IN_PROGRESS"
        assert await state.acquire(owner="one") is free


async def test_the_last_result_has_the_attributes_that_others_read(sandbox: EngineSandbox, clock: Clock) -> None:
    async with opened(clock) as state:
        assert await state.last() is None
        await state.finish(source="eventbridge", accounts=2, synced=9, failed=1, servers=11, complete=False)
        assert row(sandbox, "_last_tag_sync") == {
            "accountId": "_last_tag_sync",
            "timestamp": START_S,
            "source": "eventbridge",
            "totalAccounts": 2,
            "totalSynced": 9,
            "totalFailed": 1,
            "totalServers": 11,
            "status": "PARTIAL",
        }
        moment = datetime.fromtimestamp(START_S, UTC)
        assert await state.last() == LastSync("PARTIAL", "eventbridge", moment, 2, 9, 1, 11)
        clock.forward(100)
        await state.acquire(owner="one")
        running = await state.last()
        assert running == LastSync("IN_PROGRESS", "manual", moment + timedelta(seconds=100))
        await state.finish(source="manual", accounts=2, synced=11, failed=0, servers=11, complete=True)
        await state.release("one")
        last = await state.last()
        assert last is not None
        assert (last.status, last.total_synced) == ("SUCCESS", 11)


@pytest.mark.parametrize(
    ("stored", "last"),
    [
        (
            {
                "timestamp": Decimal(f"{START_S}.987654"),
                "source": "manual",
                "totalAccounts": Decimal(1),
                "totalSynced": Decimal(48),
                "totalFailed": Decimal(2),
                "totalServers": Decimal(50),
                "status": "PARTIAL",
            },
            LastSync("PARTIAL", "manual", START, 1, 48, 2, 50),
        ),
        ({}, LastSync("UNKNOWN", "unknown", None)),
        ({"timestamp": "x", "status": 5, "totalServers": "many"}, LastSync("UNKNOWN", "unknown", None)),
        ({"timestamp": Decimal("1e30"), "status": "SUCCESS"}, LastSync("SUCCESS", "unknown", None)),
        ({"timestamp": Decimal(-1), "status": None}, LastSync("UNKNOWN", "unknown", None)),
    ],
)
async def test_results_of_any_writer_can_be_read(
    stored: dict[str, Any], last: LastSync, sandbox: EngineSandbox, clock: Clock
) -> None:
    sandbox.table(TABLE).put_item(Item={"accountId": "_last_tag_sync", **stored})
    async with opened(clock) as state:
        assert await state.last() == last


async def test_settled_launch_settings_are_remembered_by_scope(sandbox: EngineSandbox, clock: Clock) -> None:
    async with opened(clock) as state:
        assert await state.settled_launches(SCOPE) == frozenset()
        await state.settle_launches(SCOPE, {"s-2", "s-1"})
        assert await state.settled_launches(SCOPE) == {"s-1", "s-2"}
        assert await state.settled_launches(Scope(SCOPE.account_id, "eu-west-1")) == frozenset()
        stored = row(sandbox, "_launch_settings#111122223333#us-west-2")
        assert stored is not None
        assert stored["settled"] == ["s-1", "s-2"]
        many = {f"s-{number:017x}" for number in range(4000)}  # DRS's quota of a region
        await state.settle_launches(SCOPE, many)
        assert await state.settled_launches(SCOPE) == many
        await state.settle_launches(SCOPE, ())
        assert await state.settled_launches(SCOPE) == frozenset()


@pytest.mark.parametrize("stored", ["text", 5, None, {"a": "b"}, [1, None, "s-1"]])
async def test_invalid_settled_launches_count_as_none(stored: Any, sandbox: EngineSandbox, clock: Clock) -> None:
    key = "_launch_settings#111122223333#us-west-2"
    sandbox.table(TABLE).put_item(Item={"accountId": key, "settled": stored})
    async with opened(clock) as state:
        assert await state.settled_launches(SCOPE) == ({"s-1"} if isinstance(stored, list) else frozenset())


async def test_without_a_table_nothing_is_locked_or_stored(sandbox: EngineSandbox, clock: Clock) -> None:
    sandbox.set(TAG_SYNC_CONFIG_TABLE="")
    sandbox.calls()
    async with opened(clock) as state:
        assert not state.remembers
        assert await state.acquire(owner="one")
        assert await state.acquire(owner="two")
        await state.release("one")
        await state.finish(source="manual", accounts=1, synced=1, failed=0, servers=1, complete=True)
        await state.settle_launches(SCOPE, {"s-1"})
        assert await state.last() is None
        assert await state.settled_launches(SCOPE) == frozenset()
    assert sandbox.calls() == {}


async def test_a_table_that_is_not_there_is_an_error(sandbox: EngineSandbox, clock: Clock) -> None:
    sandbox.set(TAG_SYNC_CONFIG_TABLE="no-such-table")
    async with opened(clock) as state:
        with pytest.raises(AwsError, match="table no-such-table does not exist"):
            await state.acquire(owner="one")
        with pytest.raises(AwsError, match="table no-such-table does not exist"):
            await state.last()
