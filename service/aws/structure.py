"""Structure of JSON responses: whether a value has the types that botocore's model gives each member. Compiled once.

The SDK's parsers build whatever the model says, and pass a value of another type on as it is: text where a number was,
an object where text was. A member that is null is one that is missing, as in the SDK; that a member is missing shows
nothing, since the models do not say which ones AWS always returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from botocore.model import ListShape, MapShape, Shape, StructureShape

from service.models import OddRecord

__all__ = ["UnexpectedStructureError", "exact_check", "odd_member", "set_odd_records_aside", "type_check"]


class UnexpectedStructureError(Exception):
    """A response has another structure than the service model says. The text names the member and quotes no value."""


Check = Callable[[Any], bool]

_KINDS: Final[Mapping[str, frozenset[type]]] = MappingProxyType(
    {
        "string": frozenset({str}),
        "character": frozenset({str}),
        "boolean": frozenset({bool}),
        "integer": frozenset({int}),
        "long": frozenset({int}),
        "float": frozenset({int, float}),
        "double": frozenset({int, float}),
        "timestamp": frozenset({int, float, str}),
        "blob": frozenset({str}),
    }
)
_DECODED: Final = frozenset({"AttributeValue"})  # DynamoDB: `service/aws/attribute_values.py` checks while it decodes
_CHANGED: Final = frozenset({"blob", "timestamp"})  # botocore converts them
_MAX_DEPTH: Final = 40  # of a shape that contains itself, for the text that names an odd member


def type_check(shape: Shape) -> Check:
    """Return a predicate: whether a value has the types of a shape. Members unknown to the shape are allowed."""
    return _compiled(shape, exact=False)


def exact_check(shape: Shape) -> Check:
    """Return a predicate: whether a value has the types of a shape, and botocore would return it unchanged.

    It changes values with a member unknown to the model, with null, with a timestamp, a blob or a renamed member.
    """
    return _compiled(shape, exact=True)


def _compiled(shape: Shape, *, exact: bool) -> Check:
    if isinstance(shape, StructureShape):
        return _structure_check(shape, exact=exact)
    if isinstance(shape, ListShape):
        return _list_check(shape, exact=exact)
    if isinstance(shape, MapShape):
        return _map_check(shape, exact=exact)
    kinds = _scalar_kinds(shape, exact=exact)
    return lambda value: type(value) in kinds


def _never(_: object) -> bool:
    return False


def _structure_check(shape: StructureShape, *, exact: bool) -> Check:
    if shape.name in _DECODED or shape.is_document_type:
        return lambda value: type(value) is dict
    members = _members(shape)
    if exact and members.keys() != shape.members.keys():
        return _never
    nested = {
        name: member for name, member in members.items() if isinstance(member, StructureShape | ListShape | MapShape)
    }
    checks = {name: _compiled(member, exact=exact) for name, member in nested.items()}
    kinds = {name: _scalar_kinds(member, exact=exact) for name, member in members.items() if name not in nested}
    if not exact:
        checks = {name: _or_null(check) for name, check in checks.items()}
        kinds = {name: kind | {type(None)} for name, kind in kinds.items()}
    return _members_check(checks, kinds, allows_unknown=not exact)


def _members_check(checks: Mapping[str, Check], kinds: Mapping[str, frozenset[type]], *, allows_unknown: bool) -> Check:
    def has_types(value: Any) -> bool:  # noqa: ANN401 - JSON
        if type(value) is not dict:
            return False
        for name, inner in value.items():
            kind = kinds.get(name)
            if kind is not None:
                if type(inner) not in kind:
                    return False
            elif name in checks:
                if not checks[name](inner):
                    return False
            elif not allows_unknown:
                return False
        return True

    return has_types


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _list_check(shape: ListShape, *, exact: bool) -> Check:
    member = shape.member
    if not isinstance(member, StructureShape | ListShape | MapShape):
        kinds = _scalar_kinds(member, exact=exact)
        return lambda value: type(value) is list and all(type(each) in kinds for each in value)
    check = _compiled(member, exact=exact)
    return lambda value: type(value) is list and all(map(check, value))


def _map_check(shape: MapShape, *, exact: bool) -> Check:
    inner = shape.value
    if inner.name in _DECODED:
        return lambda value: type(value) is dict
    if not isinstance(inner, StructureShape | ListShape | MapShape):
        kinds = _scalar_kinds(inner, exact=exact)
        return lambda value: type(value) is dict and all(type(each) in kinds for each in value.values())
    check = _compiled(inner, exact=exact)
    return lambda value: type(value) is dict and all(map(check, value.values()))


def _scalar_kinds(shape: Shape, *, exact: bool) -> frozenset[type]:
    return frozenset() if exact and shape.type_name in _CHANGED else _KINDS[shape.type_name]


def _members(shape: StructureShape) -> dict[str, Shape]:
    """Return the members of a body by the names that they have there."""
    in_body = {name: member for name, member in shape.members.items() if "location" not in member.serialization}
    return {member.serialization.get("name", name): member for name, member in in_body.items()}


def odd_member(shape: Shape, value: object, path: str = "", depth: int = 0) -> str:
    """Return the path of the first member with another type than its shape has; empty when there is none."""
    if depth > _MAX_DEPTH or shape.name in _DECODED:
        return ""
    if isinstance(shape, StructureShape):
        if not isinstance(value, dict):
            return path or "the whole"
        inner = [(f"{path}.{name}", member, value[name]) for name, member in _members(shape).items() if name in value]
        inner = [each for each in inner if each[2] is not None]
    elif isinstance(shape, ListShape):
        if not isinstance(value, list):
            return path or "the whole"
        inner = [(f"{path}[{position}]", shape.member, each) for position, each in enumerate(value)]
    elif isinstance(shape, MapShape):
        if not isinstance(value, dict):
            return path or "the whole"
        inner = [(f"{path}.*", shape.value, each) for each in value.values()]  # a key may be confidential
    else:
        return "" if type(value) in _KINDS[shape.type_name] else path
    return next((found for each in inner if (found := odd_member(each[1], each[2], each[0], depth + 1))), "")


_Checks = tuple[Mapping[str, tuple[Shape, Check]], Mapping[str, Check]]
_RESPONSE_CHECKS: Final[dict[tuple[str, ...], _Checks]] = {}  # by name and members: each SDK client has its own shapes


def _checks_of(shape: StructureShape) -> _Checks:
    key = (shape.name, *shape.members)
    if key not in _RESPONSE_CHECKS:
        _RESPONSE_CHECKS[key] = _response_checks(shape)
    return _RESPONSE_CHECKS[key]


def _response_checks(shape: StructureShape) -> _Checks:
    """Return the checks of a list's records, by the list's name, and those of the other members of a response."""
    records: dict[str, tuple[Shape, Check]] = {}
    others: dict[str, Check] = {}
    is_page = any(name.lower() == "nexttoken" for name in shape.members)
    for name, member in _members(shape).items():
        if is_page and isinstance(member, ListShape) and isinstance(member.member, StructureShape):
            records[name] = member.member, type_check(member.member)
        else:
            others[name] = type_check(member)
    return records, others


def set_odd_records_aside(
    shape: StructureShape,
    document: Any,  # noqa: ANN401 - JSON
) -> tuple[dict[str, Any], dict[str, list[OddRecord]]]:
    """Check a response; return it without the records of an unexpected structure in its list, and these by list.

    Raises:
        UnexpectedStructureError: another part of the response has an unexpected structure; the text names it.
    """
    if type(document) is not dict:
        raise UnexpectedStructureError("the response is not an object")
    records, others = _checks_of(shape)
    for name, check in others.items():
        value = document.get(name)
        if value is not None and not check(value):
            inner = odd_member(shape.members.get(name, shape), value, name)
            raise UnexpectedStructureError(f"{inner or name} has another type than the service model says")
    kept, odd = dict(document), dict[str, list[OddRecord]]()
    for name, (record_shape, check) in records.items():
        value = document.get(name)
        if value is None:
            continue
        if type(value) is not list:
            raise UnexpectedStructureError(f"{name} is not a list")
        odd_ones = [each for each in value if not check(each)]
        if odd_ones:
            kept[name] = [each for each in value if check(each)]
            odd[name] = [_odd_record(record_shape, each) for each in odd_ones]
    return kept, odd


def _odd_record(shape: Shape, value: object) -> OddRecord:
    member = odd_member(shape, value).lstrip(".")
    why = f"{member} has another type than the service model says" if isinstance(value, dict) else "it is no object"
    texts = {name: text for name, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}
    return OddRecord(why, texts)
