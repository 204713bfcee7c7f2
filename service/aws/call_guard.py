"""Call guard: a check that runs before every attempt of a call, retries included, and can stop it from being sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["check_call_guard", "guarding_calls"]

_current: ContextVar[Callable[[], None] | None] = ContextVar("call_guard", default=None)


@contextmanager
def guarding_calls(guard: Callable[[], None]) -> Iterator[None]:
    """Run `guard` before each call of this task and of the tasks started inside; if it raises, nothing is sent.

    The guard of an outer block stays in force and runs first.
    """
    outer = _current.get()

    def both() -> None:
        if outer is not None:
            outer()
        guard()

    token = _current.set(both)
    try:
        yield
    finally:
        _current.reset(token)


def check_call_guard() -> None:
    """Run the guard of this task, if there is one; raise what it raises."""
    if (guard := _current.get()) is not None:
        guard()
