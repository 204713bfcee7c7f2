"""Fan-out: one result per item, the concurrency limit holds, nothing keeps running."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Iterator

import anyio
import anyio.lowlevel
import pytest

from service.errors import AwsError, ConfigurationError
from service.fanout import fan_out, prefetch
from service.models import Call

DENIED = AwsError("AccessDenied", "no", Call("sts", "AssumeRole", "111122223333", "us-east-1"))
pytestmark = pytest.mark.timeout(10)  # a test that hangs fails soon


async def fail_with(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("concurrency", [1, 2, 3, 50])
@pytest.mark.parametrize("items", [0, 1, 7, 40])
async def test_exactly_one_result_per_item_and_never_more_at_once(items: int, concurrency: int) -> None:
    running = peak = 0
    full = anyio.Event()

    async def work(item: int) -> tuple[int, None]:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        if running == min(concurrency, items):
            full.set()
        await full.wait()
        for _ in range(item * 7 % 5):  # so that results arrive in another order
            await anyio.lowlevel.checkpoint()
        running -= 1
        return item, None

    async with fan_out(range(items), work, concurrency=concurrency) as results:
        drawn_items = [item async for item, _ in results]
    assert sorted(drawn_items) == list(range(items))
    assert peak == min(concurrency, items)
    assert running == 0


@pytest.mark.parametrize(("items", "workers"), [([], 0), ([1, 2, 3], 3), (range(90), 50), (iter([1]), 50)])
async def test_no_more_tasks_are_started_than_there_are_items(items: Iterable[int], workers: int) -> None:
    before, asleep = len(asyncio.all_tasks()), anyio.Event()

    async def work(_: int) -> None:
        await asleep.wait()

    async with fan_out(items, work, concurrency=50) as results:
        assert len(asyncio.all_tasks()) - before == workers
        asleep.set()
        async for _ in results:
            pass


async def test_items_are_drawn_one_by_one_and_a_slow_consumer_slows_the_work() -> None:
    drawn = 0

    def endless() -> Iterator[int]:
        nonlocal drawn
        for number in itertools.count():
            drawn = number + 1
            yield number

    async def work(item: int) -> int:
        await anyio.lowlevel.checkpoint()
        return item

    async with fan_out(endless(), work, concurrency=3) as results:
        received = [await results.receive() for _ in range(10)]
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        assert drawn <= len(received) + 2 * 3
    assert len(set(received)) == 10


async def test_leaving_early_cancels_what_is_under_way_and_starts_nothing_more() -> None:
    started: list[int] = []
    cancelled: list[int] = []

    async def work(item: int) -> int:
        started.append(item)
        if item == 0:
            return item
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append(item)
        return item

    async with fan_out(range(100), work, concurrency=4) as results:
        assert await results.receive() == 0
    assert sorted(cancelled) == sorted(set(started) - {0})
    assert len(started) <= 5


@pytest.mark.parametrize("error", [DENIED, ConfigurationError("fix it")])
@pytest.mark.parametrize("concurrency", [1, 4])
async def test_an_expected_error_comes_out_bare_and_stops_the_rest(error: Exception, concurrency: int) -> None:
    cancelled: list[int] = []

    async def work(item: int) -> int:
        if item == concurrency - 1:
            raise error
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append(item)
        return item

    with pytest.raises(type(error)) as caught:
        async with fan_out(range(20), work, concurrency=concurrency) as results:
            assert [item async for item in results] == []
    assert caught.value is error
    assert sorted(cancelled) == list(range(concurrency - 1))


async def test_several_expected_errors_at_once_come_out_as_one() -> None:
    async def work(item: int) -> int:
        try:
            await anyio.sleep(0 if item == 0 else 60)
        finally:
            await fail_with(ConfigurationError(str(item)))
        return item

    with pytest.raises(ConfigurationError):
        async with fan_out(range(3), work, concurrency=3) as results:
            assert [item async for item in results] == []


async def test_a_bug_comes_out_loud_in_a_group() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with fan_out([KeyError("x")], fail_with, concurrency=2) as results:
            assert [item async for item in results] == []
    assert caught.group_contains(KeyError)


async def test_an_expected_error_does_not_hide_a_bug() -> None:
    async def work(item: int) -> int:
        if item == 0:
            await fail_with(DENIED)
        try:
            await anyio.sleep_forever()
        finally:
            await fail_with(KeyError("x"))
        return item

    with pytest.raises(ExceptionGroup) as caught:
        async with fan_out([1, 0], work, concurrency=2) as results:
            assert [item async for item in results] == []
    assert caught.group_contains(KeyError)
    assert caught.group_contains(AwsError)


async def test_the_consumers_own_expected_error_comes_out_bare_and_stops_the_work() -> None:
    stopped = anyio.Event()

    async def work(item: int) -> int:
        if item:
            try:
                await anyio.sleep_forever()
            finally:
                stopped.set()
        return item

    async def consume() -> None:
        async with fan_out(range(2), work, concurrency=2) as results:
            await results.receive()
            await anyio.lowlevel.checkpoint()
            await fail_with(ConfigurationError("x"))

    with pytest.raises(ConfigurationError):
        await consume()
    assert stopped.is_set()


async def test_an_expected_error_comes_bare_out_of_a_fan_out_within_a_fan_out() -> None:
    async def outer(_: int) -> int:
        async with fan_out([DENIED], fail_with, concurrency=1) as results:
            return len([each async for each in results])

    with pytest.raises(AwsError) as caught:
        async with fan_out(range(3), outer, concurrency=2) as results:
            assert [each async for each in results] == []
    assert caught.value is DENIED


async def test_a_deadline_from_outside_ends_it() -> None:
    async def work(_: int) -> None:
        await anyio.sleep_forever()

    with anyio.move_on_after(0) as scope:
        async with fan_out(range(3), work, concurrency=2) as results:
            assert [each async for each in results] == []
    assert scope.cancelled_caught


async def test_what_is_begun_ahead_runs_while_other_things_happen() -> None:
    going, wanted = anyio.Event(), anyio.Event()

    async def work() -> int:
        going.set()
        await wanted.wait()
        return 7

    async with prefetch(work) as result:
        await going.wait()  # started before its result is awaited
        wanted.set()
        assert await result() == 7
        assert await result() == 7  # any number of times


@pytest.mark.parametrize("error", [DENIED, ConfigurationError("no")])
async def test_an_error_of_work_ahead_shows_where_it_is_waited_for(error: Exception) -> None:
    reached = False

    async def use() -> None:
        nonlocal reached
        async with prefetch(lambda: fail_with(error)) as result:
            await anyio.lowlevel.checkpoint()
            reached = True
            await result()

    with pytest.raises(type(error)) as raised:
        await use()
    assert reached
    assert raised.value is error


async def test_an_error_of_work_ahead_that_nobody_waits_for_is_dropped() -> None:
    async with prefetch(lambda: fail_with(DENIED)):
        await anyio.lowlevel.checkpoint()


async def test_leaving_early_cancels_what_was_begun_ahead() -> None:
    cancelled = False

    async def work() -> None:
        nonlocal cancelled
        try:
            await anyio.sleep_forever()
        finally:
            cancelled = True

    async def use() -> None:
        async with prefetch(work):
            await anyio.lowlevel.checkpoint()
            raise DENIED

    with pytest.raises(AwsError) as raised:
        await use()
    assert raised.value is DENIED
    assert cancelled


async def test_work_ahead_that_nobody_waits_for_ends_with_the_block() -> None:
    async with prefetch(anyio.sleep_forever):
        await anyio.lowlevel.checkpoint()


async def test_a_bug_in_work_ahead_is_not_hidden() -> None:
    with pytest.raises(BaseExceptionGroup) as raised:
        async with prefetch(lambda: fail_with(ValueError("a bug"))):
            await anyio.sleep_forever()
    assert raised.group_contains(ValueError)
