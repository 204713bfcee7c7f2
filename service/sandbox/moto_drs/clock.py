"""The clock of all DRS backends: real time, which a test can move forward."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final

STEP: Final = timedelta(minutes=1)


class Clock:
    """Real UTC time plus an offset, which only grows until moto resets its backends.

    Moving the clock moves states too: each whole minute of the offset is one step of every backend. Real time makes
    no steps.
    """

    def __init__(self) -> None:
        self.offset = timedelta()
        self._manual_accounts: set[str] = set()
        self._moving = Lock()  # two requests to move the clock add up; nothing else waits for this lock
        self._step: Callable[[], bool] = lambda: False
        self._catch_up: Callable[[], None] = lambda: None

    def drive(self, step: Callable[[], bool], catch_up: Callable[[], None]) -> None:
        """Set what moves with the clock.

        `step` advances all backends by one step, and returns whether anything was moving before it; `catch_up` ends
        what the clock has passed meanwhile.
        """
        self._step, self._catch_up = step, catch_up

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward, from one whole minute of the offset to the next.

        Raises:
            ValueError: time does not go back, nor beyond the last year that a timestamp can have.
        """
        if not seconds >= 0:
            raise ValueError(f"the clock moves forward only, not by {seconds} seconds")
        with self._moving:
            try:
                end = self.offset + timedelta(seconds=seconds)
                datetime.now(UTC) + end
            except OverflowError:
                raise ValueError(f"{seconds} seconds from now there is no date") from None
            for number in range(self.offset // STEP + 1, end // STEP + 1):
                self.offset = number * STEP
                if not self._step():
                    break  # nothing was moving, so that further steps would change nothing
            self.offset = end
            self._catch_up()

    def set_auto_advance(self, account_ids: Iterable[str], *, is_on: bool) -> None:
        """Let reads advance the states of accounts, or only the clock."""
        if is_on:
            self._manual_accounts.difference_update(account_ids)
        else:
            self._manual_accounts.update(account_ids)

    def is_manual(self, account_id: str) -> bool:
        """Whether only the clock moves the states of an account, and no read does."""
        return account_id in self._manual_accounts

    def reset(self) -> None:
        """Show real time again, and let reads advance states, as in a new process."""
        self.offset = timedelta()
        self._manual_accounts.clear()


drs_clock: Final = Clock()
