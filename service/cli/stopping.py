"""SIGTERM and Ctrl-C while a sync runs: the run ends early with a true report, instead of none."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from service.ending import Stop

__all__ = ["stopping_on_signals"]

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stopping_on_signals() -> Iterator[Stop]:
    """Give what runs are to be opened with. Inside a running loop, in the main thread.

    The second signal ends the process at once.
    """
    stop, loop = Stop(), asyncio.get_running_loop()

    def told() -> None:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
        sys.stderr.write("drs-sync: stopping; what is done stays, the report follows\n")
        sys.stderr.flush()
        stop.ask()

    for number in _SIGNALS:
        loop.add_signal_handler(number, told)
    try:
        yield stop
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
