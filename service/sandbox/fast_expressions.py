"""Faster update expressions for moto, with the same outcome; a test compares the two.

moto checks an update in ten walks over its syntax tree. Each asks every node for its abstract base classes, and two
look at all nodes below again at each node. It also parses the same text twice per request, and copies a value to know
its size. Tests and demonstrations update hundreds of rows: that was a fifth of the CPU time of a sync and its sandbox.
"""

from __future__ import annotations

import copy
from functools import cache, lru_cache
from typing import Any, Final

from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser, Node
from moto.dynamodb.parsing.expressions import UpdateExpressionParser
from moto.dynamodb.parsing.validators import ActionCountValidator, OverlappingPathsValidator

__all__ = ["FAST", "MOTO", "register_fast_expressions"]

_MAX_PARSED: Final = 512


def register_fast_expressions() -> None:
    """Replace the slow parts of moto. Call it before the first request; idempotent."""
    for (kind, name), fast in FAST.items():
        setattr(kind, name, fast)


def _walk(self: Any, node: Any, child_id: int = -1) -> Any:  # noqa: ANN401  (as in moto)
    """Process the nodes of a tree, children first, and put each result in the place of its node."""
    kind: type = type(node)
    if not _is_node(kind):
        return node
    parent = node.parent
    for position, child in enumerate(node.children or ()):
        self.pre_processing_of_child(node, position)
        self.traverse_node_recursively(child, position)
    if _is_processed(self, kind):
        node = self.process(node)
        node.parent = parent
        if parent:
            parent.children[child_id] = node
    return node


@cache
def _is_node(kind: type) -> bool:
    return issubclass(kind, Node)


_processed: Final[dict[tuple[type, type], bool]] = {}


def _is_processed(walk: Any, kind: type) -> bool:  # noqa: ANN401
    """Whether a walk processes nodes of a class, which depends on the two classes alone."""
    key = type(walk), kind
    if key not in _processed:
        _processed[key] = issubclass(kind, walk.nodes_to_be_processed())
    return _processed[key]


def _check_once(self: Any, node: Any) -> Any:  # noqa: ANN401  (as in moto)
    """Check a tree as a whole. What is wrong with a part of it is wrong with the whole; moto's walk says which part."""
    try:
        return self.process(node)
    except (MockValidationException, KeyError, TypeError):  # TypeError: moto's, for three paths that overlap
        return self.traverse_node_recursively(node)


def _copy_node(self: Any, memo: dict[int, Any]) -> Any:  # noqa: ANN401  (as in moto)
    """Copy a tree."""
    copied = object.__new__(type(self))
    copied.__dict__.update(self.__dict__)
    if self.children is not None:
        copied.children = [copy.deepcopy(child, memo) for child in self.children]
        for child in copied.children:
            if isinstance(child, Node):
                child.parent = copied
    return copied


def _size(self: Any) -> int:  # noqa: ANN401  (as in moto)
    """Return the bytes of a value."""
    kind, value = self.type, self.value
    if kind == "N":
        return len(str(value))
    if kind == "L":
        return sum(each.size() for each in value)
    if kind == "M":
        return sum(_bytes(name) + _as_value(each).size() for name, each in value.items())
    if kind in {"SS", "BS"}:
        return sum(map(_bytes, value))
    if kind == "NS":
        return sum(len(str(each)) for each in value)
    return 1 if isinstance(value, bool) else _bytes(value)


def _as_value(value: Any) -> Any:  # noqa: ANN401  (moto's DynamoType, or a value in wire format)
    return value if type(value) is DynamoType else DynamoType(value)


def _bytes(value: str | bytes) -> int:
    return len(value) if isinstance(value, bytes) or value.isascii() else len(value.encode())


FAST: Final[dict[tuple[type, str], Any]] = {
    (DepthFirstTraverser, "traverse_node_recursively"): _walk,
    (ActionCountValidator, "traverse"): _check_once,
    (OverlappingPathsValidator, "traverse"): _check_once,
    (Node, "__deepcopy__"): _copy_node,
    (DynamoType, "size"): _size,
    # What it returns is read, or copied before it is changed.
    (UpdateExpressionParser, "make"): staticmethod(lru_cache(_MAX_PARSED)(UpdateExpressionParser.make)),
}
"""What replaces which attribute of moto's classes."""
MOTO: Final[dict[tuple[type, str], Any]] = {
    (kind, name): vars(kind).get(name) or getattr(kind, name, None) for kind, name in FAST
}
"""What was there before; None where nothing was."""
