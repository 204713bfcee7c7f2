"""A sign of life for whoever watches over the container: a file that the event loop touches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio

__all__ = ["beating"]

_EVERY_S: Final = 5.0


@asynccontextmanager
async def beating(file: str) -> AsyncIterator[None]:
    """Touch a file now and every five seconds while the block runs; an empty name: none.

    A loop that is stuck does not touch it, and nothing else would show that from outside.

    Raises:
        OSError: the file cannot be made.
    """
    if not file:
        yield
        return
    await anyio.Path(file).touch()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_beat, anyio.Path(file))
        yield
        tasks.cancel_scope.cancel()


async def _beat(file: anyio.Path) -> None:
    while True:
        await anyio.sleep(_EVERY_S)
        await file.touch()
