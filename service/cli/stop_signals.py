"""Handlers of SIGTERM and Ctrl-C for the whole life of the process. Imports nothing that takes time to load.

As PID 1 of a container, a process ignores every signal for which it has no handler, and the default action never ends
it. So there is a handler from the first moment on: a stop while the commands are still loading would be lost otherwise,
and the container would be killed when its time to stop is over.

Windows has SIGINT and SIGBREAK; asyncio has no signal handlers there, so nothing here uses those of an event loop.
"""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Final

__all__ = ["STOP_SIGNALS", "end_at_next_signal", "interrupt_at_signals", "remember_signals"]

STOP_SIGNALS: Final = tuple(
    signal.Signals[name] for name in ("SIGTERM", "SIGINT", "SIGBREAK") if name in signal.Signals.__members__
)

_received: Final[list[int]] = []


def remember_signals() -> None:
    """Remember a signal until `interrupt_at_signals`, because imports must not be interrupted. A second one ends it."""
    for number in STOP_SIGNALS:
        signal.signal(number, _remember)


def _remember(number: int, _frame: FrameType | None) -> None:
    if _received:
        _end(number, None)
    _received.append(number)


def interrupt_at_signals() -> None:
    """Make each signal raise KeyboardInterrupt, or cancel the running `asyncio.Runner`, which then raises it.

    Raises:
        KeyboardInterrupt: there was a signal before.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, _interrupt)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which asyncio replaces by its own
    if _received:
        raise KeyboardInterrupt


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)


def end_at_next_signal() -> None:
    """Make the next signal end the process at once: SIGINT by KeyboardInterrupt, others by their default action."""
    for number in STOP_SIGNALS:
        signal.signal(number, _end if os.getpid() == 1 else signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, _frame: FrameType | None) -> None:
    """End the process as the signal's default action does, which has no effect on PID 1."""
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    os._exit(128 + number)  # the exit code that a shell shows for a process that a signal ended
