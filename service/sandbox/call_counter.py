"""Counts of the API calls a sandbox has received."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

__all__ = ["CallCount", "CallCounter"]


@dataclass(frozen=True, slots=True)
class CallCount:
    """Number of calls of one operation in one account and region."""

    account: str
    region: str
    service: str
    operation: str
    count: int


class CallCounter:
    """Counter of calls by account, region, service and operation. Thread-safe."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str, str]] = Counter()
        self._lock = threading.Lock()

    def add(self, account: str, region: str, service: str, operation: str) -> None:
        """Count one call, whether or not it succeeds."""
        with self._lock:
            self._counts[account, region, service, operation] += 1

    def counts(self) -> tuple[CallCount, ...]:
        """Return all counts, sorted by account, region, service and operation."""
        with self._lock:
            items = sorted(self._counts.items())
        return tuple(CallCount(*key, count) for key, count in items)

    def clear(self) -> None:
        """Reset all counts to zero."""
        with self._lock:
            self._counts.clear()
