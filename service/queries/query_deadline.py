"""Deadline of a query, and how its time is shared between the tables and DRS."""

from __future__ import annotations

from dataclasses import dataclass

import anyio

__all__ = ["QueryDeadline"]


@dataclass(frozen=True, slots=True)
class QueryDeadline:
    """The time by which a query must be answered, by the event loop's clock, in seconds.

    Accounts and region status get the first two fifths (clients are built in that time too), the inventory one fifth
    more, and DRS the rest except for a twentieth, in which the answer is written.
    """

    started_at: float
    seconds: float

    @classmethod
    def start(cls, seconds: float) -> QueryDeadline:
        """Start the time now."""
        return cls(anyio.current_time(), seconds)

    def at(self, share: float) -> float:
        """Return the time at which a share of the seconds will have passed."""
        return self.started_at + share * self.seconds

    @property
    def context(self) -> float:
        """The time by which accounts and region status must have been read."""
        return self.at(0.4)

    @property
    def values(self) -> float:
        """The time by which moving values must have been read where servers are looked at one by one."""
        return self.at(0.5)

    @property
    def inventory(self) -> float:
        """The time by which the inventory must have been read."""
        return self.at(0.6)

    @property
    def drs(self) -> float:
        """The time by which DRS must have answered."""
        return self.at(0.95)
