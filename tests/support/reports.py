"""Reports of tests in a form that a worker can send: text that is not UTF-8 would end the worker."""

from __future__ import annotations

from typing import Any

__all__ = ["encodable"]


def encodable(value: Any) -> Any:
    """Return a value with half surrogate pairs in its texts replaced, as in `\\\\ud800`; the rest stays as it is."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {encodable(name): encodable(each) for name, each in value.items()}
    return type(value)(map(encodable, value)) if isinstance(value, list | tuple) else value
