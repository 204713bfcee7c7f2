"""Leave to go on calling: asked before every try that goes out, further tries too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["check_call_guard", "guarding_calls"]

_ask: ContextVar[Callable[[], None] | None] = ContextVar("permit", default=None)


@contextmanager
def guarding_calls(permit: Callable[[], None]) -> Iterator[None]:
    """Let calls go out only while `permit` does not raise: those of this task and of all tasks started inside."""
    token = _ask.set(permit)
    try:
        yield
    finally:
        _ask.reset(token)


def check_call_guard() -> None:
    """Raise what the permit of this task raises."""
    if (permit := _ask.get()) is not None:
        permit()
