"""Both functions, with one more event that returns the resources of their process, and with leaks to detect."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
from collections.abc import Callable
from typing import Any, Final

from service.handlers import data_management, query

__all__ = ["RESOURCES_EVENT", "querying", "writing"]

RESOURCES_EVENT: Final = {"test": "resources"}
_LEAKS: Final = frozenset(os.environ.get("PLANTED_LEAKS", "").split())
_leaked: Final[list[Any]] = []
_Handler = Callable[[Any, Any], Any]


def _resources(loop: asyncio.AbstractEventLoop | None) -> dict[str, int]:
    gc.collect()
    return {"blocks": sys.getallocatedblocks(), "tasks": len(asyncio.all_tasks(loop)) if loop else 0}


def _leak(loop: asyncio.AbstractEventLoop) -> None:
    async def begin() -> None:
        _leaked.append(asyncio.create_task(asyncio.Event().wait()))

    if "memory" in _LEAKS:
        _leaked.append([str(number) for number in range(300)])
    if "sockets" in _LEAKS:
        _leaked.append(socket.socket())
    if "tasks" in _LEAKS:
        loop.run_until_complete(begin())


def _instrumented(handler: _Handler, runtime: Any) -> _Handler:
    def lambda_handler(event: Any, context: Any) -> Any:
        if event == RESOURCES_EVENT:
            return _resources(runtime._runner and runtime._runner.get_loop())
        answer = handler(event, context)
        if _LEAKS:
            _leak(runtime._runner.get_loop())
        return answer

    return lambda_handler


writing: Final = _instrumented(data_management.lambda_handler, data_management.runtime)
querying: Final = _instrumented(query.lambda_handler, query.runtime)
