"""Mutations of a response: a member is null, missing, of another type, empty, repeated, too long or nested too deep."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

__all__ = [
    "DEEP",
    "KINDS",
    "Mutation",
    "Path",
    "applied",
    "drawn",
    "is_lawful_loss",
    "mutations_of",
    "paths_of",
    "spoilt_item",
]

Path = tuple[Any, ...]
DEEP: Final = "\N{DOWNWARDS ARROW}deep"
"""Stands for 2,000 nested lists until the response is serialized."""
_OTHERS: Final[tuple[Any, ...]] = (5, True, "text", [], {}, [None], {"a": None}, 1.5, 10**30)
_STORED: Final[tuple[dict[str, Any], ...]] = (
    {"S": "text"},
    {"S": ""},
    {"N": "5"},
    {"N": "-1.5"},
    {"N": "1" * 30},
    {"BOOL": True},
    {"NULL": True},
    {"L": []},
    {"L": [{"N": "5"}, {"M": {}}]},
    {"M": {}},
    {"M": {"a": {"L": []}}},
    {"SS": ["a"]},
    {"B": "YQ=="},
)
KINDS: Final = ("null", "drop", "empty", "repeat", "long", "deep", *(f"as {value!r}" for value in _OTHERS))


class Mutation(NamedTuple):
    """What becomes of one member."""

    path: Path
    kind: str

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))} {self.kind}"


def paths_of(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every member, at any depth."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in members:
        yield (*path, name)
        yield from paths_of(inner, (*path, name))


def mutations_of(answer: Any, *, first_only: bool = True) -> list[Mutation]:
    """Return every mutation of an answer; with `first_only`, of the first entry of each list."""
    paths = [
        path for path in paths_of(answer) if not first_only or not any(type(each) is int and each for each in path)
    ]
    return [Mutation(path, kind) for path in paths for kind in KINDS]


def drawn(answer: Any, rng: random.Random) -> Mutation | None:
    """Draw a mutation; None of an answer without members."""
    paths = list(paths_of(answer))
    return Mutation(rng.choice(paths), rng.choice(KINDS)) if paths else None


def applied(answer: Any, mutation: Mutation) -> Any:
    """Return an answer with one member changed; as it is where it has no such member."""
    changed = copy.deepcopy(answer)
    holder = changed
    try:
        for name in mutation.path[:-1]:
            holder = holder[name]
        before = holder[mutation.path[-1]]
    except (LookupError, TypeError):
        return changed
    if mutation.kind == "drop":
        del holder[mutation.path[-1]]
    else:
        holder[mutation.path[-1]] = _changed(before, mutation.kind)
    return changed


def _changed(value: Any, kind: str) -> Any:
    if kind == "null":
        return None
    if kind == "deep":
        return DEEP
    if kind == "empty":
        return type(value)()
    if kind == "repeat":
        return value * 2 if isinstance(value, str | list) else [value, value]
    if kind == "long":
        return "x" * 3000
    return next(copy.deepcopy(other) for other in _OTHERS if kind == f"as {other!r}")


def is_lawful_loss(mutation: Mutation) -> bool:
    """Whether a list of servers that was changed so is a well-formed list that lacks some of them."""
    path, kind = mutation
    if path[0] in {"__type", "message", "code", "Message", "Errors", "Error", "fieldList", "retryAfterSeconds", "Item"}:
        return False  # an error
    if path[0] != "items":
        return kind in {"null", "drop", "empty"}  # the token of the next page
    return (len(path) == 1 and kind in {"empty", "as []", "as [None]"}) or (len(path) == 2 and kind == "drop")


def spoilt_item(item: dict[str, Any], attribute: str, rng: random.Random) -> tuple[dict[str, Any], str]:
    """Return a DynamoDB item in which an attribute, or a member of it, has another type, and the path of that."""
    changed = copy.deepcopy(item)
    path = [attribute]
    holder: Any = changed
    name: Any = attribute
    while rng.random() < 0.6:
        ((kind, inner),) = holder[name].items()
        if kind not in {"M", "L"} or not inner:
            break
        holder = inner
        name = rng.choice(sorted(inner)) if kind == "M" else rng.randrange(len(inner))
        path.append(str(name))
    odd = rng.choice(_STORED)
    holder[name] = copy.deepcopy(odd)
    return changed, f"{'.'.join(path)} as {odd}"
