"""Values of a request that no operation can use, whatever its parameters: refused before its model checks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from service.aws.attribute_values import encode_value
from service.errors import RefusalError

__all__ = ["reject_unusable_values"]

_MAX_DEPTH: Final = 32  # what DynamoDB stores
_MAX_NAME: Final = 200


def reject_unusable_values(values: Mapping[str, Any]) -> None:
    """Check that the numbers of a request are such as DynamoDB stores, and that it is not nested deeper than that.

    Raises:
        RefusalError: it has a number out of range, such as infinity, or is nested too deep; the member is named.
    """
    pending: list[tuple[str, Any, int]] = [(name, value, 1) for name, value in values.items()]
    while pending:
        name, value, depth = pending.pop()
        if depth > _MAX_DEPTH:
            raise _refusal(name, f"is nested deeper than {_MAX_DEPTH} levels")
        if isinstance(value, int | float | Decimal) and not _is_storable(value):
            raise _refusal(name, "is a number out of range: 38 digits and exponents from -130 to 125 are possible")
        pending += [(name, each, depth + 1) for each in _inside(value)]


def _inside(value: object) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, list | tuple):
        yield from value


def _is_storable(number: float | Decimal) -> bool:
    try:
        encode_value(number)
    except (ArithmeticError, TypeError):
        return False
    return True


def _refusal(name: str, why: str) -> RefusalError:
    member = str(name)[:_MAX_NAME]
    return RefusalError("INVALID_PARAMETER", f"{member} {why}", details={"parameter": member})
