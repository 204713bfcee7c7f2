"""Validation of what the service rejects and an SDK does not: maximums, enums, patterns, tags, pagination tokens."""

from __future__ import annotations

import base64
import binascii
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from .exceptions import ValidationException

T = TypeVar("T")
FieldError = tuple[str, str]

_PYTHON_TYPES: Final[Mapping[str, type]] = {
    "structure": Mapping,
    "map": Mapping,
    "list": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
}

DEFAULT_PAGE_SIZE: Final = 100  # inferred: AWS publishes neither default nor maximum
MAX_PAGE_SIZE: Final = 1000
_MAX_TAGS: Final = 50
_MAX_TAG_CHARACTERS: Final = 256


def check_input(params: Mapping[str, Any], shape: Any) -> None:
    """Validate parameters against the input shape of their operation.

    Raises:
        ValidationException: names every invalid field.
    """
    field_errors = list(_field_errors(params, shape, ""))
    if field_errors:
        raise ValidationException("; ".join(f"{name} {message}" for name, message in field_errors), *field_errors)


def _field_errors(value: Any, shape: Any, path: str) -> Iterator[FieldError]:
    if not _is_of_type(value, _PYTHON_TYPES[shape.type_name]):
        yield path, f"must be a {shape.type_name}"
    elif shape.type_name == "structure":
        yield from _member_errors(value, shape, path)
    elif shape.type_name == "list":
        yield from _size_errors(len(value), shape, path, "elements")
        for number, each in enumerate(value):
            yield from _field_errors(each, shape.member, f"{path}[{number}]")
    elif shape.type_name == "map":
        for key, each in value.items():
            yield from _field_errors(key, shape.key, f"{path} key")
            yield from _field_errors(each, shape.value, f"{path} value")
    elif shape.type_name == "string":
        yield from _string_errors(value, shape, path)
    elif shape.type_name in {"integer", "long"}:
        yield from _size_errors(value, shape, path, "in value")


def _is_of_type(value: Any, expected: type) -> bool:
    return isinstance(value, expected) and not (expected is int and isinstance(value, bool))


def _member_errors(value: Mapping[str, Any], shape: Any, path: str) -> Iterator[FieldError]:
    prefix = f"{path}." if path else ""
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"{prefix}{name}", "must not be missing"
    for name, member in shape.members.items():
        if value.get(name) is not None:
            yield from _field_errors(value[name], member, f"{prefix}{name}")


def _string_errors(value: str, shape: Any, path: str) -> Iterator[FieldError]:
    yield from _size_errors(len(value), shape, path, "characters")
    pattern, enum = shape.metadata.get("pattern"), shape.enum
    if pattern and not re.fullmatch(pattern, value):  # model patterns match whole values, with or without anchors
        yield path, f"must match {pattern}"
    if enum and value not in enum:
        yield path, f"must be one of {', '.join(enum)}"


def _size_errors(size: int, shape: Any, path: str, unit: str) -> Iterator[FieldError]:
    minimum, maximum = shape.metadata.get("min"), shape.metadata.get("max")
    if minimum is not None and size < minimum:
        yield path, f"must be at least {minimum} {unit}"
    if maximum is not None and size > maximum:
        yield path, f"must be at most {maximum} {unit}"


def check_tags(tags: Mapping[str, str], existing: Mapping[str, str] | None = None) -> None:
    """Validate tags that are added to the existing tags of a resource."""
    if any(key.lower().startswith("aws:") for key in tags):
        raise ValidationException("Tag keys must not begin with aws:.", ("tags", "has a reserved key"))
    if any(not 1 <= len(key) <= _MAX_TAG_CHARACTERS or len(value) > _MAX_TAG_CHARACTERS for key, value in tags.items()):
        raise ValidationException("Tag keys and values have at most 256 characters.", ("tags", "is too long or empty"))
    if len({**(existing or {}), **tags}) > _MAX_TAGS:
        raise ValidationException("A resource can have at most 50 tags.", ("tags", "has too many"))


@dataclass(frozen=True)
class Page:
    """Requested page of a paginated operation."""

    listing: str
    max_results: int | None
    token: str | None
    max_size: int = MAX_PAGE_SIZE

    def slice(self, items: Iterable[T], order: Callable[[T], Any]) -> tuple[list[T], str | None]:
        """Return the items of the page and the token of the next page.

        The token holds the key of the last item, not an offset: a server removed between two pages hides no other.
        """
        size = min(DEFAULT_PAGE_SIZE, self.max_size) if self.max_results is None else self.max_results
        if not 1 <= size <= self.max_size:
            message = f"must be between 1 and {self.max_size}"
            raise ValidationException(f"maxResults {message}.", ("maxResults", message))
        rest = sorted(items, key=order)
        if self.token:
            last = self._last_key(self.token)
            if rest and type(last) is not type(order(rest[0])):
                raise _invalid_token()
            rest = rest[bisect_right(rest, last, key=order) :]
        page_items = rest[:size]
        return page_items, self._token(order(page_items[-1])) if len(rest) > size else None

    def _token(self, last: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps([self.listing, last]).encode()).decode()

    def _last_key(self, token: str) -> Any:
        try:
            listing, last = json.loads(base64.urlsafe_b64decode(token.encode()))
        except (binascii.Error, UnicodeError, ValueError, TypeError):
            listing, last = None, None
        if listing != self.listing:
            raise _invalid_token()
        return last


def _invalid_token() -> ValidationException:
    return ValidationException("The nextToken is not valid.", ("nextToken", "is not a token of this listing"))
