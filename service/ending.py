"""When work must end: at a time set beforehand, or sooner, when the process is told to stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import anyio

from service.errors import OutOfTimeError

__all__ = ["Limit", "Stop"]

T = TypeVar("T")

_GRACE_S: Final = 3.0  # once to begin and once to end: a function keeps ten seconds of its time back, ECS gives thirty


class Stop:
    """Tells every run of a process to end now. To be asked in the event loop's thread; it cannot be taken back."""

    def __init__(self) -> None:
        self.asked = False
        self._open: set[anyio.CancelScope] = set()

    def ask(self) -> None:
        """Cancel what is under way and let nothing new begin; runs then report what they have."""
        self.asked = True
        for scope in tuple(self._open):
            scope.cancel()

    @contextmanager
    def watching(self, scope: anyio.CancelScope) -> Iterator[None]:
        """Cancel a scope when the process is told to stop."""
        self._open.add(scope)
        try:
            yield
        finally:
            self._open.discard(scope)


class Limit:
    """The time of one run.

    Args:
        stop: ends the run early.
        budget_s: seconds from now, None for no limit.
    """

    def __init__(self, stop: Stop, budget_s: float | None = None) -> None:
        self.stop = stop
        self._ends_at = anyio.current_time() + (float("inf") if budget_s is None else budget_s)

    def remaining_s(self) -> float:
        """Tell how many seconds are left for work, never less than none."""
        return 0.0 if self.stop.asked else max(0.0, self._ends_at - anyio.current_time())

    def budget_s(self) -> float | None:
        """Give the seconds left as a run takes them: None for no limit."""
        remaining = self.remaining_s()
        return None if remaining == float("inf") else remaining

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return self.remaining_s() <= 0

    @contextmanager
    def scope(self, most_s: float = float("inf")) -> Iterator[anyio.CancelScope]:
        """Cancel the block after `most_s` seconds, or when the run's time is up."""
        with anyio.move_on_after(min(most_s, self.remaining_s())) as scope, self.stop.watching(scope):
            yield scope

    async def whole(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do work without which a run can report nothing; it has what time is left, and three seconds more.

        Raises:
            OutOfTimeError: it was not done in time.
        """
        done: list[T] = []
        with self.closing():
            done.append(await work())
        if not done:
            raise OutOfTimeError(f"{self.reason()} before it was known where to look")
        return done[0]

    @contextmanager
    def closing(self) -> Iterator[anyio.CancelScope]:
        """Give the block what time is left, and three seconds more, to write down what the run has found."""
        with anyio.move_on_after(self.remaining_s() + _GRACE_S) as scope:
            yield scope

    def reason(self) -> str:
        """Say why no time is left."""
        return "the process was told to stop" if self.stop.asked else "the run's time was up"
