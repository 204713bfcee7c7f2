"""The clock of event loops, which a test moves: time is up when the test says so, and not after seconds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

__all__ = ["LoopClock"]

_TIMEOUT_S = 300.0


class LoopClock:
    """Replaces the clock of all event loops of this process, by which `service` waits and limits time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ahead_s = 0.0
        self._loops: set[asyncio.BaseEventLoop] = set()
        self._lock = threading.Lock()
        real_time = asyncio.BaseEventLoop.time

        def time(loop: asyncio.BaseEventLoop) -> float:
            with self._lock:
                self._loops.add(loop)
                return real_time(loop) + self._ahead_s

        monkeypatch.setattr(asyncio.BaseEventLoop, "time", time)

    def advance(self, seconds: float) -> None:
        """Move the clock forward. Returns when running loops have seen it, except that of this thread."""
        with self._lock:
            self._ahead_s += seconds
            loops = list(self._loops)
        for loop in loops:
            if loop.is_running() and loop is not asyncio._get_running_loop():
                seen = threading.Event()
                loop.call_soon_threadsafe(seen.set)  # what is due by now is done in the same round
                while not seen.wait(0.1) and loop.is_running():
                    pass

    @contextmanager
    def advancing(self, seconds: float, *, after: Callable[[], object]) -> Iterator[None]:
        """Move the clock forward when `after` returns, which a thread calls and which waits for an event."""
        advanced = threading.Event()

        def wait_and_advance() -> None:
            after()
            self.advance(seconds)
            advanced.set()

        threading.Thread(target=wait_and_advance, daemon=True).start()
        yield
        assert advanced.wait(_TIMEOUT_S), "there was no event"
