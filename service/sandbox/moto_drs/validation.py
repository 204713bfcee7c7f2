"""What the real service refuses and the SDK lets pass: maximums, patterns, page tokens."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

from .exceptions import ValidationException

T = TypeVar("T")

MOST_IDS = 200
DEFAULT_PAGE = 100  # inferred: AWS publishes neither default nor maximum


def check_ids(ids: Iterable[str] | None, pattern: re.Pattern[str], field: str, most: int = MOST_IDS) -> frozenset[str]:
    """Check a list of ids; an empty one means all."""
    listed = list(ids or ())
    if len(listed) > most:
        raise ValidationException(f"{field} must have at most {most} elements.", field)
    for each in listed:
        check_id(each, pattern, field)
    return frozenset(listed)


def check_id(value: str | None, pattern: re.Pattern[str], field: str) -> str:
    if value is None or not pattern.fullmatch(value):
        raise ValidationException(f"{field} must match the pattern {pattern.pattern}.", field)
    return value


def page(items: Sequence[T], max_results: int | None, token: str | None, most: int) -> tuple[Sequence[T], str | None]:
    """Cut one page; the token is the position, in a form that nobody is tempted to read."""
    size = DEFAULT_PAGE if max_results is None else max_results
    if not 1 <= size <= most:
        raise ValidationException(f"maxResults must be between 1 and {most}.", "maxResults")
    start = min(_position(token), len(items))  # servers may have gone away between two pages
    end = start + size
    return items[start:end], _token(end) if end < len(items) else None


def _token(position: int) -> str:
    return base64.urlsafe_b64encode(f"drs:{position}".encode()).decode()


def _position(token: str | None) -> int:
    if not token:
        return 0
    try:
        kind, _, position = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
        if kind == "drs":
            return int(position)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        pass  # told below
    raise ValidationException("The nextToken is not valid.", "nextToken")
