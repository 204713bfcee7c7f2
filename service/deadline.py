"""Deadline of a run, and shutdown of the process, which ends a run before its deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import anyio

from service.errors import DeadlineExceededError

__all__ = ["Deadline", "Shutdown"]

T = TypeVar("T")

# Seconds after the deadline: for work that a report needs, and for writing results. Lambda handlers reserve ten seconds
# of their timeout for both, ECS allows thirty after SIGTERM.
_ESSENTIAL_GRACE_S: Final = 3.0
_WRITE_GRACE_S: Final = 6.0


class Shutdown:
    """Request to end all runs of the process now. Use in the event loop's thread; it cannot be undone."""

    def __init__(self) -> None:
        self.requested_at: float | None = None
        self._cancelled_at_once: set[anyio.CancelScope] = set()
        self._shortened: dict[anyio.CancelScope, float] = {}

    @property
    def is_requested(self) -> bool:
        """Whether the process has been told to stop."""
        return self.requested_at is not None

    def request(self) -> None:
        """Cancel running work and start no more; runs then report what they have."""
        if self.requested_at is None:
            self.requested_at = (
                asyncio.get_running_loop().time()
            )  # may be called by a signal handler, outside of any task
        for cancel_scope in tuple(self._cancelled_at_once):
            cancel_scope.cancel()
        for cancel_scope, grace_s in self._shortened.items():
            cancel_scope.deadline = min(cancel_scope.deadline, self.requested_at + grace_s)

    @contextmanager
    def cancelling(self, cancel_scope: anyio.CancelScope) -> Iterator[None]:
        """Cancel a cancel scope at once when the process is told to stop."""
        self._cancelled_at_once.add(cancel_scope)
        try:
            yield
        finally:
            self._cancelled_at_once.discard(cancel_scope)

    @contextmanager
    def shortening(self, cancel_scope: anyio.CancelScope, grace_s: float) -> Iterator[None]:
        """Cancel a cancel scope `grace_s` seconds after the process is told to stop."""
        self._shortened[cancel_scope] = grace_s
        try:
            yield
        finally:
            del self._shortened[cancel_scope]


class Deadline:
    """Deadline of one run.

    Args:
        shutdown: ends the run early.
        time_left_s: seconds from now, None for no limit.
    """

    def __init__(self, shutdown: Shutdown, time_left_s: float | None = None) -> None:
        self.shutdown = shutdown
        self._ends_at = anyio.current_time() + (float("inf") if time_left_s is None else time_left_s)

    def remaining_s(self) -> float:
        """Return the seconds left for work; 0 once the deadline has passed or the process is told to stop."""
        return 0.0 if self.shutdown.is_requested else max(0.0, self._ends_at - anyio.current_time())

    def time_left_s(self) -> float | None:
        """Return the seconds until the deadline, for a nested run's `Deadline`: None for no limit; may be negative.

        A negative number makes a run that starts in the grace period end with the outer one.
        """
        remaining = self._ends_at - anyio.current_time()
        return None if remaining == float("inf") else remaining

    @property
    def is_over(self) -> bool:
        """Whether no time is left for work."""
        return self.remaining_s() <= 0

    @contextmanager
    def cancel_scope(self, max_s: float = float("inf")) -> Iterator[anyio.CancelScope]:
        """Cancel the block after `max_s` seconds, at the deadline, or when the process is told to stop."""
        with (
            anyio.move_on_after(min(max_s, self.remaining_s())) as cancel_scope,
            self.shutdown.cancelling(cancel_scope),
        ):
            yield cancel_scope

    async def run_essential(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run work without which there is nothing to report; it may take until three seconds after the deadline.

        Raises:
            DeadlineExceededError: it did not finish in time.
        """
        results: list[T] = []
        with self._until(_ESSENTIAL_GRACE_S):
            results.append(await work())
        if not results:
            raise DeadlineExceededError(f"{self.reason()} before the accounts and regions were read")
        return results[0]

    @contextmanager
    def grace_period(self) -> Iterator[anyio.CancelScope]:
        """Let the block write results until six seconds after the deadline.

        All blocks of a run share these seconds: a table that does not respond delays the end of the run only once.
        """
        with self._until(_WRITE_GRACE_S) as cancel_scope:
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
        """Return why no time is left, for messages."""
        return "the process was told to stop" if self.shutdown.is_requested else "the run's time was up"
