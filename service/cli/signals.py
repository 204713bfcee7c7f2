"""Signal handling: SIGTERM and Ctrl-C end a running sync early, with a report of what was done."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from service.deadline import Shutdown

__all__ = ["shutdown_on_signals"]

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def shutdown_on_signals() -> Iterator[Shutdown]:
    """Yield a `Shutdown` that the first SIGTERM or SIGINT requests. The second signal ends the process at once.

    Call it inside a running event loop, in the main thread.
    """
    shutdown, loop = Shutdown(), asyncio.get_running_loop()

    def request_shutdown() -> None:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
        sys.stderr.write(
            "drs-sync: stopping: completed work is kept and the report follows; another signal ends it at once\n"
        )
        sys.stderr.flush()
        shutdown.request()

    for number in _SIGNALS:
        loop.add_signal_handler(number, request_shutdown)
    try:
        yield shutdown
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
