"""Parser for the DynamoDB expressions that the engine uses; each is compiled to a function once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

__all__ = ["InvalidExpression", "condition", "update"]

Attributes = Mapping[str, Any]
Test = Callable[[Attributes, Mapping[str, str], Attributes], bool]
_TOKEN: Final = re.compile(r"\s*(?:(<=|>=|<>|[=<>(),])|([#:]?[A-Za-z_]\w*))")


class InvalidExpression(Exception):  # noqa: N818 - becomes a ValidationException
    """Invalid expression, or one that the simulation does not support."""


def _tokens(text: str) -> list[str]:
    tokens, at, text = [], 0, text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise InvalidExpression(f"{text[at:]!r} in {text!r}")
        tokens.append(match[1] or match[2])
        at = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self._left = tokens[::-1]

    def parse_all(self) -> Test:
        test = self._any()
        if self._left:
            raise InvalidExpression(f"{self._left[::-1]} is left over")
        return test

    def _peek(self) -> str:
        return self._left[-1] if self._left else ""

    def _next(self, *expected: str) -> str:
        if not self._left or (expected and self._left[-1] not in expected):
            raise InvalidExpression(f"{expected} expected before {self._left[::-1]}")
        return self._left.pop()

    def _any(self) -> Test:
        tests = [self._all()]
        while self._peek() == "OR":
            self._next()
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else lambda item, names, values: any(t(item, names, values) for t in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._peek() == "AND":
            self._next()
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda item, names, values: all(t(item, names, values) for t in tests)

    def _one(self) -> Test:
        word = self._next()
        if word == "NOT":
            inner = self._one()
            return lambda item, names, values: not inner(item, names, values)
        if word == "(":
            inner = self._any()
            self._next(")")
            return inner
        if word in _FUNCTIONS and self._peek() == "(":
            return self._function(word)
        sign, right = self._next(*_SIGNS), self._next()
        compare = _SIGNS[sign]
        return lambda item, names, values: compare(
            _value(word, item, names, values), _value(right, item, names, values)
        )

    def _function(self, name: str) -> Test:
        self._next("(")
        arguments = [self._next()]
        while self._next(",", ")") == ",":
            arguments.append(self._next())
        work = _FUNCTIONS[name]
        return lambda item, names, values: work(*(_value(each, item, names, values) for each in arguments))


def _value(word: str, item: Attributes, names: Mapping[str, str], values: Attributes) -> Any:
    if word.startswith(":"):
        if word not in values:
            raise InvalidExpression(f"no value {word}")
        return values[word]
    return item.get(_name(word, names))


def _name(word: str, names: Mapping[str, str]) -> str:
    if not word.startswith("#"):
        return word
    if word not in names:
        raise InvalidExpression(f"no name {word}")
    return names[word]


def _kind_and_value(value: Mapping[str, Any]) -> tuple[str, Any]:
    ((kind, inner),) = value.items()
    return kind, Decimal(inner) if kind == "N" else inner


def _equal(left: Any, right: Any) -> bool:
    return left is not None and right is not None and _kind_and_value(left) == _kind_and_value(right)


def _sum(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, str]:
    (kind, mine), (other, theirs) = _kind_and_value(left), _kind_and_value(right)
    if {kind, other} != {"N"}:
        raise InvalidExpression(f"{kind} + {other}")
    return {"N": str(mine + theirs)}


def _ordered(than: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        if left is None or right is None:
            return False
        (kind, mine), (other, theirs) = _kind_and_value(left), _kind_and_value(right)
        return kind == other and than(mine, theirs)

    return compare


_SIGNS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": _equal,
    "<>": lambda left, right: not _equal(left, right),
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
}
_FUNCTIONS: Final[Mapping[str, Callable[..., bool]]] = {
    "attribute_exists": lambda value: value is not None,
    "attribute_not_exists": lambda value: value is None,
    "begins_with": lambda value, start: value is not None and str(value.get("S", "")).startswith(start["S"]),
}


@lru_cache(maxsize=512)
def condition(text: str) -> Test:
    """Compile a condition or key condition. Raises InvalidExpression."""
    return _Parser(_tokens(text)).parse_all()


_SECTIONS: Final = re.compile(r"\b(SET|REMOVE)\b")
_ASSIGN: Final = re.compile(
    r"\s*(#?\w+)\s*=\s*(?:(:\w+)|if_not_exists\(\s*(#?\w+)\s*,\s*(:\w+)\s*\))\s*(?:\+\s*(:\w+))?\s*"
)


@lru_cache(maxsize=512)
def update(text: str) -> Callable[[dict[str, Any], Mapping[str, str], Attributes], set[str]]:
    """Compile an update that changes an item and returns the names of the attributes set. Raises InvalidExpression."""
    sections = _SECTIONS.split(text)[1:]
    if not sections:
        raise InvalidExpression(text)
    sets: list[tuple[str, str | None, str, str | None]] = []
    removes: list[str] = []
    for kind, body in zip(sections[::2], sections[1::2], strict=True):
        if kind == "REMOVE":
            removes += [name.strip() for name in body.split(",")]
            continue
        for part in re.split(r",(?![^(]*\))", body):
            match = _ASSIGN.fullmatch(part)
            if match is None:
                raise InvalidExpression(f"{part!r} in {text!r}")
            sets.append((match[1], match[3], match[2] or match[4], match[5]))

    def apply(item: dict[str, Any], names: Mapping[str, str], values: Attributes) -> set[str]:
        before = dict(item)
        for name, unless, word, more in sets:
            current = before.get(_name(unless, names)) if unless else None
            value = current if current is not None else _value(word, item, names, values)
            item[_name(name, names)] = _sum(value, _value(more, item, names, values)) if more else value
        for name in removes:
            item.pop(_name(name, names), None)
        return {_name(name, names) for name, *_ in sets}

    return apply
