"""Counts of the calls a sandbox has received."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

__all__ = ["CallCount", "CallCounter"]


@dataclass(frozen=True, slots=True)
class CallCount:
    """How often one operation was called in one account and region."""

    account: str
    region: str
    service: str
    operation: str
    count: int


class CallCounter:
    """Counts calls by account, region, service and operation. Safe for use from many threads."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str, str]] = Counter()
        self._lock = threading.Lock()

    def add(self, account: str, region: str, service: str, operation: str) -> None:
        """Count one call, whatever its answer will be."""
        with self._lock:
            self._counts[account, region, service, operation] += 1

    def counts(self) -> tuple[CallCount, ...]:
        """Give all counts, in a fixed order."""
        with self._lock:
            items = sorted(self._counts.items())
        return tuple(CallCount(*key, count) for key, count in items)

    def clear(self) -> None:
        """Start again from nothing."""
        with self._lock:
            self._counts.clear()
