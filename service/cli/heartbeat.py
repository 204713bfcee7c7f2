"""Heartbeat file: its modification time shows a container health check that the event loop is running."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio

__all__ = ["heartbeat"]

_INTERVAL_S: Final = 5.0


@asynccontextmanager
async def heartbeat(path: str) -> AsyncIterator[None]:
    """Touch a file at once and then every five seconds while the block runs. An empty path: no file.

    An event loop that is blocked stops touching the file, which nothing else shows from outside the process.

    Raises:
        OSError: the file cannot be created.
    """
    if not path:
        yield
        return
    file = anyio.Path(path)
    await file.touch()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_touch_repeatedly, file)
        yield
        tasks.cancel_scope.cancel()


async def _touch_repeatedly(file: anyio.Path) -> None:
    while True:
        await anyio.sleep(_INTERVAL_S)
        await file.touch()
