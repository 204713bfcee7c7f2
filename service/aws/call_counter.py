"""Counter of AWS calls per run. Every attempt counts, because AWS charges for and throttles every attempt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

__all__ = ["CallCounter", "count_call", "count_throttle", "counting_calls"]


@dataclass(slots=True)
class CallCounter:
    """Calls sent, by (service, operation), and the number of responses that said throttled."""

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    throttled: int = 0

    def by_service(self) -> dict[str, dict[str, int]]:
        """Return the counts as service -> operation -> calls, sorted by name."""
        nested: dict[str, dict[str, int]] = {}
        for (service, operation), count in sorted(self.calls.items()):
            nested.setdefault(service, {})[operation] = count
        return nested

    def of(self, service: str) -> int:
        """Return the number of calls to one service."""
        return sum(count for (name, _), count in self.calls.items() if name == service)


_current: ContextVar[CallCounter | None] = ContextVar("call_counter", default=None)


@contextmanager
def counting_calls() -> Iterator[CallCounter]:
    """Count the calls made inside, by this task and by all tasks started inside."""
    call_counter = CallCounter()
    token = _current.set(call_counter)
    try:
        yield call_counter
    finally:
        _current.reset(token)


def count_call(service: str, operation: str) -> None:
    """Count one call as it is sent."""
    if (call_counter := _current.get()) is not None:
        call_counter.calls[service, operation] += 1


def count_throttle() -> None:
    """Count one throttled response."""
    if (call_counter := _current.get()) is not None:
        call_counter.throttled += 1
