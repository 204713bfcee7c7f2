"""Event loop on a virtual clock: waiting takes no time, and the same inputs give the same order of events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

__all__ = ["BEGIN", "VirtualLoop", "run"]

T = TypeVar("T")

BEGIN = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
"""UTC time at which a loop's clock reads 0."""


class _AdvancingSelector:
    """Selector without sockets: waiting moves the clock to the next timer."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("deadlock: every task waits, and nothing is left that could wake one")
        self._loop.advance(max(0.0, timeout))
        return []

    def close(self) -> None:
        """Do nothing: there is nothing to close."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Event loop without sockets, threads or real waiting."""

    def __init__(self) -> None:
        super().__init__()
        self._seconds = 0.0
        self._selector = _AdvancingSelector(self)  # the attribute that the base class reads
        self.errors: list[BaseException] = []

    def time(self) -> float:
        """Return the seconds since the loop's clock read 0."""
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Advance the clock, as a process that was frozen sees it when it continues."""
        self._seconds += seconds

    def wall(self, skew_s: float = 0.0) -> datetime:
        """Return the UTC time of a clock that is wrong by `skew_s` seconds."""
        return BEGIN + timedelta(seconds=self._seconds + skew_s)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep the exception of a callback; `run` raises it, so that no test misses it."""
        error = context.get("exception")
        self.errors.append(error if isinstance(error, BaseException) else RuntimeError(context["message"]))

    def _process_events(self, event_list: list[Any]) -> None:
        assert not event_list

    def _write_to_self(self) -> None:
        """Do nothing: the loop never blocks."""


def run(work: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Run work on a new virtual loop."""
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(work(loop))
    if loop.errors:
        raise loop.errors[0]
    return result
