"""One fan-out for every sync: limited, streamed, cancellable. And one thing begun before it is wanted."""

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

    `concurrency` workers, or as many as there are items, draw from `items`, which may be a generator: neither tasks nor
    results pile up, and a slow consumer slows the work. Leaving the block early cancels what is under way.

    Raises:
        DrsSyncError: one that `work` raised ends the fan-out and comes out bare, not in a group.
    """
    send, receive = anyio.create_memory_object_stream[R]()
    queue = iter(items)
    workers = min(concurrency, len(items)) if isinstance(items, Sized) else concurrency

    async def worker(out: MemoryObjectSendStream[R], source: Iterator[T]) -> None:
        async with out:
            for item in source:  # shared by all workers: each item is drawn once
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
    """Begin work whose result is wanted later; what is given waits for it. Leaving the block cancels it.

    Raises:
        DrsSyncError: one that `work` raised comes out where its result is waited for; nobody waiting, it is dropped.
    """
    outcome: list[R | DrsSyncError] = []
    done = anyio.Event()

    async def begin() -> None:
        try:
            outcome.append(await work())
        except DrsSyncError as error:
            outcome.append(error)
        done.set()

    async def result() -> R:
        await done.wait()
        [found] = outcome
        if isinstance(found, DrsSyncError):
            raise found
        return found

    with unwrap_group():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(begin)
            yield result
            tasks.cancel_scope.cancel()


@contextmanager
def unwrap_group() -> Iterator[None]:
    """Let the first error of ours out of the group that a task group makes; bugs stay in theirs."""
    try:
        yield
    except BaseExceptionGroup as group:
        expected, bugs = group.split(DrsSyncError)
        if expected is None or bugs is not None:
            raise
        raise _first(expected) from None


def _first(group: BaseExceptionGroup[DrsSyncError]) -> DrsSyncError:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
