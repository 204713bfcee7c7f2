"""How long something is still sure to hold, such as a lease, a listing or a cache, by both clocks."""

from __future__ import annotations

import anyio

from service.models import Now

__all__ = ["Tenure"]


class Tenure:
    """A time that began and is over after so many seconds.

    Two clocks count, and the faster one decides: a process that was stopped sees the monotonic one go on, a machine
    that slept only the other.
    """

    def __init__(self, sure_s: float, now: Now) -> None:
        self._sure_s = sure_s
        self._now = now
        self.began = self.stamp()

    def stamp(self) -> tuple[float, float]:
        """Return the time of both clocks."""
        return anyio.current_time(), self._now().timestamp()

    @property
    def is_sure(self) -> bool:
        """Whether it is not over by either clock."""
        return max(at - since for at, since in zip(self.stamp(), self.began, strict=True)) < self._sure_s
