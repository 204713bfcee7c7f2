"""Graceful end of a running sync: SIGTERM and Ctrl-C end it early, with a report of what was done."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from service.cli.stop_signals import STOP_SIGNALS, end_at_next_signal
from service.deadline import Shutdown

__all__ = ["shutdown_on_signals"]


@contextmanager
def shutdown_on_signals() -> Iterator[Shutdown]:
    """Yield a `Shutdown` that the first SIGTERM or SIGINT requests. The second signal ends the process at once.

    Call it inside a running event loop, in the main thread.
    """
    shutdown, loop = Shutdown(), asyncio.get_running_loop()

    def request_shutdown() -> None:
        sys.stderr.write(
            "drs-sync: stopping: completed work is kept and the report follows; another signal ends it at once\n"
        )
        sys.stderr.flush()
        shutdown.request()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        end_at_next_signal()
        loop.call_soon_threadsafe(request_shutdown)  # also wakes a loop that waits for I/O

    previous = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    for number in STOP_SIGNALS:
        signal.signal(number, on_signal)
    try:
        yield shutdown
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
