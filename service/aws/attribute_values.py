"""Codec between plain Python values and DynamoDB's AttributeValues. Pure."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from decimal import Clamped, Context, Decimal, Inexact, Overflow, Rounded, Subnormal, Underflow
from typing import Any, Final

__all__ = ["Item", "decode", "encode", "encode_value"]

Item = dict[str, Any]


def encode(item: Mapping[str, Any]) -> dict[str, Any]:
    """Convert plain values to AttributeValues; None at the top level is left out."""
    return {name: encode_value(value) for name, value in item.items() if value is not None}


def encode_value(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """Convert a plain value to an AttributeValue; floats become exact decimals, tuples become lists, bytes binaries.

    Raises:
        TypeError: a type that DynamoDB does not have, infinity or NaN.
        ArithmeticError: a number of more than 38 digits, or with an exponent outside -130 to 125.
    """
    match value:
        case str():
            return {"S": str(value)}
        case bytes() | bool():  # the SDK writes bytes as base64
            return {"B" if isinstance(value, bytes) else "BOOL": value}
        case int() | float() | Decimal():
            return {"N": _number_text(value)}
        case dict() | Mapping():
            return {"M": {key: encode_value(inner) for key, inner in value.items()}}
        case list() | tuple():
            return {"L": [encode_value(inner) for inner in value]}
        case None:
            return {"NULL": True}
        case _:
            raise TypeError(f"DynamoDB has no type for {type(value).__name__}")


# Precision and range of DynamoDB numbers (developer guide); trapped, because rounding would silently change values.
_NUMBERS: Final = Context(
    prec=38, Emin=-130, Emax=125, traps=[Clamped, Overflow, Inexact, Rounded, Subnormal, Underflow]
)


def _number_text(value: float | Decimal) -> str:
    number = _NUMBERS.create_decimal(str(value) if isinstance(value, float) else value)
    if not number.is_finite():
        raise TypeError("DynamoDB has no type for infinity or NaN")
    return str(number)


def decode(item: Mapping[str, Any]) -> Item:
    """Convert AttributeValues to plain values: whole numbers to int, others to float, sets to sorted lists.

    Raises:
        ValueError, TypeError, AttributeError, ArithmeticError, RecursionError: it is no map of values as DynamoDB has
            them, such as a string that is a number, or of an unknown type.
    """
    plain: Item = {}
    for name, tagged in item.items():
        (kind,) = tagged
        value = tagged[kind]
        # The first four are fast paths, without a call for each text and number: nearly all attributes are such.
        if kind == "S" and type(value) is str:
            plain[name] = value
        elif kind == "M" and type(value) is dict:
            plain[name] = decode(value)
        elif kind == "N" and type(value) is str and value.isdecimal():
            plain[name] = int(value)
        elif kind == "L" and type(value) is list:
            plain[name] = _list(value)
        else:
            plain[name] = _converted(kind, value)
    return plain


class _UnknownKind:
    """Type that no value has: DynamoDB has no such kind."""


def _list(values: list[Any]) -> list[Any]:
    plain: list[Any] = []
    for tagged in values:
        (kind,) = tagged
        value = tagged[kind]
        is_map = kind == "M" and type(value) is dict  # the fast path
        plain.append(decode(value) if is_map else _converted(kind, value))
    return plain


def _converted(kind: str, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    expected, convert = _KINDS.get(kind, _UNKNOWN)
    if type(value) is not expected:
        raise ValueError(f"an attribute of the type {kind} is no {expected.__name__}")
    return convert(value)


def _number(text: str) -> int | float:
    if text.isdecimal():
        return int(text)
    number = Decimal(text)
    if not (number.is_finite() and abs(number.adjusted()) <= _MAX_EXPONENT):
        raise ValueError("a number that DynamoDB does not have")
    return int(number) if number == number.to_integral_value() else float(number)


def _numbers(texts: list[str]) -> list[int | float]:
    return sorted(map(_number, _texts(texts)))


def _texts(texts: list[str]) -> list[str]:
    if not all(type(each) is str for each in texts):
        raise ValueError("a set has a member of another type")
    return sorted(texts)


def _binary(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


_MAX_EXPONENT: Final = 130  # numbers of DynamoDB end at 10**126


def _same(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return value


# Kind of value -> its JSON type and what converts it. Not boto3's TypeDeserializer: it takes five times as long, and
# importing boto3 takes a tenth of a cold start.
_KINDS: Final[Mapping[str, tuple[type, Callable[[Any], Any]]]] = {
    "S": (str, _same),
    "BOOL": (bool, _same),
    "N": (str, _number),
    "M": (dict, decode),
    "L": (list, _list),
    "NULL": (bool, lambda _: None),
    "SS": (list, _texts),
    "NS": (list, _numbers),
    "B": (str, _binary),
    "BS": (list, lambda values: sorted(map(_binary, _texts(values)))),
}
_UNKNOWN: Final[tuple[type, Callable[[Any], Any]]] = (_UnknownKind, _same)
