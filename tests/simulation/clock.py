"""An event loop whose clock jumps: nothing waits, and the same inputs give the same order of events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

__all__ = ["BEGIN", "VirtualLoop", "run"]

T = TypeVar("T")

BEGIN = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
"""The true time at which the clock of a loop stands at 0."""


class _AdvancingSelector:
    """In place of a selector: there are no sockets, so waiting for one is moving the clock to the next timer."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("every task waits, and nothing is left that could wake one")
        self._loop.advance(max(0.0, timeout))
        return []

    def close(self) -> None:
        """There is nothing to close."""


class VirtualLoop(asyncio.BaseEventLoop):
    """A loop without sockets, threads or waiting."""

    def __init__(self) -> None:
        super().__init__()
        self._seconds = 0.0
        self._selector = _AdvancingSelector(self)  # where the base class looks for it
        self.errors: list[BaseException] = []

    def time(self) -> float:
        """Give the seconds since the beginning."""
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Move the clock on, as a frozen process finds it moved on when it thaws."""
        self._seconds += seconds

    def wall(self, skew_s: float = 0.0) -> datetime:
        """Tell the time by a clock that goes wrong by so much."""
        return BEGIN + timedelta(seconds=self._seconds + skew_s)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what a callback raised: a test is not to pass over it."""
        error = context.get("exception")
        self.errors.append(error if isinstance(error, BaseException) else RuntimeError(context["message"]))

    def _process_events(self, event_list: list[Any]) -> None:
        assert not event_list

    def _write_to_self(self) -> None:
        """Nothing sleeps that had to be woken."""


def run(work: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Run work on a virtual loop of its own."""
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(work(loop))
    if loop.errors:
        raise loop.errors[0]
    return result
