"""Mapping that forgets what was not used for an hour, so that a process that runs for weeks does not grow."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

import anyio

__all__ = ["RecentlyUsed"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_MAX_IDLE_S: Final = 3600.0  # longer than any run, and than a role session lasts


class RecentlyUsed(Generic[K, V]):
    """Values by key, each made when it is first needed. Use in one event loop, whose clock it reads."""

    def __init__(self) -> None:
        self._values: dict[K, V] = {}
        self._used_at: dict[K, float] = {}
        self._pruned_at = 0.0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Return the value of a key, made if there is none."""
        now = anyio.current_time()
        if now - self._pruned_at >= _MAX_IDLE_S:
            self._prune(now)
        self._used_at[key] = now
        if key not in self._values:
            self._values[key] = make()
        return self._values[key]

    def _prune(self, now: float) -> None:
        self._pruned_at = now
        for key in [key for key, used_at in self._used_at.items() if now - used_at >= _MAX_IDLE_S]:
            del self._used_at[key], self._values[key]
