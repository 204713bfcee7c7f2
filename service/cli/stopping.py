"""SIGTERM and Ctrl-C while a sync runs: the run ends early with a true report, instead of none."""

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
    """Give what runs are to be opened with. Inside a running loop, in the main thread.

    The second signal ends the process at once.
    """
    shutdown, loop = Shutdown(), asyncio.get_running_loop()

    def told() -> None:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
        sys.stderr.write("drs-sync: stopping; what is done stays, the report follows\n")
        sys.stderr.flush()
        shutdown.request()

    for number in _SIGNALS:
        loop.add_signal_handler(number, told)
    try:
        yield shutdown
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
