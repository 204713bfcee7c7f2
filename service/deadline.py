"""When work must end: at a time set beforehand, or sooner, when the process is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import anyio

from service.errors import DeadlineExceededError

__all__ = ["Deadline", "Shutdown"]

T = TypeVar("T")

# After the time is up: to begin, and to write down what was found. A function keeps ten seconds of its time back, ECS
# gives thirty.
_BEGIN_S: Final = 3.0
_CLOSE_S: Final = 6.0


class Shutdown:
    """Tells every run of a process to end now. To be asked in the event loop's thread; it cannot be taken back."""

    def __init__(self) -> None:
        self.requested_at: float | None = None
        self._open: set[anyio.CancelScope] = set()
        self._closing: dict[anyio.CancelScope, float] = {}

    @property
    def is_requested(self) -> bool:
        """Whether the process was told to stop."""
        return self.requested_at is not None

    def request(self) -> None:
        """Cancel what is under way and let nothing new begin; runs then report what they have."""
        if self.requested_at is None:
            self.requested_at = asyncio.get_running_loop().time()  # may be asked by a callback, outside of any task
        for cancel_scope in tuple(self._open):
            cancel_scope.cancel()
        for cancel_scope, grace_s in self._closing.items():
            cancel_scope.deadline = min(cancel_scope.deadline, self.requested_at + grace_s)

    @contextmanager
    def cancelling(self, cancel_scope: anyio.CancelScope) -> Iterator[None]:
        """Cancel a scope when the process is told to stop."""
        self._open.add(cancel_scope)
        try:
            yield
        finally:
            self._open.discard(cancel_scope)

    @contextmanager
    def shortening(self, cancel_scope: anyio.CancelScope, grace_s: float) -> Iterator[None]:
        """Leave a scope only so many seconds more when the process is told to stop."""
        self._closing[cancel_scope] = grace_s
        try:
            yield
        finally:
            del self._closing[cancel_scope]


class Deadline:
    """The time of one run.

    Args:
        stop: ends the run early.
        budget_s: seconds from now, None for no limit.
    """

    def __init__(self, shutdown: Shutdown, time_left_s: float | None = None) -> None:
        self.shutdown = shutdown
        self._ends_at = anyio.current_time() + (float("inf") if time_left_s is None else time_left_s)

    def remaining_s(self) -> float:
        """Tell how many seconds are left for work, never less than none."""
        return 0.0 if self.shutdown.is_requested else max(0.0, self._ends_at - anyio.current_time())

    def time_left_s(self) -> float | None:
        """Give the seconds left as a run takes them: None for no limit, negative once its time is up.

        So a run within another ends by the other's time, also where it begins in the seconds after that.
        """
        remaining = self._ends_at - anyio.current_time()
        return None if remaining == float("inf") else remaining

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return self.remaining_s() <= 0

    @contextmanager
    def cancel_scope(self, max_s: float = float("inf")) -> Iterator[anyio.CancelScope]:
        """Cancel the block after `most_s` seconds, or when the run's time is up."""
        with (
            anyio.move_on_after(min(max_s, self.remaining_s())) as cancel_scope,
            self.shutdown.cancelling(cancel_scope),
        ):
            yield cancel_scope

    async def run_essential(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do work without which a run can report nothing; it has until three seconds after the run's time is up.

        Raises:
            OutOfTimeError: it was not done in time.
        """
        done: list[T] = []
        with self._until(_BEGIN_S):
            done.append(await work())
        if not done:
            raise DeadlineExceededError(f"{self.reason()} before it was known where to look")
        return done[0]

    @contextmanager
    def grace_period(self) -> Iterator[anyio.CancelScope]:
        """Let the block write down what the run has found, until six seconds after its time is up.

        These seconds are shared: a table that does not answer delays the run's end once, however much is to be written.
        """
        with self._until(_CLOSE_S) as cancel_scope:
            yield cancel_scope

    @contextmanager
    def _until(self, grace_s: float) -> Iterator[anyio.CancelScope]:
        requested_at = self.shutdown.requested_at
        ended_at = self._ends_at if requested_at is None else min(self._ends_at, requested_at)
        with (
            anyio.CancelScope(deadline=ended_at + grace_s) as cancel_scope,
            self.shutdown.shortening(cancel_scope, grace_s),
        ):
            yield cancel_scope

    def reason(self) -> str:
        """Say why no time is left."""
        return "the process was told to stop" if self.shutdown.is_requested else "the run's time was up"
