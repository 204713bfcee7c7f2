"""Fan-out with a concurrency limit: one function over many items, results as a stream. Also `prefetch`.

The limit is a number of worker tasks, not a semaphore, so that neither tasks nor results pile up.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sized
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from service.errors import DrsSyncError

__all__ = ["fan_out", "prefetch", "unwrap_group"]

T = TypeVar("T")
R = TypeVar("R")


@asynccontextmanager
async def fan_out(
    items: Iterable[T], work: Callable[[T], Awaitable[R]], *, concurrency: int
) -> AsyncIterator[MemoryObjectReceiveStream[R]]:
    """Open a stream of exactly one result per item, in order of arrival.

    `concurrency` workers, or fewer if there are fewer items, take items from `items`, which may be a generator. A slow
    consumer slows the workers down (backpressure). Leaving the block early cancels running work.

    Raises:
        DrsSyncError: raised by `work`; it ends the fan-out, and is not wrapped in an exception group.
    """
    send, receive = anyio.create_memory_object_stream[R]()
    queue = iter(items)
    workers = min(concurrency, len(items)) if isinstance(items, Sized) else concurrency

    async def worker(out: MemoryObjectSendStream[R], source: Iterator[T]) -> None:
        async with out:
            for item in source:  # one iterator shared by all workers, so each item is taken once
                await out.send(await work(item))

    with unwrap_group():
        async with receive, anyio.create_task_group() as tasks:
            async with send:
                for _ in range(workers):
                    tasks.start_soon(worker, send.clone(), queue)
            yield receive
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def prefetch(work: Callable[[], Awaitable[R]]) -> AsyncIterator[Callable[[], Awaitable[R]]]:
    """Start work in the background; yield a function that waits for its result. Leaving the block cancels it.

    Raises:
        DrsSyncError: raised by `work`; from the function that waits. Dropped if that is never called.
    """
    outcome: list[R | DrsSyncError] = []
    done = anyio.Event()

    async def run() -> None:
        try:
            outcome.append(await work())
        except DrsSyncError as error:
            outcome.append(error)
        done.set()

    async def result() -> R:
        await done.wait()
        (finished,) = outcome
        if isinstance(finished, DrsSyncError):
            raise finished
        return finished

    with unwrap_group():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            yield result
            tasks.cancel_scope.cancel()


@contextmanager
def unwrap_group() -> Iterator[None]:
    """Raise the first DrsSyncError of a task group's exception group by itself; a group with bugs stays a group."""
    try:
        yield
    except BaseExceptionGroup as group:
        expected, bugs = group.split(DrsSyncError)
        if expected is None or bugs is not None:
            raise
        raise _first(expected) from None


def _first(group: BaseExceptionGroup[DrsSyncError]) -> DrsSyncError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
